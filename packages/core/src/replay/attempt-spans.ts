import type { LogMark } from '../flow/task-history.js'
import type { EventData, RunEvent } from '../protocol/events.js'
import type { TaskId } from '../protocol/ids.js'
import type { Receipt, ReceiptStatus } from '../protocol/receipt.js'
import type { Outcome } from '../protocol/state.js'
import type { TaskSpec } from '../protocol/task.js'
import { epochMs } from '../protocol/time.js'

/** What became of an attempt that was handed out. */
export type AttemptEnd = 'accepted' | 'rejected' | 'expired' | 'cancelled' | 'abandoned'

/** One attempt, from its dispatch to its end. JSON. */
export interface AttemptSpan {
  readonly taskId: string
  readonly attempt: number
  readonly kind: string
  readonly lane: string
  readonly owner: string | null
  /** Version and time of its events are the coordinator's. */
  readonly dispatched: LogMark
  /** Who sent the receipt that was recorded; `null` while there is none. */
  readonly worker: string | null
  /** Times on the worker's clock. */
  readonly startedAt: string | null
  readonly finishedAt: string | null
  readonly recorded: LogMark | null
  readonly status: ReceiptStatus | null
  readonly ended: (LogMark & { readonly how: AttemptEnd }) | null
  /** Receipts for it that a gate has refused. */
  readonly refused: number
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }
type Facts = Pick<TaskSpec, 'kind' | 'lane' | 'owner'>

interface KnownTask {
  readonly facts: Facts
  attempts: number
  current: Writable<AttemptSpan> | null
}

/** Told of what is seen; all of it may be left out. */
export interface SpanSights {
  /** The object goes on changing until its attempt has ended. */
  began?(span: AttemptSpan): void
  recorded?(span: AttemptSpan, receipt: Receipt): void
  ended?(span: AttemptSpan): void
  /** `attempts`: how many were handed out. */
  settled?(facts: Facts, outcome: Outcome, attempts: number): void
}

/** Follows attempts through a log. In memory: one of each open task. */
export class AttemptSpans {
  readonly #tasks = new Map<TaskId, KnownTask>()

  constructor(private readonly sights: SpanSights) {}

  /** Tasks that are not settled. */
  get open(): number {
    return this.#tasks.size
  }

  fold(event: RunEvent, mark: LogMark): void {
    switch (event.type) {
      case 'planned':
        this.#know(event.data.taskId, event.data.task)
        return
      case 'run-forked':
        // What is out belongs to the other run from here on: this one takes it back, and hands it out itself.
        for (const [taskId, { current }] of this.#tasks) {
          if (current !== null && current.recorded === null) this.#end(taskId, { ...mark, how: 'cancelled' })
        }
        return
      case 'dispatched':
        this.#dispatch(event.data, mark)
        return
      case 'receipt-received':
        this.#record(event.data.receipt, mark)
        return
      case 'receipt-rejected': {
        const current = this.#tasks.get((event.data.taskId ?? '') as TaskId)?.current
        if (current?.attempt === event.data.attempt && current !== undefined && current !== null) current.refused++
        return
      }
      case 'task-rejected':
        this.#end(event.data.taskId, { ...mark, how: 'rejected' })
        return
      case 'attempt-expired':
        this.#end(event.data.taskId, { ...mark, how: 'expired' })
        return
      case 'task-accepted':
        this.#settle(event.data.taskId, 'accepted', mark)
        return
      case 'task-cancelled':
        this.#settle(event.data.taskId, 'cancelled', mark)
        return
      case 'task-abandoned':
        this.#settle(event.data.taskId, 'abandoned', mark)
        return
    }
  }

  #know(taskId: TaskId, spec: TaskSpec | undefined): KnownTask {
    const known = this.#tasks.get(taskId)
    if (known !== undefined) return known
    const { kind = '', lane = '', owner } = spec ?? {}
    const task = { facts: { kind, lane, owner }, attempts: 0, current: null }
    this.#tasks.set(taskId, task)
    return task
  }

  #dispatch({ taskId, attempt, task: spec }: EventData<'dispatched'>, dispatched: LogMark): void {
    const task = this.#know(taskId, spec)
    const { kind, lane, owner = null } = task.facts
    task.attempts++
    // Written out: spread objects cost ten times as much, and there is one for each attempt.
    task.current = {
      taskId,
      attempt,
      kind,
      lane,
      owner,
      dispatched,
      worker: null,
      startedAt: null,
      finishedAt: null,
      recorded: null,
      status: null,
      ended: null,
      refused: 0,
    }
    this.sights.began?.(task.current)
  }

  #record(receipt: Receipt, recorded: LogMark): void {
    const current = this.#tasks.get(receipt.taskId)?.current
    if (current == null) return
    current.worker = receipt.worker.id
    current.startedAt = receipt.startedAt
    current.finishedAt = receipt.finishedAt
    current.status = receipt.status
    current.recorded = recorded
    this.sights.recorded?.(current, receipt)
  }

  #end(taskId: TaskId, ended: NonNullable<AttemptSpan['ended']>): void {
    const task = this.#tasks.get(taskId)
    if (task?.current == null) return
    task.current.ended = ended
    this.sights.ended?.(task.current)
    task.current = null
  }

  #settle(taskId: TaskId, outcome: Outcome, mark: LogMark): void {
    this.#end(taskId, { ...mark, how: outcome })
    const task = this.#tasks.get(taskId)
    // One that was cancelled before it came in was never open.
    if (task === undefined) return
    this.#tasks.delete(taskId)
    this.sights.settled?.(task.facts, outcome, task.attempts)
  }
}

/** The times between the steps of an attempt, in milliseconds; `null`: it has not come so far. Below 0: clocks do not agree. */
export const latenciesOf = ({ dispatched, startedAt, finishedAt, recorded, ended }: AttemptSpan) => ({
  /** From the coordinator's clock to the worker's. */
  toStart: between(dispatched.at, startedAt),
  /** On the worker's clock. */
  work: between(startedAt, finishedAt),
  /** From the worker's clock to the coordinator's. */
  toRecord: between(finishedAt, recorded?.at),
  /** On the coordinator's clock. */
  toDecision: between(recorded?.at, ended?.at),
})

function between(from: string | null | undefined, to: string | null | undefined): number | null {
  return from == null || to == null ? null : epochMs(to) - epochMs(from)
}
