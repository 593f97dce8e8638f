import { isRepriseError } from '@reprise/core/adapter'
import { trimScript } from './inbox-scripts.js'
import type { RedisConnection } from './redis-connection.js'

/** Messages removed by one call: 2 µs each for the server. */
const idsMax = 256

/**
 * Removes what was handled, one call at a time and never waited for. What a failure leaves is remembered, and removed
 * by the next call.
 */
export class InboxTrim {
  readonly #connection: RedisConnection
  readonly #key: string
  /** Ids of what may still be on the server, in the order in which it was read. */
  readonly #handled: string[] = []
  #underWay: Promise<void> | null = null
  #hasFoundMore = false
  #refusal: unknown = null

  constructor(connection: RedisConnection, key: string) {
    this.#connection = connection
    this.#key = key
  }

  /** Nothing that was handled is left on the server. */
  get idle(): boolean {
    return this.#handled.length === 0
  }

  remove(ids: readonly string[]): void {
    for (const id of ids) this.#handled.push(id)
    this.again()
  }

  /** Goes on with what a failure has left. */
  again(): void {
    if (this.#handled.length > 0) this.#underWay ??= this.#run()
  }

  /** Whether messages were found, since the last question, that the reader has passed over. Throws what no waiting helps. */
  hasFoundMore(): boolean {
    if (this.#refusal !== null) throw this.#refusal
    const found = this.#hasFoundMore
    this.#hasFoundMore = false
    return found
  }

  /** Waits until everything is removed, or the server has failed to. */
  async finish(): Promise<void> {
    await this.#underWay
  }

  async #run(): Promise<void> {
    try {
      while (this.#handled.length > 0) {
        const ids = this.#handled.slice(0, idsMax)
        if ((await this.#connection.script(trimScript, [this.#key], ids)) === 1) this.#hasFoundMore = true
        this.#handled.splice(0, ids.length)
      }
    } catch (error) {
      // Tried again with the next batch, or in the next silence. What no waiting can help is told by the reader.
      if (!isRepriseError(error, 'ADAPTER_UNAVAILABLE') && !isRepriseError(error, 'CLOSED')) this.#refusal = error
    }
    this.#underWay = null
  }
}
