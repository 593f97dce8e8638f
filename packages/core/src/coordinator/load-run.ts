import { initialState, reduceCommit } from '../flow/reduce-event.js'
import { ChainReader } from '../log/chain-reader.js'
import type { CommitLog } from '../ports/commit-log.js'
import { isRepriseError, RepriseError } from '../protocol/errors.js'
import type { Commit } from '../protocol/events.js'
import type { RunId } from '../protocol/ids.js'
import type { RunState } from '../protocol/state.js'
import { upcastEvent } from '../protocol/upcast.js'

/** A run as its log tells it, and where the next commit goes. */
export interface LoadedRun {
  readonly state: RunState
  /** Number of commits. */
  readonly commits: number
  /** Hash of the newest commit, or 64 zeros. */
  readonly head: string
  /** Hash of the first commit; `null` without one. */
  readonly first: string | null
}

/**
 * Every commit of a run, in order, checked against its hash and the one before it, its events in their newest form.
 * `LOG_CORRUPT` at the first bad commit, `LOG_TOO_NEW` at the first unknown event.
 */
export async function* readCommits(log: CommitLog, runId: RunId): AsyncGenerator<Commit> {
  const chain = new ChainReader()
  for await (const lines of log.read(runId)) for (const line of lines) yield upcastCommit(chain.next(line))
}

/**
 * Reads, checks and folds a whole log. One parse and one hash per commit. No log gives the state before the first
 * event, with 0 commits. `LOG_CORRUPT` and `LOG_TOO_NEW` as `readCommits`, `RUN_MISMATCH` for the log of another run.
 */
export async function loadRun(log: CommitLog, runId: RunId): Promise<LoadedRun> {
  const chain = new ChainReader()
  let state = initialState()
  // Not over `readCommits`: a generator would add a promise per commit.
  for await (const lines of log.read(runId)) {
    for (const line of lines) state = fold(state, upcastCommit(chain.next(line)))
  }
  checkRunId(state.runId, runId)
  return { state, commits: chain.commits, head: chain.head, first: chain.first }
}

/** A log whose bytes verify can still say what cannot be: whoever wrote it broke the rules, and nothing can be built on it. */
function fold(state: RunState, commit: Commit): RunState {
  try {
    return reduceCommit(state, commit)
  } catch (error) {
    throw new RepriseError(
      'LOG_CORRUPT',
      `Commit ${commit.index} of run ${state.runId} is intact, and its events contradict what comes before them: ${(error as Error).message} Nothing was changed.`,
      { cause: error, details: { index: commit.index } },
    )
  }
}

/** What `verifyRun` found. */
export type LogVerdict =
  | { readonly ok: true; readonly commits: number; readonly version: number; readonly head: string }
  | { readonly ok: false; readonly firstBadCommit: number; readonly message: string }

/**
 * Checks the whole hash chain of a run. Names the first bad commit; changes nothing. `RUN_UNKNOWN` if there is no log,
 * `RUN_MISMATCH` if it is the log of another run.
 */
export async function verifyRun(log: CommitLog, runId: RunId): Promise<LogVerdict> {
  const chain = new ChainReader()
  try {
    for await (const lines of log.read(runId)) {
      for (const line of lines) {
        const { events } = chain.next(line)
        for (const { type, data } of events) if (type === 'run-opened') checkRunId(data.runId, runId)
      }
    }
  } catch (error) {
    if (!isRepriseError(error, 'LOG_CORRUPT')) throw error
    return { ok: false, firstBadCommit: chain.commits, message: error.message }
  }
  if (chain.commits === 0) {
    throw new RepriseError(
      'RUN_UNKNOWN',
      `There is no run ${runId} to verify. Check the run id and where the adapter points.`,
      { details: { runId } },
    )
  }
  return { ok: true, commits: chain.commits, version: chain.version, head: chain.head }
}

/** A log that was copied to another name is still the log of its run: two of them must not go on as one. */
export function checkRunId(found: RunId | null, runId: RunId): void {
  if (found === null || found === runId) return
  throw new RepriseError(
    'RUN_MISMATCH',
    `The log under the name ${runId} is that of run ${found}: it was copied or renamed. Nothing was changed. Put it back under the name ${found}, in another folder or namespace if the original is still there.`,
    { details: { runId, found } },
  )
}

function upcastCommit(commit: Commit): Commit {
  for (const event of commit.events) {
    // Nearly always they are in their newest form, and nothing is allocated.
    if (upcastEvent(event) !== event) return { ...commit, events: commit.events.map((old) => upcastEvent(old)) }
  }
  return commit
}
