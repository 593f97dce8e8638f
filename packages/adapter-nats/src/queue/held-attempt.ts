import { type Delivery, type ErrorCode, type Offer, RepriseError } from '@reprise/core/adapter'
import { type DeliveryInfo, nameOf } from './task-message.js'

const progressBytesMax = 1024

/** An attempt in the hands of this worker, from its delivery until it is settled, given back or lost. */
export class HeldAttempt implements Delivery {
  readonly offer: Offer
  /** Of its subject. */
  readonly token: string
  /** Position in the stream. */
  readonly seq: number
  /** As the handler saw it. */
  readonly deliveries: number
  readonly sinceMs = Date.now()
  /** The last delivery, whose number is in `claim`. Its subject is where we settle. */
  #ack: string
  #claim: number
  #heartbeatAtMs = this.sinceMs
  #progress: string | undefined
  #abort: AbortController | null = null
  #reason: RepriseError | null = null

  constructor(offer: Offer, token: string, ack: string, { deliveries, seq }: DeliveryInfo) {
    this.offer = offer
    this.token = token
    this.seq = seq
    this.deliveries = deliveries
    this.#ack = ack
    this.#claim = deliveries
  }

  get ack(): string {
    return this.#ack
  }

  get claim(): number {
    return this.#claim
  }

  get heartbeatAtMs(): number {
    return this.#heartbeatAtMs
  }

  /** Made when asked for: most handlers never look. */
  get signal(): AbortSignal {
    if (this.#abort === null) {
      this.#abort = new AbortController()
      if (this.#reason !== null) this.#abort.abort(this.#reason)
    }
    return this.#abort.signal
  }

  /** JSON of what the handler said last. */
  get reached(): string | undefined {
    return this.#progress
  }

  /** May be taken off the object. */
  readonly progress = (value: unknown): void => {
    const text: string | undefined = JSON.stringify(value)
    if (text !== undefined && Buffer.byteLength(text) > progressBytesMax) {
      throw new RepriseError(
        'TOO_LARGE',
        `The progress of ${nameOf(this.offer)} exceeds ${progressBytesMax} bytes as JSON and is not shown. Say it shorter.`,
      )
    }
    this.#progress = text
  }

  /** The server has given the same attempt to us once more, and the handler is still at it. */
  handedAgain(ack: string, { deliveries }: DeliveryInfo): void {
    this.#ack = ack
    this.#claim = deliveries
    this.#heartbeatAtMs = Date.now()
  }

  beat(nowMs: number): void {
    this.#heartbeatAtMs = nowMs
  }

  /** Tells the handler that nobody wants its result any more. */
  abort(code: ErrorCode, why: string): void {
    const { runId, taskId, attempt } = this.offer
    this.#reason = new RepriseError(
      code,
      `The claim on ${nameOf(this.offer)} does not stand any more: ${why}. Stop working on it.`,
      { details: { runId, taskId, attempt } },
    )
    this.#abort?.abort(this.#reason)
  }
}
