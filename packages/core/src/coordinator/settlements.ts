import type { CommitLog } from '../ports/commit-log.js'
import type { RunEvent } from '../protocol/events.js'
import type { RunId, TaskId } from '../protocol/ids.js'
import type { Receipt } from '../protocol/receipt.js'
import type { Outcome } from '../protocol/state.js'
import { readCommits } from './load-run.js'

/** How a task was settled. */
export interface Settlement {
  readonly taskId: TaskId
  readonly outcome: Outcome
  /** `accepted`: the receipt that it was accepted with. */
  readonly receipt: Receipt | null
  /** `cancelled` and `abandoned`: why. */
  readonly reason: string | null
}

/**
 * How the tasks that `wanted` names were settled, in that order. Reads the whole log once; holds the receipts of tasks
 * that are not settled yet, no others. `wanted` may name more as it goes: it is asked when a receipt comes.
 */
export async function* readSettlements(
  log: CommitLog,
  runId: RunId,
  wanted: { has(taskId: TaskId): boolean },
): AsyncGenerator<Settlement, void> {
  const follower = new SettlementFollower(wanted)
  for await (const { events } of readCommits(log, runId)) {
    for (const event of events) {
      const settlement = follower.next(event)
      if (settlement !== null) yield settlement
    }
  }
}

/** Puts settlements together from events in the order of the log. */
export class SettlementFollower {
  /** Of wanted tasks, waiting for a decision. */
  readonly receipts = new Map<TaskId, Receipt>()

  constructor(private readonly wanted: { has(taskId: TaskId): boolean }) {}

  /** What the event settles, if that is wanted. An acceptance whose receipt came before the first event has none. */
  next(event: RunEvent): Settlement | null {
    switch (event.type) {
      case 'receipt-received': {
        const { receipt } = event.data
        if (this.wanted.has(receipt.taskId)) this.receipts.set(receipt.taskId, receipt)
        return null
      }
      case 'task-accepted':
        return this.settled(event.data.taskId, 'accepted', null)
      case 'task-cancelled':
        return this.settled(event.data.taskId, 'cancelled', event.data.reason)
      case 'task-abandoned':
        return this.settled(event.data.taskId, 'abandoned', event.data.reason)
      default:
        return null
    }
  }

  private settled(taskId: TaskId, outcome: Outcome, reason: string | null): Settlement | null {
    if (!this.wanted.has(taskId)) return null
    const receipt = outcome === 'accepted' ? (this.receipts.get(taskId) ?? null) : null
    this.receipts.delete(taskId)
    return { taskId, outcome, receipt, reason }
  }
}
