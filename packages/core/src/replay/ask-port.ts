import { type Answer, asked } from '../coordinator/chain-sights.js'
import type { Runtime } from '../ports/runtime.js'
import { RepriseError } from '../protocol/errors.js'

/** One question to an adapter, and all of them together. Milliseconds. */
const callMs = 5_000
const allMs = 15_000

/**
 * Asks an adapter from outside, for a bounded time: who only wants to know must not wait for what hangs. What has not
 * answered once is not asked again, so that it leaves time for the others.
 */
export class PortAsker {
  readonly #until: number
  readonly #silent = new Set<string>()

  /** `signal`: nothing is waited for any more. */
  constructor(
    private readonly runtime: Runtime,
    private readonly signal: AbortSignal | undefined,
  ) {
    this.#until = runtime.now() + allMs
  }

  /**
   * What it says, or why it says nothing. The question must be harmless if it is answered after all. `ABORTED` by the
   * signal.
   */
  async ask<T>(whom: string, call: () => Promise<T>): Promise<Answer<T>> {
    const answer = await asked(() => this.within(whom, call))
    this.assertWanted()
    return answer
  }

  /** `ABORTED` if nobody waits for the answers any more. */
  assertWanted(): void {
    if (this.signal?.aborted) throw new RepriseError('ABORTED', 'Looking was aborted. Nothing was changed.')
  }

  /** What it says. `ADAPTER_UNAVAILABLE` if it says nothing in time, and what it fails with. */
  async within<T>(whom: string, call: () => Promise<T>): Promise<T> {
    const ms = Math.min(callMs, this.#until - this.runtime.now())
    if (ms <= 0) throw unanswered(`${whom} was not asked: earlier answers took too long.`)
    if (this.#silent.has(whom)) throw unanswered(`${whom} was not asked again: it has not answered before.`)
    const done = new AbortController()
    let isAnswered = false
    const over = this.signal === undefined ? done.signal : AbortSignal.any([done.signal, this.signal])
    const silence = this.runtime.sleep(ms, over).then((): never => {
      // Nearly every question is answered: an error that nobody sees would cost more than all of this.
      if (isAnswered) return undefined as never
      if (this.signal?.aborted) throw unanswered(`${whom} was not waited for.`)
      this.#silent.add(whom)
      throw unanswered(`${whom} had no answer for ${ms} ms.`)
    })
    try {
      return await Promise.race([call(), silence])
    } finally {
      isAnswered = true
      done.abort('answered')
    }
  }
}

const unanswered = (message: string): RepriseError => new RepriseError('ADAPTER_UNAVAILABLE', message)
