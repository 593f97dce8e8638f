/** So many handlers may run at once. */
export class Slots {
  #free: number
  #closed = false
  #onChange = (): void => {}

  constructor(count: number) {
    this.#free = count
  }

  /** Takes as many as there are, at most `wanted`. */
  take(wanted: number): number {
    const taken = Math.min(wanted, this.#free)
    this.#free -= taken
    return taken
  }

  give(count: number): void {
    this.#free += count
    if (this.#free > 0) this.#onChange()
  }

  /** Resolves when there is one, or when they are closed. One waits at a time. */
  async someFree(): Promise<void> {
    while (this.#free === 0 && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#onChange = resolve
      })
    }
  }

  close(): void {
    this.#closed = true
    this.#onChange()
  }
}
