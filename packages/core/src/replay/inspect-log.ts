import { checkRunId, contradiction, loadRun, unknownRun } from '../coordinator/load-run.js'
import { initialState, reduceCommit } from '../flow/reduce-event.js'
import { ChainReader } from '../log/chain-reader.js'
import { genesisHash } from '../log/commit-record.js'
import type { CommitLog, StoredPiece } from '../ports/commit-log.js'
import type { SnapshotStore } from '../ports/snapshot-store.js'
import { isRepriseError, type RepriseError } from '../protocol/errors.js'
import type { RunId } from '../protocol/ids.js'
import { upcastEvent } from '../protocol/upcast.js'
import { type LogRemains, RemainsCount } from './count-remains.js'
import { type LogProblem, type LogProblemKind, logProblem } from './log-problem.js'
import { PieceWalk, type Prefix } from './walk-pieces.js'

/** What was found in a log. */
export interface LogReport {
  readonly runId: RunId
  /** Every commit that was looked at is what its hash says, in its place, and its events are known and can be folded. */
  readonly ok: boolean
  /** Commits that are right: all of them, or those before the first bad one. */
  readonly commits: number
  /** Events in them. */
  readonly version: number
  /** Hash of the last of them; `null` without one. */
  readonly head: string | null
  /** Hash of the first of them; `null` without one. */
  readonly first: string | null
  /** Commits that a snapshot stood for: not looked at. 0: the whole log was. */
  readonly snapshotCommits: number
  readonly problem: LogProblem | null
  /** Whole commits behind the first bad one; `null` if they were not counted. */
  readonly later: number | null
  /** Harmless: what the log holds besides commits. `null` if it was not looked for. */
  readonly remains: LogRemains | null
}

export interface InspectOptions {
  /**
   * Looks only at what is behind the newest snapshot kept here, as opening the run does. Default: the whole log, and what
   * else is stored beside its commits.
   */
  readonly snapshots?: SnapshotStore | undefined
}

/**
 * Says whether a log is right, and if not, what is wrong first, where, and what to do. Changes nothing, and keeps a bounded
 * part of the log in memory. `RUN_UNKNOWN` if there is none; `ADAPTER_UNAVAILABLE` if the backend does not answer.
 */
export async function inspectLog(log: CommitLog, runId: RunId, options: InspectOptions = {}): Promise<LogReport> {
  if (options.snapshots !== undefined) return await inspectQuickly(log, runId, options.snapshots)
  const { chain, failed } = await readThrough(log, runId)
  if (failed !== null) {
    const walk = new PieceWalk({ wanted: failed.commit, readable: chain.commits })
    for await (const piece of log.stored?.(runId) ?? piecesOf(log, runId)) walk.take(piece)
    return badReport(runId, walk, whatFailed(failed, walk))
  }
  const count = new RemainsCount()
  for await (const piece of log.stored?.(runId) ?? []) count.take(piece)
  const { commits, version, head, first } = chain
  const { remains } = count
  const found = { commits, version, snapshotCommits: 0, later: 0, remains }
  if (commits > 0) return { runId, ok: true, ...found, head, first, problem: null }
  if (count.pieces === 0) throw unknownRun(runId)
  return {
    runId,
    ok: false,
    ...found,
    head: null,
    first: null,
    problem: logProblem('empty', 0, null, emptySays(remains)),
  }
}

const emptySays = ({ torn }: LogRemains): string =>
  torn === 0 ? 'The log is there, and empty.' : 'The log has no whole commit, only the remains of a write that failed.'

/** What reading, decoding and folding stopped at. */
interface Failed {
  readonly error: RepriseError
  /** Index of the commit whose meaning is wrong, its bytes being right; `null` if it is the bytes, or their order. */
  readonly commit: number | null
  /** What was right before it. */
  readonly before: Prefix
}

