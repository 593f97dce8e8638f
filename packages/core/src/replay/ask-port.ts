import { type Answer, asked } from '../coordinator/chain-sights.js'
import type { Runtime } from '../ports/runtime.js'
import { RepriseError } from '../protocol/errors.js'

/** One question to an adapter, and all of them together. Milliseconds. */
const callMs = 5_000
const allMs = 15_000

/** Asks an adapter from outside, for a bounded time: who only wants to know must not wait for what hangs. */
export class PortAsker {
  readonly #until: number

  constructor(private readonly runtime: Runtime) {
    this.#until = runtime.now() + allMs
  }

  /** What it says, or why it says nothing. The question must be harmless if it is answered after all. */
  ask<T>(what: string, call: () => Promise<T>): Promise<Answer<T>> {
    return asked(() => this.within(what, call))
  }

  /** What it says. `ADAPTER_UNAVAILABLE` if it says nothing in time, and what it fails with. */
  async within<T>(what: string, call: () => Promise<T>): Promise<T> {
    const ms = Math.min(callMs, this.#until - this.runtime.now())
    if (ms <= 0) throw new RepriseError('ADAPTER_UNAVAILABLE', `${what} was not asked: earlier answers took too long.`)
    const done = new AbortController()
    let isAnswered = false
    const silence = this.runtime.sleep(ms, done.signal).then((): never => {
      // Nearly every question is answered: an error that nobody sees would cost more than all of this.
      if (isAnswered) return undefined as never
      throw new RepriseError('ADAPTER_UNAVAILABLE', `${what} had no answer for ${ms} ms.`)
    })
    try {
      return await Promise.race([call(), silence])
    } finally {
      isAnswered = true
      done.abort('answered')
    }
  }
}
