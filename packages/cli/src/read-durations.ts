import { usage } from './command-failure.js'

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 }

/** A number of seconds from an option, with a fraction if need be. Milliseconds. */
export function seconds(text: string, name: string): number {
  const value = /^\d{1,9}(\.\d{1,3})?$/.test(text) ? Number(text) : 0
  if (value > 0) return Math.round(value * 1_000)
  throw usage(`${name} takes a number of seconds, such as 30 or 0.5, not ${text}.`)
}

/** A length of time such as `90s`, `15min`, `2h` or `7d`. Milliseconds. */
export function lengthOfTime(text: string, name: string): number {
  const [, number, unit = ''] = /^(\d{1,9}(?:\.\d{1,3})?) ?(ms|s|min|h|d)$/.exec(text) ?? []
  const value = Number(number) * (unitMs[unit] ?? Number.NaN)
  if (value > 0) return Math.round(value)
  throw usage(`${name} takes a length of time, such as 90s, 15min, 2h or 7d, not ${text}.`)
}

/** A time as ISO 8601 with its zone, or so long from now: `+2h`. In UTC with milliseconds. */
export function timeOf(text: string, name: string, nowMs = Date.now()): string {
  if (text.startsWith('+')) return new Date(nowMs + lengthOfTime(text.slice(1), name)).toISOString()
  const ms = /T.*(?:Z|[+-]\d{2}:\d{2})$/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(ms)) return new Date(ms).toISOString()
  throw usage(
    `${name} takes a time with its zone, such as 2030-01-31T09:00:00Z, or so long from now, such as +2h; not ${text}.`,
  )
}
