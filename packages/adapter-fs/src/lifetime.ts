import { RepriseError } from '@reprise/core/adapter'

/** Whether the adapter is open. Its parts share one, so that all of them end together. */
export class Lifetime {
  readonly #controller = new AbortController()

  /** Aborts when the adapter is closed. */
  get ended(): AbortSignal {
    return this.#controller.signal
  }

  /** `CLOSED` once the adapter has been closed. */
  assertOpen(): void {
    if (this.#controller.signal.aborted) {
      throw new RepriseError('CLOSED', 'The files adapter was closed. Call openFiles again.')
    }
  }

  end(): void {
    this.#controller.abort()
  }
}
