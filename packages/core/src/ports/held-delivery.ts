import { type ErrorCode, RepriseError } from '../protocol/errors.js'
import type { Offer } from '../protocol/task.js'
import type { Delivery } from './task-queue.js'

const progressBytesMax = 1024

/**
 * The part of a claimed attempt that a handler sees. An adapter extends it by what its claim needs, hands it to the
 * handler, shows `reached` with each heartbeat, and aborts it when the claim is gone.
 */
export class HeldDelivery implements Delivery {
  readonly offer: Offer
  readonly deliveries: number
  readonly earlierWorkers: readonly string[] | null
  #reached: string | undefined
  #abort: AbortController | null = null
  #reason: RepriseError | null = null

  constructor(offer: Offer, deliveries: number, earlierWorkers: readonly string[] | null = null) {
    this.offer = offer
    this.deliveries = deliveries
    this.earlierWorkers = earlierWorkers
  }

  /** Made when asked for: most handlers never look. */
  get signal(): AbortSignal {
    if (this.#abort === null) {
      this.#abort = new AbortController()
      if (this.#reason !== null) this.#abort.abort(this.#reason)
    }
    return this.#abort.signal
  }

  /** JSON of what the handler said last, for `locate`. */
  get reached(): string | undefined {
    return this.#reached
  }

  /** May be taken off the object. `TOO_LARGE` beyond 1 KiB of JSON. */
  readonly progress = (value: unknown): void => {
    const text: string | undefined = JSON.stringify(value)
    if (text !== undefined && Buffer.byteLength(text) > progressBytesMax) {
      throw new RepriseError(
        'TOO_LARGE',
        `The progress of ${this.#name} exceeds ${progressBytesMax} bytes as JSON and is not shown. Say it shorter.`,
      )
    }
    this.#reached = text
  }

  /** Tells the handler that nobody wants its result any more. `why` goes on a sentence, without a full stop. */
  abort(code: ErrorCode, why: string): void {
    const { runId, taskId, attempt } = this.offer
    this.#reason = new RepriseError(code, `${this.#name} is no longer ours: ${why}. Stop working on it.`, {
      details: { runId, taskId, attempt },
    })
    this.#abort?.abort(this.#reason)
  }

  get #name(): string {
    const { runId, taskId, attempt } = this.offer
    return `Attempt ${attempt} of task "${taskId}" in run "${runId}"`
  }
}
