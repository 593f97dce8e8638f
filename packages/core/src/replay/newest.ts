/** The newest so many of what is added; counts those that it has let go, if they were wanted. */
export class Newest<T> {
  #kept: T[] = []
  #leftOut = 0

  constructor(
    private readonly max: number,
    private readonly isWanted: (each: T) => boolean,
  ) {}

  get newest(): T | undefined {
    return this.#kept.at(-1)
  }

  add(each: T): void {
    this.#kept.push(each)
    // Not one by one: that would move all of them each time.
    if (this.#kept.length >= 2 * this.max + 64) this.#trim()
  }

  /** In the order in which they were added. */
  list(): T[] {
    this.#trim()
    return [...this.#kept]
  }

  get leftOut(): number {
    return this.#leftOut
  }

  #trim(): void {
    const wanted = this.#kept.filter(this.isWanted)
    this.#leftOut += Math.max(0, wanted.length - this.max)
    this.#kept = wanted.slice(-this.max)
  }
}
