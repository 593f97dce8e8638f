import type { CommitLog } from '../ports/commit-log.js'
import type { RunId, TaskId } from '../protocol/ids.js'
import type { Receipt } from '../protocol/receipt.js'
import { readSettlements } from './settlements.js'

/**
 * The receipts with which tasks were accepted, in the order of their acceptance: what came out of a run, or of the tasks
 * that `wanted` names. Reads the whole log once; holds the receipts of tasks that are not settled yet, no others.
 */
export async function* acceptedReceipts(
  log: CommitLog,
  runId: RunId,
  wanted: { has(taskId: TaskId): boolean } = { has: () => true },
): AsyncGenerator<Receipt, void> {
  for await (const { receipt } of readSettlements(log, runId, wanted)) if (receipt !== null) yield receipt
}
