import { type LoadOptions, type LogBasis, unknownRun, upcastCommit } from '../coordinator/load-run.js'
import { checkAnchor, loadSnapshot } from '../coordinator/load-snapshot.js'
import { initialState } from '../flow/reduce-event.js'
import { SnapshotDoubt } from '../flow/snapshot-reader.js'
import type { SnapshotPosition } from '../flow/snapshot-text.js'
import { ChainReader } from '../log/chain-reader.js'
import { readCommit } from '../log/commit-record.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { SnapshotStore } from '../ports/snapshot-store.js'
import type { RunId } from '../protocol/ids.js'
import type { RunState } from '../protocol/state.js'
import { checkIsLogOf } from './check-is-log-of.js'
import { FoldTo, type LastCommit } from './fold-to.js'
import { beforeOpening, type Stop, stopOf, unknownVersion, type Where } from './where.js'

/** A run as its log told it at one place. */
export interface RunAt {
  readonly state: RunState
  /** `null` at version 0. */
  readonly last: LastCommit | null
  readonly basis: LogBasis
}

/**
 * The state of a run at any version, also inside a commit, or at a time. Reads and checks every commit up to there, or
 * from the newest snapshot that is not beyond it, and nothing behind it. A time is always read from the start: the
 * clocks of several coordinators may go back, and the answer must not depend on where snapshots are. `RUN_UNKNOWN`
 * without a log, `VERSION_UNKNOWN` for a version or time that the log does not reach, else as `loadRun`.
 */
export async function loadRunAt(
  log: CommitLog,
  runId: RunId,
  where: Where,
  { snapshots }: LoadOptions = {},
): Promise<RunAt> {
  const stop = await stopOf(log, runId, where)
  let [dropped, found]: [string | null, RunAt | null] = [null, null]
  if (snapshots !== undefined && 'version' in stop) {
    try {
      found = await loadBehind(log, runId, stop, snapshots)
    } catch (error) {
      // Also if it was the log: then reading all of it says what is wrong, and where.
      dropped = `${(error as Error)?.message ?? error}`.slice(0, doubtMax)
    }
  }
  return reached(runId, stop, found ?? (await loadFromStart(log, runId, stop, dropped)))
}

const doubtMax = 200

async function loadFromStart(log: CommitLog, runId: RunId, stop: Stop, dropped: string | null): Promise<RunAt> {
  const fold = new FoldTo(stop, initialState())
  const chain = new ChainReader()
  await foldLines(log.read(runId), chain, fold)
  if (chain.commits === 0) throw unknownRun(runId)
  if (fold.openedLater !== null && 'at' in stop) throw beforeOpening(runId, stop.at, fold.openedLater)
  await checkIsLogOf(log, runId, fold.state.runId)
  return { state: fold.state, last: fold.last, basis: { snapshotCommits: 0, snapshotVersion: 0, dropped } }
}

/** `null` if there is no snapshot, or if the newest one is beyond the version. */
async function loadBehind(
  log: CommitLog,
  runId: RunId,
  stop: { readonly version: number },
  snapshots: SnapshotStore,
): Promise<RunAt | null> {
  if ((await snapshotVersion(snapshots, runId)) > stop.version) return null
  const snapshot = await loadSnapshot(snapshots, runId)
  if (snapshot === null || snapshot.position.version > stop.version) return null
  const { position } = snapshot
  const fold = new FoldTo(stop, snapshot.state)
  if (!(await foldLines(log.read(runId, position.commits - 1), ChainReader.behind(position), fold, position))) {
    throw new SnapshotDoubt(`the log ends before commit ${position.commits - 1}, of which it is`)
  }
  const basis = { snapshotCommits: position.commits, snapshotVersion: position.version, dropped: null }
  return { state: fold.state, last: fold.last, basis }
}

/** The version that the newest snapshot says it is of, by its first line: a large one is not read in vain. 0: none. */
async function snapshotVersion(snapshots: SnapshotStore, runId: RunId): Promise<number> {
  let text = ''
  for await (const piece of snapshots.load(runId)) {
    text += piece
    if (text.includes('\n')) break
  }
  if (text === '') return 0
  const { version } = JSON.parse(text.slice(0, text.indexOf('\n'))) as Partial<SnapshotPosition>
  return version ?? 0
}

/** `anchor`: the first line is the commit of a snapshot, and only compared. Whether there was a line. */
async function foldLines(
  batches: AsyncIterable<string[]>,
  chain: ChainReader,
  fold: FoldTo,
  anchor: SnapshotPosition | null = null,
): Promise<boolean> {
  let awaited = anchor
  let isAny = false
  for await (const lines of batches) {
    for (const line of lines) {
      isAny = true
      if (awaited !== null) {
        checkAnchor(line, awaited)
        fold.standOn(readCommit(line, awaited.commits - 1))
        awaited = null
        if (fold.isThere) return true
      } else if (!fold.take(upcastCommit(chain.next(line)))) return true
    }
  }
  return isAny
}

function reached(runId: RunId, stop: Stop, found: RunAt): RunAt {
  const { version } = found.state
  if ('at' in stop || stop.version === Number.POSITIVE_INFINITY || version === stop.version) return found
  throw unknownVersion(runId, `version ${stop.version}`, version)
}
