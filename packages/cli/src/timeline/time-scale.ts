import type { Timeline } from '@reprise/core/replay'
import { duration } from '../output/times.js'

/** A stretch of time on so many columns, or pixels. */
export interface TimeScale {
  readonly startMs: number
  readonly endMs: number
  readonly width: number
  /** Where a time lies, from 0 to `width`; what lies outside is at the edge. */
  place(at: string): number
}

export function timeScale({ from, to }: Pick<Timeline, 'from' | 'to'>, width: number): TimeScale {
  const startMs = Date.parse(from.at)
  // Something that happened at one moment still has a length to be drawn on.
  const endMs = Math.max(startMs + 1, Date.parse(to.at))
  const place = (at: string) => {
    const share = (Date.parse(at) - startMs) / (endMs - startMs)
    return width * Math.min(1, Math.max(0, Number.isFinite(share) ? share : 0))
  }
  return { startMs, endMs, width, place }
}

const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500]
const second = 1_000
const [minute, hour, day] = [60 * second, 3_600 * second, 86_400 * second]
const niceMs = [
  ...steps,
  ...[1, 2, 5, 10, 15, 30].map((n) => n * second),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * minute),
  ...[1, 2, 3, 6, 12].map((n) => n * hour),
  ...[1, 2, 7, 14, 28, 91, 182, 364].map((n) => n * day),
]

export interface Tick {
  /** As `TimeScale.place`. */
  readonly x: number
  readonly label: string
}

/** Round times after the start, so far from each other that their labels have `room`. */
export function ticksOf(scale: TimeScale, room: number): Tick[] {
  const lengthMs = scale.endMs - scale.startMs
  const least = (lengthMs * room) / scale.width
  const step = niceMs.find((ms) => ms >= least) ?? 364 * day * Math.ceil(least / (364 * day))
  const count = Math.floor(lengthMs / step)
  return Array.from({ length: count + 1 }, (_, i) => ({
    x: (scale.width * i * step) / lengthMs,
    label: i === 0 ? '0' : duration(i * step),
  }))
}
