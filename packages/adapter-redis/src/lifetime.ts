import { setMaxListeners } from 'node:events'
import { RepriseError } from '@reprise/core/adapter'

/** Whether the adapter is open. Its parts share one, so that all of them end together. */
export class Lifetime {
  readonly #controller = new AbortController()

  constructor() {
    // Every watch and receiver listens.
    setMaxListeners(0, this.#controller.signal)
  }

  /** Aborts when the adapter is closed. */
  get ended(): AbortSignal {
    return this.#controller.signal
  }

  /** `CLOSED` once the adapter has been closed. */
  assertOpen(): void {
    if (this.#controller.signal.aborted) {
      throw new RepriseError('CLOSED', 'The Redis adapter was closed. Call openRedis again.')
    }
  }

  end(): void {
    this.#controller.abort()
  }
}
