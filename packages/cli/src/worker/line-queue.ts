/** Lines from listeners to whoever prints them. Holds a bounded number; says how many it had to leave out. */
export class LineQueue<Line> {
  #lines: Line[] = []
  #leftOut = 0
  #ended = false
  #wake = (): void => {}

  constructor(
    private readonly max: number,
    private readonly leftOut: (lines: number) => Line,
  ) {}

  push(line: Line): void {
    if (this.#lines.length < this.max) this.#lines.push(line)
    else this.#leftOut++
    this.#wake()
  }

  /** What was pushed is still read. */
  end(): void {
    this.#ended = true
    this.#wake()
  }

  async *read(): AsyncGenerator<Line> {
    for (;;) {
      const lines = this.#lines
      this.#lines = []
      yield* lines
      if (this.#leftOut > 0) {
        const count = this.#leftOut
        this.#leftOut = 0
        yield this.leftOut(count)
      }
      if (this.#lines.length > 0) continue
      if (this.#ended) return
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}
