import { type EventData, type ReceiptGate, type RunEvent, receiptGates } from '../protocol/events.js'
import type { TaskId } from '../protocol/ids.js'
import type { ReceiptStatus } from '../protocol/receipt.js'
import type { Outcome } from '../protocol/state.js'
import type { TaskSpec } from '../protocol/task.js'

/** Where in the log something stands: version of the run with that event, and time of its commit. */
export interface LogMark {
  readonly version: number
  readonly at: string
}

/** A message in an inbox: `sender` is one incarnation of a process, `seq` counts its messages to the run. */
export interface MessagePlace {
  readonly sender: string
  readonly seq: number
}

/** A receipt that a gate has stopped. What it says of itself may be forged. */
export interface RefusedReceipt extends LogMark {
  readonly attempt: number | null
  readonly gate: ReceiptGate
  readonly evidence: string
  readonly message: MessagePlace | null
}

/** What the log says of one attempt. */
export interface AttemptFacts {
  readonly attempt: number
  planned: LogMark | null
  dispatched: (LogMark & { readonly deadlineAt: string }) | null
  recorded:
    | (LogMark & {
        readonly worker: string
        readonly status: ReceiptStatus
        readonly finishedAt: string
        readonly message: MessagePlace | null
      })
    | null
  /** Rejected, expired, or kept out by a limit: no further receipt counts. */
  ended: (LogMark & { readonly how: 'rejected' | 'expired' | 'kept-out'; readonly reason: string }) | null
  /** The newest that answered this very dispatch: whoever sent it had been handed it. */
  refused: RefusedReceipt | null
}

/** Refused receipts that are kept, the newest: whoever sends forged ones can add as many as he likes. */
const refusedMax = 16
const knewDispatchFrom = receiptGates.indexOf('not-duplicate')

/** What a log says of one task, folded event by event. */
export class TaskHistory {
  readonly taskId: TaskId
  spec: TaskSpec | null = null
  /** In order; the last is the newest. Empty: the run has no such task. */
  readonly attempts: AttemptFacts[] = []
  settled: (LogMark & { readonly outcome: Outcome; readonly reason: string | null }) | null = null
  refusedTotal = 0
  readonly refused: RefusedReceipt[] = []
  /** Events about it so far. */
  events = 0

  constructor(taskId: TaskId) {
    this.taskId = taskId
  }

  fold(event: RunEvent, mark: LogMark): void {
    if (event.type === 'run-forked') this.#takeBack(mark)
    if (taskIdOf(event) !== this.taskId) return
    this.events++
    switch (event.type) {
      case 'planned':
        this.spec ??= event.data.task ?? null
        this.#attempt(event.data.attempt).planned = mark
        return
      case 'dispatched': {
        const { attempt, deadlineAt, task } = event.data
        this.spec ??= task ?? null
        this.#attempt(attempt).dispatched = { ...mark, deadlineAt }
        return
      }
      case 'receipt-received': {
        const { attempt, worker, status, finishedAt } = event.data.receipt
        const message = placeOf(event)
        this.#attempt(attempt).recorded = { ...mark, worker: worker.id, status, finishedAt, message }
        return
      }
      case 'receipt-rejected':
        this.#refuse(event.data, { ...mark, message: placeOf(event) })
        return
      case 'task-rejected':
        this.#end({ ...mark, how: 'rejected', reason: event.data.reason })
        return
      case 'attempt-expired':
        this.#end({ ...mark, how: 'expired', reason: `no receipt by ${event.data.deadlineAt}` })
        return
      case 'spawn-refused':
        this.#end({ ...mark, how: 'kept-out', reason: `${event.data.rule} is ${event.data.limit}` })
        return
      case 'task-accepted':
        this.settled = { ...mark, outcome: 'accepted', reason: null }
        return
      case 'task-cancelled':
        this.settled = { ...mark, outcome: 'cancelled', reason: event.data.reason }
        return
      case 'task-abandoned':
        this.settled = { ...mark, outcome: 'abandoned', reason: event.data.reason }
        return
    }
  }

  #attempt(attempt: number): AttemptFacts {
    const known = this.attempts.find((facts) => facts.attempt === attempt)
    if (known !== undefined) return known
    const facts = { attempt, planned: null, dispatched: null, recorded: null, ended: null, refused: null }
    this.attempts.push(facts)
    return facts
  }

  /** What is out belongs to the run that the log is forked from: here it waits to be handed out. */
  #takeBack(mark: LogMark): void {
    const newest = this.attempts.at(-1)
    if (newest === undefined || newest.dispatched === null || this.settled !== null) return
    if (newest.recorded !== null || newest.ended !== null) return
    newest.planned = mark
    newest.dispatched = null
    newest.refused = null
  }

  /** One that was kept out before it ever came in has no attempt. */
  #end(ended: AttemptFacts['ended']): void {
    const newest = this.attempts.at(-1)
    if (newest !== undefined) newest.ended = ended
  }

  #refuse(data: EventData<'receipt-rejected'>, where: LogMark & { readonly message: MessagePlace | null }): void {
    const { gate, evidence, attempt = null } = data
    const refused = { ...where, attempt, gate, evidence }
    this.refusedTotal++
    this.refused.push(refused)
    if (this.refused.length > refusedMax) this.refused.shift()
    if (receiptGates.indexOf(gate) < knewDispatchFrom) return
    const facts = this.attempts.find((one) => one.attempt === attempt)
    if (facts !== undefined) facts.refused = refused
  }
}

/** The task that an event is about, if it is about one. What was refused may name any. */
export function taskIdOf({ type, data }: RunEvent): string | undefined {
  if (type === 'receipt-received') return data.receipt.taskId
  return 'taskId' in data ? data.taskId : undefined
}

const placeOf = ({ cause }: RunEvent): MessagePlace | null =>
  cause === undefined ? null : { sender: cause.sender, seq: cause.seq }
