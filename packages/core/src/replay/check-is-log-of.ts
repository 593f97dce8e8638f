import { checkRunId, runIdAfter } from '../coordinator/load-run.js'
import { ChainReader } from '../log/chain-reader.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { RunId } from '../protocol/ids.js'

/**
 * `RUN_MISMATCH` if the log under this name is that of another run. `found`: whose it is as far as it was read; a fork
 * begins as the log of another run, so then the rest is read too.
 */
export async function checkIsLogOf(log: Pick<CommitLog, 'read'>, runId: RunId, found: RunId | null): Promise<void> {
  if (found === null || found === runId) return
  const chain = new ChainReader()
  let last: RunId | null = null
  for await (const lines of log.read(runId)) for (const line of lines) last = runIdAfter(chain.next(line), last)
  checkRunId(last, runId)
}
