import type { Runtime } from '../ports/runtime.js'
import { isRepriseError, RepriseError } from '../protocol/errors.js'

type Port = 'log' | 'leases' | 'queue' | 'inbox'

/** So many failures of a port in a row, and it is not asked again before the next look. */
const failuresMax = 8

/** A port that is not asked any more: that it fails was told before. */
export class PortSkipped extends Error {
  override readonly name = 'PortSkipped'
}

/**
 * Gives every call its deadline. A port that does not answer costs a few deadlines per look, not one per run: the others
 * are looked at all the same.
 */
export class PortGuard {
  readonly #failures = new Map<Port, number>()
  readonly #waiting = new Set<AbortController>()

  /** `signal`: nothing is waited for any more. */
  constructor(
    private readonly runtime: Runtime,
    private readonly callTimeoutMs: number,
    private readonly signal: AbortSignal,
  ) {
    const leave = (): void => {
      for (const waiting of this.#waiting) waiting.abort('left')
    }
    signal.addEventListener('abort', leave, { once: true })
  }

  /** A new look: every port gets another chance. */
  renew(): void {
    this.#failures.clear()
  }

  /** As `call`, or `ADAPTER_UNAVAILABLE` after `callTimeoutMs`. What it does must be harmless afterwards too: it reads. */
  async call<T>(port: Port, what: string, call: () => Promise<T>): Promise<T> {
    if (this.signal.aborted) throw new PortSkipped(`${what}: the watchdog is closed`)
    const failures = this.#failures.get(port) ?? 0
    if (failures >= failuresMax) throw new PortSkipped(`${what}: the ${port} has failed ${failures} times in this look`)
    try {
      const value = await this.#within(what, call())
      this.#failures.set(port, 0)
      return value
    } catch (error) {
      if (isRepriseError(error, 'ADAPTER_UNAVAILABLE')) this.#failures.set(port, (this.#failures.get(port) ?? 0) + 1)
      throw error
    }
  }

  /** The same for each step of a reading. */
  async *each<T>(port: Port, what: string, items: () => AsyncIterable<T>): AsyncGenerator<T> {
    const iterator = items()[Symbol.asyncIterator]()
    try {
      for (;;) {
        const step = await this.call(port, what, () => iterator.next())
        if (step.done === true) return
        yield step.value
      }
    } finally {
      // Not waited for: one that hangs would hold up its end too.
      iterator.return?.().catch(() => {})
    }
  }

  async #within<T>(what: string, call: Promise<T>): Promise<T> {
    const done = new AbortController()
    this.#waiting.add(done)
    let isAnswered = false
    const silence = this.runtime.sleep(this.callTimeoutMs, done.signal).then((): never => {
      // Nearly every call is answered: an error that nobody sees would cost more than all of this.
      if (isAnswered) return undefined as never
      if (this.signal.aborted) throw new PortSkipped(`${what}: the watchdog is closed`)
      throw new RepriseError(
        'ADAPTER_UNAVAILABLE',
        `${what} had no answer for ${this.callTimeoutMs} ms. It is tried again.`,
      )
    })
    try {
      return await Promise.race([call, silence])
    } finally {
      isAnswered = true
      this.#waiting.delete(done)
      done.abort('answered')
    }
  }
}
