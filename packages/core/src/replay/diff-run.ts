import { unknownRun, upcastCommit } from '../coordinator/load-run.js'
import { forkState } from '../flow/fork-state.js'
import { initialState } from '../flow/reduce-event.js'
import { ChainReader } from '../log/chain-reader.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { EventType } from '../protocol/events.js'
import type { RunId } from '../protocol/ids.js'
import { checkIsLogOf } from './check-is-log-of.js'
import { type DiffOptions, diffStates, type StateDiff } from './diff-states.js'
import { FoldTo } from './fold-to.js'
import { loadRunAt } from './load-run-at.js'
import { beforeOpening, type Stop, stopOf, unknownVersion, type Where } from './where.js'

/**
 * What changed in a run between two places of its log, the earlier one first, whichever is named first, and how many
 * events of which type lie between. One pass over the log up to the later one, every commit checked. `RUN_UNKNOWN` and
 * `VERSION_UNKNOWN` as `loadRunAt`.
 */
export async function diffRun(
  log: CommitLog,
  runId: RunId,
  from: Where,
  to: Where,
  options: DiffOptions = {},
): Promise<StateDiff> {
  const [first, second] = await inOrder(log, runId, from, to)
  const chain = new ChainReader()
  const early = new FoldTo(first, initialState())
  let late: FoldTo | null = null
  const types = new Map<EventType, number>()
  read: for await (const lines of log.read(runId)) {
    for (const line of lines) {
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
async function inOrder(log: CommitLog, runId: RunId, from: Where, to: Where): Promise<[Stop, Stop]> {
  let [a, b] = [await stopOf(log, runId, from), await stopOf(log, runId, to)]
  if ('at' in a && 'at' in b) return a.at <= b.at ? [a, b] : [b, a]
  if ('at' in a) a = { version: (await loadRunAt(log, runId, a)).state.version }
  if ('at' in b) b = { version: (await loadRunAt(log, runId, b)).state.version }
  return a.version <= b.version ? [a, b] : [b, a]
}

function checkReached(runId: RunId, stop: Stop, { state, openedLater }: FoldTo): void {
  if ('at' in stop) {
    if (openedLater !== null) throw beforeOpening(runId, stop.at, openedLater)
  } else if (stop.version !== Number.POSITIVE_INFINITY && state.version < stop.version) {
    throw unknownVersion(runId, `version ${stop.version}`, state.version)
  }
}
