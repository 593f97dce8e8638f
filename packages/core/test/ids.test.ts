import { describe, expect, it } from 'vitest'
import type { z } from 'zod'
import {
  isoTimeSchema,
  kindSchema,
  laneSchema,
  runIdSchema,
  sha256Schema,
  taskIdBytesMax,
  taskIdSchema,
  workerIdSchema,
} from '../src/protocol/ids.js'

const takes = (schema: z.ZodType, value: unknown) => schema.safeParse(value).success
const plainNames = { runIdSchema, laneSchema, kindSchema, workerIdSchema }
const all = { ...plainNames, taskIdSchema, sha256Schema, isoTimeSchema }

describe('names of runs, lanes, kinds and workers', () => {
  it.each(Object.entries(plainNames))('%s takes plain names', (_, schema) => {
    for (const name of ['a', 'A1', '0', 'digest-src', 'a.b_c:d@e-f', 'x'.repeat(64)])
      expect(takes(schema, name)).toBe(true)
  })

  it.each(Object.entries(plainNames))(
    '%s refuses what means something to a file system, shell, channel or terminal',
    (_, schema) => {
      const hostile = [
        '',
        '.',
        '..',
        '../x',
        'a/b',
        'a\\b',
        '*',
        '>',
        'a b',
        '-rf',
        '_x',
        'a\n',
        'a\u0000b',
        'é',
        '\u202ea',
        'a\u001b[2J',
        '$(x)',
        '#',
      ]
      for (const name of hostile) expect(takes(schema, name)).toBe(false)
      for (const value of [null, 7, {}, ['a']]) expect(takes(schema, value)).toBe(false)
    },
  )

  it('have a length that every transport can hold', () => {
    const longest = [
      [runIdSchema, 128],
      [laneSchema, 64],
      [kindSchema, 128],
      [workerIdSchema, 128],
    ] as const
    for (const [schema, max] of longest) {
      expect(takes(schema, 'x'.repeat(max))).toBe(true)
      expect(takes(schema, 'x'.repeat(max + 1))).toBe(false)
    }
  })
})

describe('task ids', () => {
  it('may be any printable text, paths and reserved names included', () => {
    for (const id of ['../x', 'CON', '*', '>', 'a/b', 'a b', 'ß→漢字', '😀', 'constructor', 'x'.repeat(512)]) {
      expect(takes(taskIdSchema, id)).toBe(true)
    }
  })

  it('may be __proto__, which is an id like others', () => {
    expect(takes(taskIdSchema, '__proto__')).toBe(true)
  })

  it('are refused with control, bidi or zero-width characters, or half a character', () => {
    const hostile = [
      '\u0000',
      '\n',
      '\u001b[31m',
      '\u007f',
      '\u009b',
      '\u061c',
      '\u200b',
      '\u200f',
      '\u2028',
      '\u202e',
      '\u2066',
      '\ufeff',
      '\ud800',
      '\udc00',
    ]
    for (const piece of hostile) expect(takes(taskIdSchema, `a${piece}b`)).toBe(false)
  })

  it('are refused when empty or beyond their bytes of UTF-8', () => {
    expect(takes(taskIdSchema, '')).toBe(false)
    expect(takes(taskIdSchema, 'x'.repeat(taskIdBytesMax + 1))).toBe(false)
    expect(takes(taskIdSchema, '€'.repeat(170))).toBe(true)
    expect(takes(taskIdSchema, '€'.repeat(171))).toBe(false)
  })
})

describe('digests and times', () => {
  it('take one form only', () => {
    expect(takes(sha256Schema, 'a'.repeat(64))).toBe(true)
    for (const value of ['A'.repeat(64), 'a'.repeat(63), `${'a'.repeat(64)}\n`, 'g'.repeat(64)]) {
      expect(takes(sha256Schema, value)).toBe(false)
    }
    expect(takes(isoTimeSchema, '2026-11-21T09:30:00.123Z')).toBe(true)
    for (const value of [
      '2026-11-21T09:30:00Z',
      '2026-11-21T09:30:00.123+01:00',
      '2026-11-21',
      '+022026-11-21T09:30:00.123Z',
    ]) {
      expect(takes(isoTimeSchema, value)).toBe(false)
    }
  })

  it('refuse a time that no clock shows, which could not be waited for', () => {
    const times = [
      '2026-00-01T00:00:00.000Z',
      '2026-13-01T00:00:00.000Z',
      '2026-01-00T00:00:00.000Z',
      '2026-01-32T00:00:00.000Z',
      '2026-01-01T24:00:00.000Z',
      '2026-01-01T00:60:00.000Z',
      '2026-01-01T00:00:60.000Z',
    ]
    for (const time of times) expect(takes(isoTimeSchema, time)).toBe(false)
    expect(Number.isNaN(Date.parse('9999-12-31T23:59:59.999Z'))).toBe(false)
  })
})

describe('patterns against hostile texts', () => {
  const texts = ['a', '0', '-', '.', '\u202e', '\ud800', '😀', '2026-01-01T00:00:00.000Z', ' ', '\n'].map((piece) =>
    piece.repeat(Math.ceil(30_000 / piece.length)),
  )

  /**
   * Milliseconds of this process's own work. Patterns wait for nothing: what they took by the clock beyond that, others
   * took. So whatever is slow by the clock of a free machine is found, and a machine that stands still is not.
   */
  const costOf = (schema: z.ZodType): number => {
    const before = process.cpuUsage()
    for (const text of texts) {
      for (const value of [text, `a${text}`, `${text}!`]) expect(takes(schema, value)).toBe(false)
    }
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1000
  }

  it.each(Object.entries(all))('%s answers 30 KB of anything at once', (_, schema) => {
    expect(costOf(schema)).toBeLessThan(500)
  })
})
