import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeName, encodeName } from '../src/file-names.js'

const idCharacters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@-']
const ids = fc
  .array(fc.constantFrom(...idCharacters), { minLength: 1, maxLength: 128 })
  .map((characters) => characters.join(''))
const nasty = fc.constantFrom(
  '',
  '.',
  '..',
  'CON',
  'con.txt',
  'nul',
  'COM1',
  'Aux.',
  'a.',
  'a/b',
  '*',
  '>',
  ' ',
  'a ',
  '\0',
  '+',
  '++',
  '%0041',
  'é',
  'E\u0301',
  '\ud800',
  '🚀',
  '=',
  ':',
  '~',
  '__proto__',
)
const texts = fc.oneof(ids, nasty, fc.string({ unit: 'binary', maxLength: 300 }), fc.string({ maxLength: 300 }))

describe('names of files', () => {
  it('give back every run id, and fit on every file system', () => {
    fc.assert(
      fc.property(ids, (id) => {
        const name = encodeName(id)
        expect(decodeName(name)).toBe(id)
        expect(name.length).toBeLessThanOrEqual(200)
      }),
    )
    expect(decodeName(encodeName('A'.repeat(128)))).toBe('A'.repeat(128))
    expect(decodeName(encodeName(`${'Z:'.repeat(63)}Z.`))).toBe(`${'Z:'.repeat(63)}Z.`)
  })

  it('are different for different texts, upper and lower case taken as one', () => {
    fc.assert(
      fc.property(texts, texts, (one, other) => {
        fc.pre(one !== other)
        expect(encodeName(one).toUpperCase()).not.toBe(encodeName(other).toUpperCase())
      }),
      { numRuns: 1000 },
    )
    const variants = ['run', 'Run', 'RUN', 'rUn', 'run.', 'run+8', 'ru\u006e', 'r\u0075n ']
    expect(new Set(variants.map((text) => encodeName(text).toLowerCase())).size).toBe(new Set(variants).size)
  })

  it('hold only characters that no file system treats in its own way', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const name = encodeName(text)
        expect(name).toMatch(/^[a-z0-9_%@=+-][a-z0-9._%@=+-]*$/)
        expect(name).not.toMatch(/\.$/)
        expect(name).not.toMatch(/^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/)
        expect(name.length).toBeLessThanOrEqual(200)
      }),
      { numRuns: 1000 },
    )
  })

  it('leave plain ids readable', () => {
    expect(encodeName('digest-src.2')).toBe('digest-src.2')
    expect(encodeName('Run:7')).toBe('run=7+8')
    expect(encodeName('con')).toBe('%0063on')
  })

  it('of other makers are not taken for ids', () => {
    for (const name of ['Run', 'a+', 'a+0', 'a+08', 'a b', 'con', '.git', '%41', 'x.', 'a++00', '']) {
      expect([name, decodeName(name)]).toEqual([name, null])
    }
  })
})
