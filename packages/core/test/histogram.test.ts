import { describe, expect, it } from 'vitest'
import { seededRandom } from '../src/memory/seeded-random.js'
import { Histogram } from '../src/replay/histogram.js'

const spreadOf = (values: readonly number[]) => {
  const histogram = new Histogram()
  for (const value of values) histogram.add(value)
  return histogram.spread()
}
const exact = (values: readonly number[], share: number) =>
  [...values].sort((a, b) => a - b)[Math.ceil(values.length * share) - 1]!

describe('a histogram', () => {
  it('gives percentiles that are at most 9.1 % too high, and never too low', () => {
    const random = seededRandom(7)
    for (const scale of [1, 10, 1_000, 1e9]) {
      const values = Array.from({ length: 1_000 }, () => Math.floor(random() ** 3 * scale * 10))
      const { p50, p90, p99, min, max, mean, count, buckets } = spreadOf(values)
      for (const [found, share] of [
        [p50, 0.5],
        [p90, 0.9],
        [p99, 0.99],
      ] as const) {
        expect(found).toBeGreaterThanOrEqual(exact(values, share))
        expect(found).toBeLessThanOrEqual(exact(values, share) * 1.091)
      }
      expect([count, min, max]).toEqual([1_000, Math.min(...values), Math.max(...values)])
      expect(mean).toBeCloseTo(values.reduce((a, b) => a + b) / 1_000)
      expect(buckets.reduce((sum, bucket) => sum + bucket.count, 0)).toBe(1_000)
      for (const { from, to, count: held } of buckets) {
        expect(values.filter((value) => value >= from && value <= to)).toHaveLength(held)
      }
    }
  })

  it('is exact for small numbers', () => {
    const { p50, p90, buckets } = spreadOf([1, 1, 1, 2, 3, 3, 4, 5, 6, 7])
    expect([p50, p90]).toEqual([3, 6])
    expect(buckets.map(({ from, to }) => [from, to])).toEqual([1, 2, 3, 4, 5, 6, 7].map((n) => [n, n]))
  })

  it('counts what is below 0 apart, and takes nothing that is no number', () => {
    const { count, below, min } = spreadOf([-5, -1, 0, 3, Number.NaN, Number.POSITIVE_INFINITY])
    expect([count, below, min]).toEqual([2, { count: 2, most: -5 }, 0])
  })

  it('without a value says nothing', () => {
    expect(spreadOf([])).toEqual({
      ...{ count: 0, min: null, mean: null, p50: null, p90: null, p99: null, max: null },
      ...{ buckets: [], below: null },
    })
  })

  it('stays small, however many different numbers there are', () => {
    const random = seededRandom(1)
    const values = Array.from({ length: 100_000 }, () => Math.floor(2 ** (random() * 35)))
    expect(spreadOf(values).buckets.length).toBeLessThanOrEqual(8 * 36)
  })
})
