import type { Run } from '../coordinator/run.js'
import type { Settlement } from '../coordinator/settlements.js'

/** Settlements of which only the outcome is known, of an earlier life, are read from the log, and the others with them. */
export async function inLogOrder(
  run: Run,
  settled: ReadonlyMap<string, Settlement>,
): Promise<ReadonlyMap<string, Settlement>> {
  const isKnown = ({ receipt, reason }: Settlement) => receipt !== null || reason !== null
  if ([...settled.values()].every(isKnown)) return settled
  const read = new Map<string, Settlement>()
  for await (const settlement of run.settlements(new Set(settled.keys()))) read.set(settlement.taskId, settlement)
  return read
}
