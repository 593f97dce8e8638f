/** The end of what a program says: however much that is, so many bytes of it are held, and at most one chunk more. */
export class OutputTail {
  #chunks: Buffer[] = []
  #held = 0
  #dropped = 0

  constructor(private readonly bytesMax: number) {}

  push(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#held += chunk.length
    // Seldom, so that many small chunks cost one copy each, and not one copy of everything each.
    if (this.#held > 2 * this.bytesMax || this.#chunks.length > 1_024) this.#shorten()
  }

  /** Bytes that were said before those that are kept. */
  get dropped(): number {
    this.#shorten()
    return this.#dropped
  }

  bytes(): Buffer {
    this.#shorten()
    return this.#chunks[0] ?? Buffer.alloc(0)
  }

  /** As UTF-8, from the first whole character on. */
  text(): string {
    const bytes = this.bytes()
    let from = 0
    while (from < 3 && from < bytes.length && this.#dropped > 0 && ((bytes[from] ?? 0) & 0xc0) === 0x80) from++
    return bytes.toString('utf8', from)
  }

  #shorten(): void {
    const all = this.#chunks.length === 1 ? (this.#chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#chunks)
    const tooMany = Math.max(0, all.length - this.bytesMax)
    this.#dropped += tooMany
    // Copied: a part of a larger buffer would hold all of it.
    this.#chunks = [tooMany > 0 ? Buffer.from(all.subarray(tooMany)) : all]
    this.#held = all.length - tooMany
  }
}
