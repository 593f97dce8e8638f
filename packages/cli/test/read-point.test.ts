import { describe, expect, it } from 'vitest'
import { pointOf } from '../src/read-point.js'

const now = Date.UTC(2026, 0, 2)
const read = (text: string) => pointOf(text, '--since', now)

describe('a point in a run, as it is written', () => {
  it.each([
    ['57', { version: 57 }],
    ['0', { version: 0 }],
    ['2026-01-01', { at: '2026-01-01T00:00:00.000Z' }],
    ['2026-01-01T10:00Z', { at: '2026-01-01T10:00:00.000Z' }],
    ['2026-01-01T10:00:00.5+02:00', { at: '2026-01-01T08:00:00.500Z' }],
    ['10 min', { at: '2026-01-01T23:50:00.000Z' }],
    ['1.5h', { at: '2026-01-01T22:30:00.000Z' }],
    ['30s', { at: '2026-01-01T23:59:30.000Z' }],
    ['250 ms', { at: '2026-01-01T23:59:59.750Z' }],
    ['1 d', { at: '2026-01-01T00:00:00.000Z' }],
  ])('%s', (text, point) => {
    expect(read(text)).toEqual(point)
  })

  it.each([
    '',
    '-1',
    '1.5',
    'yesterday',
    '10 parsecs',
    '3 toString',
    '2026-13-01',
    '2026-01-01T10:00',
    '999999999 d',
    '1'.repeat(40),
  ])('refuses %s', (text) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: 'USAGE' }))
  })
})
