import type { AttemptSpan, TimelineLane } from '@reprise/core/replay'
import { barOf } from './attempt-text.js'

/** An attempt on one of the rows of its lane. */
export interface PackedAttempt {
  readonly span: AttemptSpan
  readonly from: string
  readonly to: string
  readonly row: number
}

export interface PackedLane {
  readonly worker: string | null
  readonly rows: number
  readonly attempts: readonly PackedAttempt[]
}

/** Attempts of a lane on as few rows as keep those apart that overlap; from `rowsMax` on they share the last. */
export function packLane({ worker, attempts }: TimelineLane, endAt: string, rowsMax: number): PackedLane {
  /** When the newest of each row ends. */
  const ends: string[] = []
  const bars = attempts.map((span) => ({ span, ...barOf(span, endAt) }))
  bars.sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0))
  const packed = bars.map(({ span, from, to }) => {
    const free = ends.findIndex((end) => end <= from)
    const row = free === -1 ? Math.min(ends.length, rowsMax - 1) : free
    const before = ends[row]
    ends[row] = before !== undefined && before > to ? before : to
    return { span, from, to, row }
  })
  return { worker, rows: Math.max(1, ends.length), attempts: packed }
}
