import { type LogBasis, unknownRun, upcastCommit } from '../coordinator/load-run.js'
import { checkAnchor, loadSnapshot } from '../coordinator/load-snapshot.js'
import { initialState } from '../flow/reduce-event.js'
import { SnapshotDoubt } from '../flow/snapshot-reader.js'
import type { SnapshotPosition } from '../flow/snapshot-text.js'
import { ChainReader } from '../log/chain-reader.js'
import { readCommit } from '../log/commit-record.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { RunHistory } from '../ports/run-history.js'
import type { SnapshotStore } from '../ports/snapshot-store.js'
import type { RunId } from '../protocol/ids.js'
import type { RunState } from '../protocol/state.js'
import { checkIsLogOf } from './check-is-log-of.js'
import { FoldTo, type LastCommit } from './fold-to.js'
import { HistoryKeeper } from './history-keeper.js'
import { type LoadAtOptions, nearestSnapshot } from './nearest-snapshot.js'
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
 * from the nearest snapshot that is not beyond it, and nothing behind it. A time is always read from the start: the
 * clocks of several coordinators may go back, and the answer must not depend on where snapshots are. `RUN_UNKNOWN`
 * without a log, `VERSION_UNKNOWN` for a version or time that the log does not reach, else as `loadRun`.
 */
export async function loadRunAt(
  log: CommitLog,
  runId: RunId,
  where: Where,
  { snapshots, history }: LoadAtOptions = {},
): Promise<RunAt> {
  const stop = await stopOf(log, runId, where)
  let [dropped, found]: [string | null, RunAt | null] = [null, null]
  if ('version' in stop) {
    try {
      const nearest = await nearestSnapshot(runId, stop.version, { snapshots, history })
      if (nearest !== null) found = await loadBehind(log, runId, stop, nearest, history)
    } catch (error) {
      // Also if it was the log: then reading all of it says what is wrong, and where.
      dropped = `${(error as Error)?.message ?? error}`.slice(0, doubtMax)
    }
  }
  return reached(runId, stop, found ?? (await loadFromStart(log, runId, stop, dropped, history)))
}

const doubtMax = 200

async function loadFromStart(
  log: CommitLog,
  runId: RunId,
  stop: Stop,
  dropped: string | null,
  history: RunHistory | undefined,
): Promise<RunAt> {
  const fold = new FoldTo(stop, initialState())
  const chain = new ChainReader()
  await foldLines(log.read(runId), chain, fold, null, history && new HistoryKeeper(history, runId, 0))
  if (chain.commits === 0) throw unknownRun(runId)
  if (fold.openedLater !== null && 'at' in stop) throw beforeOpening(runId, stop.at, fold.openedLater)
  await checkIsLogOf(log, runId, fold.state.runId)
  return { state: fold.state, last: fold.last, basis: { snapshotCommits: 0, snapshotVersion: 0, dropped } }
}

/** `null` if there is none after all, or it is beyond the version. */
async function loadBehind(
  log: CommitLog,
  runId: RunId,
  stop: { readonly version: number },
  nearest: Pick<SnapshotStore, 'load'>,
  history: RunHistory | undefined,
): Promise<RunAt | null> {
  const snapshot = await loadSnapshot(nearest, runId)
  if (snapshot === null || snapshot.position.version > stop.version) return null
  const { position } = snapshot
  const fold = new FoldTo(stop, snapshot.state)
  const chain = ChainReader.behind(position)
  const keeper = history && new HistoryKeeper(history, runId, position.version)
  if (!(await foldLines(log.read(runId, position.commits - 1), chain, fold, position, keeper))) {
    throw new SnapshotDoubt(`the log ends before commit ${position.commits - 1}, of which it is`)
  }
  const basis = { snapshotCommits: position.commits, snapshotVersion: position.version, dropped: null }
  return { state: fold.state, last: fold.last, basis }
}

/** `anchor`: the first line is the commit of a snapshot, and only compared. Whether there was a line. */
async function foldLines(
  batches: AsyncIterable<string[]>,
  chain: ChainReader,
  fold: FoldTo,
  anchor: SnapshotPosition | null,
  keeper: HistoryKeeper | undefined,
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
      if (keeper?.isDue(chain.version)) await keeper.keep(positionOf(chain), fold.state)
    }
  }
  return isAny
}

/** Where the chain stands: the state is of there, since every commit before the stop is folded whole. */
const positionOf = ({ commits, version, head, first }: ChainReader): SnapshotPosition => ({
  ...{ commits, version, head },
  first: first ?? '',
})

function reached(runId: RunId, stop: Stop, found: RunAt): RunAt {
  const { version } = found.state
  if ('at' in stop || stop.version === Number.POSITIVE_INFINITY || version === stop.version) return found
  throw unknownVersion(runId, `version ${stop.version}`, version)
}
