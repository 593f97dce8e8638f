import { describe, expect, it } from 'vitest'
import { policySchema } from '../src/protocol/policy.js'

const takes = (policy: object) => policySchema.safeParse(policy).success

describe('a policy', () => {
  it('has the documented default for every limit', () => {
    expect(policySchema.parse({})).toEqual({
      inFlightMax: 256,
      tasksMax: 1_000_000,
      depthMax: 4,
      attemptsMax: 3,
      deliveriesMax: 5,
      attemptTimeoutMs: 900_000,
      retryBackoffMs: 1000,
      retryBackoffMaxMs: 60_000,
      tokensMax: null,
      costUsdMax: null,
      wallClockMsMax: null,
      artifactBytesMax: 1_073_741_824,
      evaluateFirst: false,
      leaseTtlMs: 10_000,
      workerKeys: [],
    })
  })

  it('refuses a limit that it does not know, rather than ignoring a misspelt one', () => {
    expect(takes({ inflightMax: 1 })).toBe(false)
    expect(takes(JSON.parse('{"__proto__":{"inFlightMax":1}}'))).toBe(false)
  })

  it('refuses limits that are no limit, or that nothing could pass', () => {
    for (const value of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '3', null]) {
      expect(takes({ inFlightMax: value })).toBe(false)
      expect(takes({ attemptsMax: value })).toBe(false)
      expect(takes({ attemptTimeoutMs: value })).toBe(false)
    }
  })

  it('takes zero where zero means something', () => {
    expect(takes({ depthMax: 0, tokensMax: 0, costUsdMax: 0, artifactBytesMax: 0 })).toBe(true)
  })
})
