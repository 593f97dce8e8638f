import type { LogMark } from '../flow/task-history.js'
import type { EventData, ResumeGate, RunEvent } from '../protocol/events.js'
import type { TaskId } from '../protocol/ids.js'
import type { RunState } from '../protocol/state.js'

/** An event: where it stands, and who asked for it: the sender of the message that it answers, or who wrote the commit. */
export interface RunMark extends LogMark {
  readonly by: string
}

/** Given-up tasks that are kept, the newest: to follow a chain of tasks that were cancelled with one another. */
const givenUpMax = 100_000

/** Which events made a run what it is: a state knows that it is paused, not by which event. */
export class RunMarks {
  opened: RunMark | null = null
  /** The newest `lock-acquired` and `lock-released`. */
  locked: RunMark | null = null
  released: (RunMark & { readonly reason: string }) | null = null
  paused: RunMark | null = null
  blocked: RunMark | null = null
  closed: RunMark | null = null
  checkpoint: RunMark | null = null
  /** The newest resume, and the gate at which it stopped. */
  resumed: (RunMark & { readonly failed: { readonly gate: ResumeGate; readonly evidence: string } | null }) | null =
    null
  /** The receipt that used up a limit on spend. */
  readonly overspent = new Map<'tokensMax' | 'costUsdMax', RunMark>()
  refusedSpawn: (RunMark & EventData<'spawn-refused'>) | null = null
  /** Success criteria, from 1, whose evidence was taken back. */
  readonly reopened = new Map<number, RunMark>()
  readonly givenUp = new Map<TaskId, RunMark & { readonly how: 'cancelled' | 'abandoned'; readonly reason: string }>()
  settled: RunMark | null = null

  /** `state`: with this event folded. */
  fold(event: RunEvent, mark: RunMark, state: RunState): void {
    switch (event.type) {
      case 'run-opened':
        this.opened = mark
        return
      case 'run-forked':
        // The limit on time begins anew; nobody holds it, and it has not ended.
        this.opened = mark
        this.locked = null
        this.released = null
        this.resumed = null
        this.closed = null
        return
      case 'lock-acquired':
        this.locked = mark
        return
      case 'lock-released':
        this.released = { ...mark, reason: event.data.reason }
        return
      case 'resumed':
        this.resumed = { ...mark, failed: event.data.gates.find((gate) => !gate.pass) ?? null }
        return
      case 'paused':
        this.paused = mark
        return
      case 'blocked':
        this.blocked = mark
        return
      case 'checkpoint-set':
        this.checkpoint = mark
        return
      case 'criterion-reopened':
        this.reopened.set(event.data.criterion, mark)
        return
      case 'receipt-received':
        this.#spend(mark, state)
        return
      case 'spawn-refused':
        this.refusedSpawn = { ...mark, ...event.data }
        return
      case 'task-accepted':
        this.settled = mark
        return
      case 'task-cancelled':
      case 'task-abandoned': {
        const { taskId, reason } = event.data
        const how = event.type === 'task-cancelled' ? 'cancelled' : 'abandoned'
        this.settled = mark
        this.givenUp.set(taskId, { ...mark, how, reason })
        if (this.givenUp.size > givenUpMax) this.#forgetOldest()
        return
      }
      case 'run-completed':
      case 'run-failed':
        this.closed = mark
        return
      default:
        return
    }
  }

  #forgetOldest(): void {
    const [oldest] = this.givenUp.keys()
    if (oldest !== undefined) this.givenUp.delete(oldest)
  }

  #spend(mark: RunMark, { policy, spent }: RunState): void {
    const { tokensMax = null, costUsdMax = null } = policy ?? {}
    if (tokensMax !== null && spent.tokens >= tokensMax && !this.overspent.has('tokensMax')) {
      this.overspent.set('tokensMax', mark)
    }
    if (costUsdMax !== null && spent.costUsd >= costUsdMax && !this.overspent.has('costUsdMax')) {
      this.overspent.set('costUsdMax', mark)
    }
  }
}
