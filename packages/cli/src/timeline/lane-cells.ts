import type { AttemptSpan } from '@reprise/core/replay'
import { barOf, type Fate, fateOf } from './attempt-text.js'
import type { TimeScale } from './time-scale.js'

/** One column of a lane. */
export interface LaneCell {
  /** Attempts that were seen in it. */
  readonly count: number
  /** The worst fate of these; `null` if there are none. */
  readonly worst: Fate | null
  /** The worst of those that ended in it. */
  readonly ending: Fate | null
}

/** From the best to the worst: where several things happen in one column, the worst must be seen. */
const ranks: readonly Fate[] = ['accepted', 'received', 'out', 'cancelled', 'abandoned', 'rejected', 'expired']

/** The columns of one lane. Its cost grows with the attempts and with what they cover. */
export function laneCells(attempts: readonly AttemptSpan[], scale: TimeScale, endAt: string): LaneCell[] {
  const width = scale.width
  const counts = new Array<number>(width).fill(0)
  const worst = new Array<number>(width).fill(-1)
  const ending = new Array<number>(width).fill(-1)
  const column = (at: string) => Math.min(width - 1, Math.floor(scale.place(at)))
  for (const span of attempts) {
    const { from, to } = barOf(span, endAt)
    const first = column(from)
    const last = Math.max(first, column(to))
    const rank = ranks.indexOf(fateOf(span))
    for (let i = first; i <= last; i++) {
      counts[i] = (counts[i] ?? 0) + 1
      worst[i] = Math.max(worst[i] ?? -1, rank)
    }
    if (span.ended !== null) ending[last] = Math.max(ending[last] ?? -1, rank)
  }
  return counts.map((count, i) => ({
    count,
    worst: ranks[worst[i] ?? -1] ?? null,
    ending: ranks[ending[i] ?? -1] ?? null,
  }))
}

/** For each column what held longest in it; `null` where nothing did. */
export function longestIn<T>(
  stretches: readonly { readonly what: T; readonly from: string; readonly to: string }[],
  scale: TimeScale,
): (T | null)[] {
  const longest = new Array<number>(scale.width).fill(-1)
  const found = new Array<T | null>(scale.width).fill(null)
  for (const { what, from, to } of stretches) {
    const [start, end] = [scale.place(from), scale.place(to)]
    for (let i = Math.min(Math.floor(start), scale.width - 1); i <= end && i < scale.width; i++) {
      const held = Math.min(end, i + 1) - Math.max(start, i)
      if (held < (longest[i] ?? -1)) continue
      longest[i] = held
      found[i] = what
    }
  }
  return found
}
