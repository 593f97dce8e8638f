import { loadRun, unknownRun } from '../coordinator/load-run.js'
import { summaryOf, summaryText } from '../flow/run-summary.js'
import type { Adapter } from '../ports/adapter.js'
import type { RunSummaries } from '../ports/run-summaries.js'
import type { RunId } from '../protocol/ids.js'
import type { CheckedLog } from './checked-log.js'

/**
 * Puts the summary of a run that no coordinator will put one of: that has ended, and of which there is none, say. Reads its
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

/** The same of a log that was just read to its end. Without one the log is read for a list: nothing fails for that. */
export async function offerSummary(
  summaries: RunSummaries | undefined,
  { state, chain }: Pick<CheckedLog, 'state' | 'chain'>,
): Promise<void> {
  const summary = summaryOf(state)
  await summaries
    ?.put(summary.runId, { index: chain.commits - 1, hash: chain.head }, summaryText(summary))
    .catch(() => {})
}
