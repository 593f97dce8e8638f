import { readCommit } from '../log/commit-record.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { Commit } from '../protocol/events.js'
import type { RunId } from '../protocol/ids.js'
import { epochMs } from '../protocol/time.js'

/** A place in a run: behind so many events, or at a time on the clocks of its coordinators, as ISO 8601. */
export type RunPoint = { readonly version: number } | { readonly at: string }

/** The index and the newest commit of a run; `null` if there is no log. */
export async function newestCommit(log: CommitLog, runId: RunId): Promise<Commit | null> {
  const head = await log.head(runId)
  return head === null ? null : await commitAt(log, runId, head.index)
}

/**
 * Index of a commit at or before the first one that reaches a point, near it if it can be found with a few looks; the
 * newest commit if none reaches it. Looks at single commits, which are checked against their own hashes. Times are
 * taken to grow along the log, as they do on one clock.
 */
export async function findCommit(log: CommitLog, runId: RunId, newest: Commit, point: RunPoint): Promise<number> {
  const where = 'version' in point ? point.version : epochMs(point.at)
  const placeOf = (commit: Commit) => ('version' in point ? commit.version : epochMs(commit.at))
  if (placeOf(newest) < where) return newest.index
  const first = await commitAt(log, runId, 0)
  if (first === null || placeOf(first) >= where) return 0
  // `low` does not reach the point, `high` does.
  let low: Known = { index: 0, place: placeOf(first) }
  let high: Known = { index: newest.index, place: placeOf(newest) }
  const near = Math.max(nearLeast, Math.floor(newest.index / 64))
  let [step, side]: [number, 'low' | 'high' | null] = [near, null]
  for (let looks = 0; looks < looksMax && high.index - low.index > near; looks++) {
    const commit = await commitAt(log, runId, nextLook(low, high, where, step, side))
    // Removed meanwhile: whoever reads on is told.
    if (commit === null) return 0
    const found = { index: commit.index, place: placeOf(commit) }
    side = found.place < where ? 'low' : 'high'
    if (side === 'low') low = found
    else high = found
    if (looks > 0) step *= 4
  }
  return low.index + 1
}

const looksMax = 40
/** Reading so many commits costs less than another look; in a long log, which some adapters have to scan to look, more. */
const nearLeast = 128

/** Where a commit lies: events, or milliseconds. */
interface Known {
  readonly index: number
  readonly place: number
}

/** First where the point lies if the log grew evenly, then farther and farther from there on its other side, then halves. */
function nextLook(low: Known, high: Known, where: number, step: number, side: 'low' | 'high' | null): number {
  const wide = high.index - low.index
  const even = Math.round((wide * (where - low.place)) / (high.place - low.place))
  if (side === null) return low.index + Math.min(Math.max(even, 1), wide - 1)
  if (step >= wide / 2) return low.index + Math.floor(wide / 2)
  return side === 'low' ? low.index + step : high.index - step
}

/** One commit, checked against its own hash; `null` if there is none. */
export async function commitAt(log: CommitLog, runId: RunId, index: number): Promise<Commit | null> {
  for await (const lines of log.read(runId, index)) {
    const line = lines[0]
    if (line !== undefined) return readCommit(line, index)
  }
  return null
}
