import type { NatsConnection } from './nats-connection.js'
import { getMessage, type ReadableStream } from './stored-message.js'

/** Clocks drift, and are set. */
const sampleAgeMaxMs = 60_000
/** The monotonic clock stops while the machine sleeps, and the other one is set: when they disagree, neither is right. */
const disagreementMaxMs = 250

/** The server's clock: hosts that share nothing agree on how old a lease is by no other. */
export class ServerClock {
  readonly #connection: NatsConnection
  readonly #stream: ReadableStream
  readonly #subject: string
  /** The server's time at a time of our clocks. */
  #sample: { readonly serverMs: number; readonly monotonicMs: number; readonly wallMs: number } | null = null

  /** `subject` keeps one message only, in a stream that others may write to at the same time. */
  constructor(connection: NatsConnection, stream: ReadableStream, subject: string) {
    this.#connection = connection
    this.#stream = stream
    this.#subject = subject
  }

  /** Milliseconds since the Unix epoch. Two round trips a minute. */
  async now(): Promise<number> {
    const known = this.#extrapolated()
    if (known !== null) return known
    const doing = 'Asking for the time of the server'
    await this.#connection.publish(this.#subject, '', { doing })
    // Whoever else wrote it since: its time is between our two questions.
    const [monotonicMs, wallMs] = [performance.now(), Date.now()]
    const message = await getMessage(this.#connection, this.#stream, { lastOf: this.#subject }, doing)
    const serverMs = message === null ? Date.now() : Date.parse(message.time)
    this.#sample = { serverMs, monotonicMs, wallMs }
    return serverMs
  }

  #extrapolated(): number | null {
    if (this.#sample === null) return null
    const { serverMs, monotonicMs, wallMs } = this.#sample
    const ageMs = performance.now() - monotonicMs
    const disagreementMs = Math.abs(Date.now() - wallMs - ageMs)
    return ageMs < sampleAgeMaxMs && disagreementMs < disagreementMaxMs ? serverMs + ageMs : null
  }
}
