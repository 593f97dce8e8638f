import type { NatsConnection as NatsClient } from '@nats-io/transport-node'
import type { PullInbox } from './pull-inbox.js'

const nanosPerMs = 1e6
/** Bytes, not text: each attempt sends it. */
const acknowledged = Buffer.from('+ACK')

/**
 * Acknowledgements of one consumer. Nobody awaits them: if one is lost, the attempt runs again and the log refuses
 * its second receipt. Those of the last moments are sent again after a reconnection, which the server takes.
 */
export class Settlements {
  readonly #client: NatsClient
  /** Subjects, of what is settled and not sent yet. */
  #settled: string[] = []
  #sent: string[] = []
  #sentBefore: string[] = []

  constructor(client: NatsClient) {
    this.#client = client
  }

  /** With the next `flush`. */
  settle(ack: string): void {
    this.#settled.push(ack)
  }

  /** Now. It is handed out again after `pauseMs`, to anybody. */
  giveBack(ack: string, pauseMs: number): void {
    this.#send(ack, pauseMs > 0 ? `-NAK ${JSON.stringify({ delay: pauseMs * nanosPerMs })}` : '-NAK')
  }

  /** The message goes for good. Without a reason: servers before 2.10.4 take `+TERM <reason>` for something else. */
  refuse(ack: string): void {
    this.#send(ack, '+TERM')
  }

  keepAlive(ack: string): void {
    this.#send(ack, '+WPI')
  }

  /** Sends what is settled, and in the last of these messages asks for `free` new ones. */
  flush(inbox: PullInbox | null, free: number): void {
    const settled = this.#settled
    this.#settled = []
    const asks = inbox !== null && free > 0
    const last = asks ? settled.at(-1) : undefined
    for (let i = 0; i < settled.length - (last === undefined ? 0 : 1); i++) this.#acknowledge(settled[i] ?? '')
    if (asks) inbox.ask(free, last)
    this.#sent.push(...settled)
  }

  /** Those of the last two heartbeats. */
  repeat(): void {
    for (const ack of this.#sentBefore) this.#acknowledge(ack)
    for (const ack of this.#sent) this.#acknowledge(ack)
  }

  /** With each heartbeat, while there is a connection. */
  forgetOld(): void {
    this.#sentBefore = this.#sent
    this.#sent = []
  }

  /** What was sent must never be repeated: other messages have these positions now. */
  forgetAll(): void {
    this.#sentBefore = []
    this.#sent = []
  }

  #acknowledge(ack: string): void {
    this.#send(ack, acknowledged)
  }

  /** A handler may end after the connection has: then the claim runs out. */
  #send(ack: string, what: string | Uint8Array): void {
    if (!this.#client.isClosed()) this.#client.publish(ack, what)
  }
}
