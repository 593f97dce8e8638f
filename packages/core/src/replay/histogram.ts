/** Buckets per doubling: a bucket's upper edge is 9.1 % above its lower one. */
const perDoubling = 8

/** Values from `from` to `to`, both inclusive. */
export interface Bucket {
  readonly from: number
  readonly to: number
  readonly count: number
}

/** How whole numbers are spread. JSON. Percentiles are a bucket's upper edge, so at most 9.1 % too high; the rest is exact. */
export interface Spread {
  /** Values that are not below 0. */
  readonly count: number
  readonly min: number | null
  readonly mean: number | null
  readonly p50: number | null
  readonly p90: number | null
  readonly p99: number | null
  readonly max: number | null
  /** Those that are not empty, in order. */
  readonly buckets: readonly Bucket[]
  /** Values below 0, which are in nothing else here: two clocks do not agree. `most`: the lowest of them. */
  readonly below: { readonly count: number; readonly most: number } | null
}

/** Counts whole numbers in buckets that grow with them: at most 8 counters a doubling, however many numbers. */
export class Histogram {
  readonly #counts = new Map<number, number>()
  #count = 0
  #sum = 0
  #min = Number.POSITIVE_INFINITY
  #max = Number.NEGATIVE_INFINITY
  #belowCount = 0
  #belowMost = 0

  add(value: number): void {
    if (!Number.isFinite(value)) return
    if (value < 0) {
      this.#belowCount++
      this.#belowMost = Math.min(this.#belowMost, value)
      return
    }
    const bucket = value < 1 ? -1 : Math.floor(Math.log2(value) * perDoubling)
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + 1)
    this.#count++
    this.#sum += value
    this.#min = Math.min(this.#min, value)
    this.#max = Math.max(this.#max, value)
  }

  spread(): Spread {
    const places = [...this.#counts.keys()].sort((a, b) => a - b)
    const buckets = places.map((place) => ({ ...edges(place), count: this.#counts.get(place) ?? 0 }))
    const isEmpty = this.#count === 0
    const below = this.#belowCount === 0 ? null : { count: this.#belowCount, most: this.#belowMost }
    return {
      count: this.#count,
      min: isEmpty ? null : this.#min,
      mean: isEmpty ? null : this.#sum / this.#count,
      p50: this.#percentile(buckets, 0.5),
      p90: this.#percentile(buckets, 0.9),
      p99: this.#percentile(buckets, 0.99),
      max: isEmpty ? null : this.#max,
      buckets,
      below,
    }
  }

  /** The smallest value that so great a share of all does not exceed. */
  #percentile(buckets: readonly Bucket[], share: number): number | null {
    let left = Math.ceil(this.#count * share)
    for (const { to, count } of buckets) {
      left -= count
      if (left <= 0) return Math.min(to, this.#max)
    }
    return null
  }
}

const edges = (place: number): { from: number; to: number } =>
  place < 0 ? { from: 0, to: 0 } : { from: edge(place), to: edge(place + 1) - 1 }

const edge = (place: number): number => Math.ceil(2 ** (place / perDoubling))
