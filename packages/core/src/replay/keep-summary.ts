import { loadRun, unknownRun } from '../coordinator/load-run.js'
import { summaryOf, summaryText } from '../flow/run-summary.js'
import type { Adapter } from '../ports/adapter.js'
import type { RunId } from '../protocol/ids.js'

/**
 * Puts the summary of a run that no coordinator will put one of: that came from elsewhere, say, and has ended. Reads its
 * log, from its snapshot if there is one. `false`: the adapter keeps none. `RUN_UNKNOWN` if there is no log; `LOG_CORRUPT`,
 * `LOG_TOO_NEW` and `RUN_MISMATCH` as `loadRun`.
 */
export async function keepSummary({ log, snapshots, summaries }: Adapter, runId: RunId): Promise<boolean> {
  const { state, commits, head } = await loadRun(log, runId, { snapshots })
  if (commits === 0) throw unknownRun(runId)
  if (summaries === undefined) return false
  await summaries.put(runId, { index: commits - 1, hash: head }, summaryText({ ...summaryOf(state), runId }))
  return true
}
