import { describe, expect, it } from 'vitest'
import { isoTimeSchema } from '../src/protocol/ids.js'
import { epochMs, isoTime, readTime } from '../src/protocol/time.js'

describe('times as text', () => {
  it('have one width, so that they compare as the times they are', () => {
    const times = [0, 1, 999, 1000, 86_400_000, 1_767_225_600_000, 253_402_300_799_999]
    const texts = times.map(isoTime)
    expect([...texts].sort()).toEqual(texts)
    expect(texts.map(epochMs)).toEqual(times)
    for (const text of texts) expect(isoTimeSchema.safeParse(text).success).toBe(true)
  })

  it('are right again when the clock steps back', () => {
    expect([5, 6, 5].map(isoTime)).toEqual([
      '1970-01-01T00:00:00.005Z',
      '1970-01-01T00:00:00.006Z',
      '1970-01-01T00:00:00.005Z',
    ])
  })
})

describe('reading a time from a caller', () => {
  it('takes a date, or a text with its zone, and gives UTC', () => {
    expect(readTime(new Date(5))).toBe('1970-01-01T00:00:00.005Z')
    expect(readTime('2026-01-01T01:00:00+01:00')).toBe('2026-01-01T00:00:00.000Z')
    expect(readTime('2026-01-01T00:00Z')).toBe('2026-01-01T00:00:00.000Z')
  })

  it('refuses what depends on where it is read, or is no time', () => {
    for (const time of [
      '2026-01-01',
      '2026-01-01T00:00:00',
      'tomorrow',
      '',
      '2026-99-01T00:00:00Z',
      new Date(Number.NaN),
    ]) {
      expect(readTime(time)).toBe(null)
    }
  })
})
