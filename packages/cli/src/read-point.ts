import { usage } from './command-failure.js'

/** A place in a run: `{ version }` or `{ at }`, as the library takes it. */
export type Point = { readonly version: number } | { readonly at: string }

const unitMs: Readonly<Record<string, number>> = {
  ...{ ms: 1, s: 1_000, sec: 1_000, min: 60_000, m: 60_000, h: 3_600_000, d: 86_400_000 },
}

/** A version, a time (ISO 8601 with its zone, or a date in UTC), or how long ago: `10 min`, `2h`, `30 s`. */
export function pointOf(text: string, name: string, nowMs: number): Point {
  if (/^\d{1,15}$/.test(text)) return { version: Number(text) }
  const [, number, unit = ''] = /^(\d{1,9}(?:\.\d{1,3})?) ?([a-z]{1,3})$/.exec(text) ?? []
  const each = Object.hasOwn(unitMs, unit) ? unitMs[unit] : undefined
  const isTime = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/.test(text)
  const ms = each !== undefined ? nowMs - Number(number) * each : isTime ? Date.parse(text) : Number.NaN
  if (Number.isFinite(ms) && Math.abs(ms) < 253e12) return { at: new Date(ms).toISOString() }
  throw usage(
    `${name} takes a version like 57, a time with its zone like 2026-11-21T10:00:00Z, a date like 2026-11-21, or how long ago like '10 min', not ${text}.`,
  )
}
