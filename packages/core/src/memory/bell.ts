/** Wakes whoever waits for a change. Look first, then wait, without an `await` between: then no ring is missed. */
export class Bell {
  #waiting = new Set<() => void>()

  ring(): void {
    const waiting = this.#waiting
    this.#waiting = new Set()
    for (const wake of waiting) wake()
  }

  /** Resolves at the next ring, or at once when one of `signals` aborts. */
  wait(...signals: readonly AbortSignal[]): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake)
        for (const signal of signals) signal.removeEventListener('abort', wake)
        resolve()
      }
      if (signals.some((signal) => signal.aborted)) return resolve()
      this.#waiting.add(wake)
      for (const signal of signals) signal.addEventListener('abort', wake, { once: true })
    })
  }
}
