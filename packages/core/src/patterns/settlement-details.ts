import type { Run } from '../coordinator/run.js'
import type { Settlement } from '../coordinator/settlements.js'
import type { TaskId } from '../protocol/ids.js'

/** Settlements of which only the outcome is known, of an earlier life, are read from the log, and the others with them. */
export async function inLogOrder(run: Run, settled: Map<TaskId, Settlement>): Promise<Map<TaskId, Settlement>> {
  const isKnown = ({ receipt, reason }: Settlement) => receipt !== null || reason !== null
  if ([...settled.values()].every(isKnown)) return settled
  const read = new Map<TaskId, Settlement>()
  for await (const settlement of run.settlements(new Set(settled.keys()))) read.set(settlement.taskId, settlement)
  return read
}
