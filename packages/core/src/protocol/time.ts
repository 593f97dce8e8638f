let newestMs = Number.NaN
let newestText = ''

/** ISO 8601 in UTC with milliseconds: fixed width, so that strings compare as times. */
export function isoTime(epochMs: number): string {
  // Many things happen in one millisecond, and formatting is among the dearest steps of a receipt.
  if (epochMs !== newestMs) {
    newestText = new Date(epochMs).toISOString()
    newestMs = epochMs
  }
  return newestText
}

/** Milliseconds since the Unix epoch of what `isoTime` wrote. */
export const epochMs = (iso: string): number => Date.parse(iso)

/** A time as callers write it: a `Date`, or an ISO 8601 string with its zone. */
export type TimeInput = Date | string

/** In the form of `isoTime`, or `null` if it is no time, or one that depends on where it is read. */
export function readTime(time: TimeInput): string | null {
  if (typeof time !== 'string' && !(time instanceof Date)) return null
  if (typeof time === 'string' && !/T.*(?:Z|[+-]\d{2}:\d{2})$/.test(time)) return null
  const ms = typeof time === 'string' ? Date.parse(time) : time.getTime()
  return Number.isNaN(ms) ? null : isoTime(ms)
}
