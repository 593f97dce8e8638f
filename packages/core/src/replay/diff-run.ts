import { unknownRun, upcastCommit } from '../coordinator/load-run.js'
import { checkAnchor, type LoadedSnapshot, loadSnapshot } from '../coordinator/load-snapshot.js'
import { forkState } from '../flow/fork-state.js'
import { initialState } from '../flow/reduce-event.js'
import { SnapshotDoubt } from '../flow/snapshot-reader.js'
import { ChainReader } from '../log/chain-reader.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { EventType } from '../protocol/events.js'
import type { RunId } from '../protocol/ids.js'
import { checkIsLogOf } from './check-is-log-of.js'
import { type DiffOptions, diffStates, type StateDiff } from './diff-states.js'
import { FoldTo } from './fold-to.js'
import { loadRunAt } from './load-run-at.js'
import { type LoadAtOptions, nearestSnapshot } from './nearest-snapshot.js'
import { beforeOpening, type Stop, stopOf, unknownVersion, type Where } from './where.js'

export interface DiffRunOptions extends DiffOptions, Pick<LoadAtOptions, 'snapshots' | 'history'> {}

/**
 * What changed in a run between two places of its log, the earlier one first, whichever is named first, and how many
 * events of which type lie between. One pass over the log up to the later one, from the nearest snapshot that is not
 * behind the earlier one; every commit that is read is checked. `RUN_UNKNOWN` and `VERSION_UNKNOWN` as `loadRunAt`.
 */
export async function diffRun(
  log: CommitLog,
  runId: RunId,
  from: Where,
  to: Where,
  options: DiffRunOptions = {},
): Promise<StateDiff> {
  const [first, second] = await inOrder(log, runId, from, to, options)
  try {
    const nearest = 'version' in first ? await nearestSnapshot(runId, first.version, options) : null
    const start = nearest === null ? null : await loadSnapshot(nearest, runId)
    if (start !== null && 'version' in first && start.position.version <= first.version) {
      return await diffFrom(start, log, runId, [first, second], options)
    }
  } catch {
    // Whatever it was: reading all of the log says what is wrong, and where.
  }
  return await diffFrom(null, log, runId, [first, second], options)
}

async function diffFrom(
  start: LoadedSnapshot | null,
  log: CommitLog,
  runId: RunId,
  [first, second]: readonly [Stop, Stop],
  options: DiffOptions,
): Promise<StateDiff> {
  const chain = start === null ? new ChainReader() : ChainReader.behind(start.position)
  const early = new FoldTo(first, start?.state ?? initialState())
  let anchor = start?.position ?? null
  let late: FoldTo | null = null
  const types = new Map<EventType, number>()
  read: for await (const lines of log.read(runId, anchor === null ? 0 : anchor.commits - 1)) {
    for (const line of lines) {
      if (anchor !== null) {
        checkAnchor(line, anchor)
        anchor = null
        continue
      }
      const commit = upcastCommit(chain.next(line))
      let skip = 0
      if (late === null) {
        if (early.take(commit)) continue
        // Folding goes on in a copy, which costs as much as there are open tasks. Senders are shared: nothing here looks at them.
        late = new FoldTo(second, forkState(early.state))
        skip = early.foldedOf(commit)
      }
      const isMore = late.isThere ? false : late.take(commit, skip)
      for (const { type } of commit.events.slice(skip, late.foldedOf(commit)))
        types.set(type, (types.get(type) ?? 0) + 1)
      if (!isMore) break read
    }
  }
  if (anchor !== null) throw new SnapshotDoubt('the log ends before the commit of which it is')
  if (chain.commits === 0) throw unknownRun(runId)
  await checkIsLogOf(log, runId, early.state.runId)
  const end = late ?? early
  for (const [stop, fold] of [
    [first, early],
    [second, end],
  ] as const)
    checkReached(runId, stop, fold)
  const total = end.state.version - early.state.version
  const counted = Array.from(types, ([type, count]) => ({ type, count })).sort((a, b) => b.count - a.count)
  return { ...diffStates(early.state, end.state, options), events: { total, types: counted } }
}

/** A time and a version can only be put in order by reading. */
async function inOrder(
  log: CommitLog,
  runId: RunId,
  from: Where,
  to: Where,
  options: LoadAtOptions,
): Promise<[Stop, Stop]> {
  let [a, b] = [await stopOf(log, runId, from), await stopOf(log, runId, to)]
  if ('at' in a && 'at' in b) return a.at <= b.at ? [a, b] : [b, a]
  if ('at' in a) a = { version: (await loadRunAt(log, runId, a, options)).state.version }
  if ('at' in b) b = { version: (await loadRunAt(log, runId, b, options)).state.version }
  return a.version <= b.version ? [a, b] : [b, a]
}

function checkReached(runId: RunId, stop: Stop, { state, openedLater }: FoldTo): void {
  if ('at' in stop) {
    if (openedLater !== null) throw beforeOpening(runId, stop.at, openedLater)
  } else if (stop.version !== Number.POSITIVE_INFINITY && state.version < stop.version) {
    throw unknownVersion(runId, `version ${stop.version}`, state.version)
  }
}
