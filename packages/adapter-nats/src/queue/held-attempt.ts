import { HeldDelivery, type Offer } from '@reprise/core/adapter'
import type { DeliveryInfo } from './task-message.js'

/** An attempt in the hands of this worker, from its delivery until it is settled, given back or lost. */
export class HeldAttempt extends HeldDelivery {
  /** Of its subject. */
  readonly token: string
  /** Position in the stream. */
  readonly seq: number
  readonly sinceMs = Date.now()
  /** The last delivery, whose number is in `claim`; the handler saw the first. Its subject is where we settle. */
  #ack: string
  #claim: number
  #heartbeatAtMs = this.sinceMs

  constructor(offer: Offer, token: string, ack: string, { deliveries, seq }: DeliveryInfo) {
    super(offer, deliveries)
    this.token = token
    this.seq = seq
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

  /** The server has given the same attempt to us once more, and the handler is still at it. */
  handedAgain(ack: string, { deliveries }: DeliveryInfo): void {
    this.#ack = ack
    this.#claim = deliveries
    this.#heartbeatAtMs = Date.now()
  }

  beat(nowMs: number): void {
    this.#heartbeatAtMs = nowMs
  }
}
