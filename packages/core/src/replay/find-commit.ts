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
  // `low` does not reach the point, `high` does.
  let low: Known = { index: -1, place: 'version' in point ? 0 : Number.NaN }
  let high: Known = { index: newest.index, place: placeOf(newest) }
  for (let looks = 0; looks < looksMax && high.index - low.index > nearEnough; looks++) {
    const index = between(low, high, where, looks)
    const commit = await commitAt(log, runId, index)
    // Removed meanwhile: whoever reads on is told.
    if (commit === null) return 0
    const found = { index, place: placeOf(commit) }
    if (found.place < where) low = found
    else high = found
  }
  return low.index + 1
}

const looksMax = 24
/** Reading so many commits costs less than another look. */
const nearEnough = 128

/** Where a commit lies: events, or milliseconds. */
interface Known {
  readonly index: number
  readonly place: number
}

/** Where it would lie if the log grew evenly; every other time the middle, so that an uneven one costs no more than that. */
function between(low: Known, high: Known, where: number, looks: number): number {
  const even = (where - low.place) / (high.place - low.place)
  const share = looks % 2 === 1 || !Number.isFinite(even) ? 0.5 : even
  const index = low.index + Math.round((high.index - low.index) * share)
  return Math.min(Math.max(index, low.index + 1), high.index - 1)
}

/** One commit, checked against its own hash. */
async function commitAt(log: CommitLog, runId: RunId, index: number): Promise<Commit | null> {
  for await (const lines of log.read(runId, index)) {
    const line = lines[0]
    if (line !== undefined) return readCommit(line, index)
  }
  return null
}
