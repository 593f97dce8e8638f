import { describe, expect, it } from 'vitest'
import { assertInvariant, errorCodes, isRepriseError, RepriseError } from '../src/protocol/errors.js'

describe('a RepriseError', () => {
  it('carries code, retry hint, details and cause', () => {
    const cause = new Error('ECONNRESET')
    const error = new RepriseError('ADAPTER_UNAVAILABLE', 'no answer', { cause, details: { runId: 'r' } })
    expect(error).toMatchObject({
      name: 'RepriseError',
      code: 'ADAPTER_UNAVAILABLE',
      retry: 'later',
      cause,
      details: { runId: 'r' },
    })
    expect(error).toBeInstanceOf(Error)
  })

  it('has no cause when there is none', () => {
    const error = new RepriseError('CLOSED', 'closed')
    expect('cause' in error).toBe(false)
    expect(error.details).toEqual({})
  })

  it('is recognised when it comes from another copy of the package, by code too', async () => {
    const copyUrl = new URL('../src/protocol/errors.js?copy', import.meta.url).href
    const copy = (await import(copyUrl)) as typeof import('../src/protocol/errors.js')
    const foreign = new copy.RepriseError('LOCK_LOST', 'gone')
    expect(foreign).not.toBeInstanceOf(RepriseError)
    expect(isRepriseError(foreign)).toBe(true)
    expect(isRepriseError(foreign, 'LOCK_LOST')).toBe(true)
    expect(isRepriseError(foreign, 'CLOSED')).toBe(false)
  })

  it('is not mistaken for anything else', () => {
    const alike = Object.assign(new Error('x'), { code: 'CLOSED', name: 'RepriseError' })
    for (const value of [alike, null, undefined, 'CLOSED', { code: 'CLOSED' }, new Error('x')]) {
      expect(isRepriseError(value)).toBe(false)
    }
  })

  it('does not show its mark when it is printed or copied into a log', () => {
    expect(Object.keys(new RepriseError('CLOSED', 'closed')).sort()).toEqual(['code', 'details', 'name', 'retry'])
  })
})

describe('the table of error codes', () => {
  it.each(Object.entries(errorCodes))('%s has a meaning and a retry hint', (code, { retry, meaning }) => {
    expect(code).toMatch(/^[A-Z][A-Z_]+$/)
    expect(['never', 'later', 'reopen']).toContain(retry)
    expect(meaning.length).toBeGreaterThan(10)
  })
})

describe('an invariant', () => {
  it('that holds says nothing, and one that is broken asks for a report', () => {
    assertInvariant(true, 'never said')
    expect(() => assertInvariant(false, 'two is two')).toThrow(/invariant broken: two is two.*report/)
  })
})
