import type { CommitLog } from '../ports/commit-log.js'
import type { RunId, TaskId } from '../protocol/ids.js'
import type { Receipt } from '../protocol/receipt.js'
import { readCommits } from './load-run.js'

/**
 * The receipts with which tasks were accepted, in the order of their acceptance: what came out of a run, or of the tasks
 * that `wanted` names. Reads the whole log once; holds the receipts of tasks that are not settled yet, no others.
 */
export async function* acceptedReceipts(
  log: CommitLog,
  runId: RunId,
  wanted: { has(taskId: TaskId): boolean } = { has: () => true },
): AsyncGenerator<Receipt, void> {
  const waiting = new Map<TaskId, Receipt>()
  for await (const { events } of readCommits(log, runId)) {
    for (const event of events) {
      if (event.type === 'receipt-received') {
        const { receipt } = event.data
        if (wanted.has(receipt.taskId)) waiting.set(receipt.taskId, receipt)
      } else if (event.type === 'task-accepted') {
        const receipt = waiting.get(event.data.taskId)
        waiting.delete(event.data.taskId)
        if (receipt !== undefined) yield receipt
      } else if (event.type === 'task-cancelled' || event.type === 'task-abandoned') {
        waiting.delete(event.data.taskId)
      }
    }
  }
}
