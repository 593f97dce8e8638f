import { initialState, reduceCommit } from '../flow/reduce-event.js'
import { SnapshotDoubt } from '../flow/snapshot-reader.js'
import { ChainReader } from '../log/chain-reader.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { SnapshotStore } from '../ports/snapshot-store.js'
import { isRepriseError, RepriseError } from '../protocol/errors.js'
import type { Commit } from '../protocol/events.js'
import type { RunId } from '../protocol/ids.js'
import type { RunState } from '../protocol/state.js'
import { upcastEvent } from '../protocol/upcast.js'
import { checkAnchor, loadSnapshot } from './load-snapshot.js'

/** A run as its log tells it, and where the next commit goes. */
export interface LoadedRun {
  readonly state: RunState
  /** Number of commits. */
  readonly commits: number
  /** Hash of the newest commit, or 64 zeros. */
  readonly head: string
  /** Hash of the first commit; `null` without one. */
  readonly first: string | null
  readonly basis: LogBasis
}

/** What a state was made of. */
export interface LogBasis {
  /** Commits that a snapshot stands for: read and checked was the last of them, and what is behind it. 0: every commit. */
  readonly snapshotCommits: number
  /** Events in them. */
  readonly snapshotVersion: number
  /** Why a snapshot that is there was not used. */
  readonly dropped: string | null
}

export interface LoadOptions {
  /** Begins with what is kept here, if that belongs to the log. Default: every commit is read. */
  readonly snapshots?: SnapshotStore | undefined
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
 * Reads, checks and folds a log: the whole, or what is behind its snapshot, which gives the same state. One parse and
 * one hash per commit. A snapshot that is in any doubt is left aside: `basis.dropped` says why. No log gives the state
 * before the first event, with 0 commits. `LOG_CORRUPT` and `LOG_TOO_NEW` as `readCommits`, for what is read;
 * `RUN_MISMATCH` for the log of another run.
 */
export async function loadRun(log: CommitLog, runId: RunId, options: LoadOptions = {}): Promise<LoadedRun> {
  const { snapshots } = options
  let doubt: string | null = null
  if (snapshots !== undefined) {
    try {
      const loaded = await loadBehind(log, runId, snapshots)
      if (loaded !== null) return loaded
    } catch (error) {
      // Also if it was the log: then reading all of it says what is wrong, and where.
      doubt = `${(error as Error)?.message ?? error}`.slice(0, doubtMax)
    }
  }
  return await loadWhole(log, runId, doubt)
}

const doubtMax = 200

/** `null` if there is no snapshot. */
async function loadBehind(log: CommitLog, runId: RunId, snapshots: SnapshotStore): Promise<LoadedRun | null> {
  const snapshot = await loadSnapshot(snapshots, runId)
  if (snapshot === null) return null
  const { position } = snapshot
  const chain = ChainReader.behind(position)
  let { state } = snapshot
  let isAnchored = false
  for await (const lines of log.read(runId, position.commits - 1)) {
    for (const line of lines) {
      if (isAnchored) state = reduceCommit(state, upcastCommit(chain.next(line)))
      else checkAnchor(line, position)
      isAnchored = true
    }
  }
  if (!isAnchored) throw new SnapshotDoubt(`the log ends before commit ${position.commits - 1}, of which it is`)
  const basis = { snapshotCommits: position.commits, snapshotVersion: position.version, dropped: null }
  return { state, commits: chain.commits, head: chain.head, first: chain.first, basis }
}

async function loadWhole(log: CommitLog, runId: RunId, dropped: string | null): Promise<LoadedRun> {
  const chain = new ChainReader()
  let state = initialState()
  // Not over `readCommits`: a generator would add a promise per commit.
  for await (const lines of log.read(runId)) {
    for (const line of lines) state = foldCommit(state, upcastCommit(chain.next(line)))
  }
  checkRunId(state.runId, runId)
  const basis = { snapshotCommits: 0, snapshotVersion: 0, dropped }
  return { state, commits: chain.commits, head: chain.head, first: chain.first, basis }
}

/** What was checked, for the gate `log-integrity`. */
export function integrityEvidence({ state, commits, head, basis }: LoadedRun): string {
  const { snapshotCommits, dropped } = basis
  const checked =
    snapshotCommits === 0
      ? 'every commit was checked'
      : `a snapshot stands for the first ${snapshotCommits}, the last of these and the ${commits - snapshotCommits} behind it were checked`
  const doubt = dropped === null ? '' : `; a snapshot was left aside: ${dropped}`
  return `${commits} commits, ${state.version} events, head ${head}; ${checked}${doubt}`
}

/** A log whose bytes verify can still say what cannot be: whoever wrote it broke the rules, and nothing can be built on it. */
export function foldCommit(state: RunState, commit: Pick<Commit, 'index' | 'at' | 'events'>): RunState {
  try {
    return reduceCommit(state, commit)
  } catch (error) {
    throw contradiction(state.runId, commit.index, error)
  }
}

export const unknownRun = (runId: RunId): RepriseError =>
  new RepriseError('RUN_UNKNOWN', `There is no run ${runId}. Check the run id and where the adapter points.`, {
    details: { runId },
  })

/** `LOG_CORRUPT` for a commit whose bytes are intact and whose events cannot follow what comes before them. */
export function contradiction(runId: RunId | null, index: number, error: unknown): RepriseError {
  const why = error instanceof Error ? error.message : String(error)
  return new RepriseError(
    'LOG_CORRUPT',
    `Commit ${index} of ${runId === null ? 'the log' : `run ${runId}`} is intact, and its events contradict what comes before them: ${why} Nothing was changed.`,
    { cause: error, details: { index } },
  )
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
  let found: RunId | null = null
  try {
    for await (const lines of log.read(runId)) {
      for (const line of lines) found = runIdAfter(chain.next(line), found)
    }
    checkRunId(found, runId)
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

/** Whose log it is after a commit: a fork begins as the log of another run. */
export function runIdAfter({ events }: Commit, before: RunId | null): RunId | null {
  let found = before
  for (const { type, data } of events) if (type === 'run-opened' || type === 'run-forked') found = data.runId
  return found
}

/** A log that was copied to another name is still the log of its run: two of them must not go on as one. */
export function checkRunId(found: RunId | null, runId: RunId): void {
  if (found === null || found === runId) return
  throw new RepriseError(
    'RUN_MISMATCH',
    `The log under the name ${runId} is that of run ${found}: it was copied or renamed, or is a fork of it that was not finished. Nothing was changed. Put it back under the name ${found}, in another folder or namespace if the original is still there; a fork is finished by asking for it again.`,
    { details: { runId, found } },
  )
}

export function upcastCommit(commit: Commit): Commit {
  try {
    for (const event of commit.events) {
      // Nearly always they are in their newest form, and nothing is allocated.
      if (upcastEvent(event) !== event) return { ...commit, events: commit.events.map((old) => upcastEvent(old)) }
    }
  } catch (error) {
    throw isRepriseError(error) ? error : contradiction(null, commit.index, error)
  }
  return commit
}
