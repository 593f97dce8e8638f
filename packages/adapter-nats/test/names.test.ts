import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeToken, encodeToken, namesOf } from '../src/names.js'

const hostile = [
  '',
  '.',
  '..',
  '*',
  '>',
  'a.*',
  'a.>',
  '$JS.API.>',
  'a b',
  'A',
  'a',
  '=',
  '=2E',
  '=~',
  'CON',
  '\u00fc',
  '\ud83d\ude80',
  '\0',
]

describe('names on the server', () => {
  it('are one plain token for any text, and different for different texts', () => {
    const text = fc.oneof(
      fc.constantFrom(...hostile),
      fc.string({ unit: 'binary' }),
      fc.string({ maxLength: 600, minLength: 300 }),
    )
    fc.assert(
      fc.property(text, text, (one, other) => {
        expect(encodeToken(one)).toMatch(/^[A-Za-z0-9_=~-]{1,400}$/)
        expect(encodeToken(one) === encodeToken(other)).toBe(one === other)
      }),
      { numRuns: 2000 },
    )
  })

  it('give every run id back', () => {
    const runId = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$/)
    fc.assert(fc.property(runId, (id) => decodeToken(encodeToken(id)) === id))
    expect(decodeToken(encodeToken(`x${'@'.repeat(127)}`))).toBe(`x${'@'.repeat(127)}`)
  })

  it('are refused where another client wrote them', () => {
    for (const token of ['a=2', 'a=2e', 'a=41', '=', 'a:b', '\u00fc', '=FF', `${'x'.repeat(32)}=~${'0'.repeat(64)}`]) {
      expect([token, decodeToken(token)]).toEqual([token, token === '=' ? '' : null])
    }
  })

  it('keep kinds of leases apart by a token of their own', () => {
    const { leaseSubject } = namesOf('p')
    expect(leaseSubject('worker/a/b.c')).toBe('$KV.p-leases.worker.a=2Fb=2Ec')
    expect(leaseSubject('worker')).toBe('$KV.p-leases.worker')
    expect(leaseSubject('worker/')).toBe('$KV.p-leases.worker.=')
  })

  it('start with a prefix that is a plain word', () => {
    for (const prefix of ['', '.', 'a.b', 'a b', '*', '>', '$JS', '-a', 'x'.repeat(65), '\u00fc']) {
      expect(() => namesOf(prefix)).toThrow(/prefix/)
    }
  })
})
