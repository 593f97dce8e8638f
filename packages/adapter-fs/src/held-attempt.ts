import { type Delivery, type ErrorCode, type Offer, RepriseError } from '@reprise/core/adapter'
import type { LaneOffer } from './lane-segment.js'
import { holds } from './lane-state.js'

const progressBytesMax = 1024

/** An attempt in the hands of this worker, from its claim until it is settled, given back or lost. */
export class HeldAttempt implements Delivery {
  readonly offer: Offer
  /** The generation of the claim. */
  readonly deliveries: number
  readonly slot: LaneOffer
  readonly claimant: string
  #progress: string | undefined
  #abort: AbortController | null = null
  #reason: RepriseError | null = null

  constructor(offer: Offer, slot: LaneOffer) {
    this.offer = offer
    this.slot = slot
    this.deliveries = slot.generation
    this.claimant = slot.claimant
  }

  /** Made when asked for: most handlers never look. */
  get signal(): AbortSignal {
    if (this.#abort === null) {
      this.#abort = new AbortController()
      if (this.#reason !== null) this.#abort.abort(this.#reason)
    }
    return this.#abort.signal
  }

  /** JSON of what `locate` shows after the next heartbeat. */
  get reached(): string | undefined {
    return this.#progress
  }

  /** May be taken off the object. */
  readonly progress = (value: unknown): void => {
    const text: string | undefined = JSON.stringify(value)
    if (text !== undefined && Buffer.byteLength(text) > progressBytesMax) {
      throw new RepriseError(
        'TOO_LARGE',
        `The progress of ${this.#name} exceeds ${progressBytesMax} bytes as JSON and is not shown. Say it shorter.`,
      )
    }
    this.#progress = text
  }

  /** Whether the claim still stands in the file, as far as that was read. */
  get held(): boolean {
    return holds(this.slot, this.claimant, this.deliveries)
  }

  /** Tells the handler that nobody wants its result any more. */
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