async function readThrough(log: CommitLog, runId: RunId): Promise<{ chain: ChainReader; failed: Failed | null }> {
  const chain = new ChainReader()
  let state = initialState()
  let before = beforeOf(chain)
  let commit: number | null = null
  try {
    for await (const lines of log.read(runId)) {
      for (const line of lines) {
        before = beforeOf(chain)
        const read = chain.next(line)
        commit = read.index
        state = reduceCommit(state, { at: read.at, events: read.events.map((event) => upcastEvent(event)) })
        commit = null
      }
    }
    // Not at `run-opened`: what follows may have given the log to another run.
    ;[commit, before] = [0, nothing]
    checkRunId(state.runId, runId)
  } catch (error) {
    if (isRepriseError(error)) {
      if (!['LOG_CORRUPT', 'LOG_TOO_NEW', 'RUN_MISMATCH'].includes(error.code)) throw error
      return { chain, failed: { error, commit, before: commit === null ? beforeOf(chain) : before } }
    }
    if (commit === null) throw error
    return { chain, failed: { error: contradiction(runId, commit, error), commit, before } }
  }
  return { chain, failed: null }
}

const nothing: Prefix = { commits: 0, version: 0, head: genesisHash }

const beforeOf = ({ commits, version, head }: ChainReader): Prefix => ({ commits, version, head })

interface WhatFailed {
  readonly problem: LogProblem
  readonly before: Prefix
}

function whatFailed({ error, commit, before }: Failed, walk: PieceWalk): WhatFailed {
  // The bytes, or their order: those who stored them know more than the first reading saw.
  if (commit === null)
    return walk.problem() ?? { problem: logProblem('unreadable', walk.commits, null, error.message), before: walk }
  const told = (kind: LogProblemKind, message: string) => ({
    problem: logProblem(kind, commit, walk.placeOfWanted, message),
    before,
  })
  if (error.code === 'LOG_TOO_NEW') return told('too-new', firstSentence(error.message))
  if (error.code === 'RUN_MISMATCH') return told('other-run', firstSentence(error.message))
  const why = error.cause instanceof Error ? error.cause.message : error.message
  return told('impossible', `Commit ${commit} is intact and contradicts what comes before it: ${why}`)
}

/** The others say what to do, which a problem says apart. */
const firstSentence = (message: string): string => `${message.split(/[.] (?=[A-Z])/, 1)[0]?.replace(/[.]$/, '')}.`

function badReport(runId: RunId, walk: PieceWalk, { problem, before }: WhatFailed): LogReport {
  const { commits, version, head } = before
  const first = commits === 0 ? null : walk.first
  const found = { commits, version, head: commits === 0 ? null : head, first, snapshotCommits: 0, problem }
  // The walk went on behind what only its meaning shows to be bad, or the adapter alone: that one is no later commit.
  const walkedOn = walk.commits - commits
  const isBadWalkedOn = problem.place !== null && walk.placeOfWanted === problem.place
  const later = walkedOn + walk.later - (isBadWalkedOn ? 1 : 0)
  return { runId, ok: false, ...found, later, remains: walk.remains }
}

/** Of an adapter that has nothing but its commits. */
async function* piecesOf(log: CommitLog, runId: RunId): AsyncGenerator<StoredPiece> {
  let index = 0
  try {
    for await (const lines of log.read(runId)) {
      for (const line of lines) {
        const bytes = Buffer.from(line)
        yield { place: `record ${index++}`, bytes, length: bytes.length, whole: true }
      }
    }
  } catch (error) {
    // It was told by the first reading already, which came as far.
    if (!isRepriseError(error, 'LOG_CORRUPT')) throw error
  }
}

async function inspectQuickly(log: CommitLog, runId: RunId, snapshots: SnapshotStore): Promise<LogReport> {
  try {
    const { commits, state, head, first, basis } = await loadRun(log, runId, { snapshots })
    if (commits === 0) throw unknownRun(runId)
    const found = { commits, version: state.version, head, first, snapshotCommits: basis.snapshotCommits }
    return { runId, ok: true, ...found, problem: null, later: null, remains: null }
  } catch (error) {
    // Which commit it is, and why, only the whole log tells.
    if (isRepriseError(error, 'ADAPTER_UNAVAILABLE') || isRepriseError(error, 'CLOSED')) throw error
    return await inspectLog(log, runId)
  }
}
