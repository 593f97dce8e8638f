import { type TracedFacts, TracedTasks } from '../flow/traced-tasks.js'
import { ChainReader } from '../log/chain-reader.js'
import type { CommitLog } from '../ports/commit-log.js'
import { isRepriseError } from '../protocol/errors.js'
import type { Commit } from '../protocol/events.js'
import type { RunId } from '../protocol/ids.js'
import { upcastEvent } from '../protocol/upcast.js'
import { checkRunId, contradiction, runIdAfter, unknownRun } from './load-run.js'

/** How many tasks of a trace may still be listed, of all runs together. Below 0: there are too many, and reading ends. */
export interface TaskAllowance {
  left: number
}

/**
 * The tasks of a run that carry a trace id. Streams its log once, checks the hash of each commit and its place, and
 * keeps these tasks alone. `RUN_UNKNOWN`, `LOG_CORRUPT`, `LOG_TOO_NEW`, `RUN_MISMATCH`.
 */
export async function readTrace(
  log: CommitLog,
  runId: RunId,
  traceId: string,
  allowance: TaskAllowance,
): Promise<readonly TracedFacts[]> {
  const chain = new ChainReader()
  const traced = new TracedTasks(runId, traceId)
  let found: RunId | null = null
  for await (const lines of log.read(runId)) {
    for (const line of lines) {
      const before = traced.size
      found = fold(traced, found, runId, chain.next(line))
      allowance.left -= traced.size - before
      if (allowance.left < 0) return traced.all
    }
  }
  if (chain.commits === 0) throw unknownRun(runId)
  checkRunId(found, runId)
  return traced.all
}

/** Whose log it is, behind the commit. */
function fold(traced: TracedTasks, found: RunId | null, runId: RunId, commit: Commit): RunId | null {
  const { index, version, at, events } = commit
  try {
    for (const [i, stored] of events.entries()) {
      const event = upcastEvent(stored)
      traced.fold(event, { version: version - events.length + i + 1, at })
    }
    return runIdAfter(commit, found)
  } catch (error) {
    throw isRepriseError(error) ? error : contradiction(runId, index, error)
  }
}
