import { createHash, randomBytes } from 'node:crypto'
import { headers } from '@nats-io/transport-node'
import { chunkBytes } from './artifact-manifest.js'
import type { NatsConnection } from './nats-connection.js'
import { isNatsFailure } from './nats-failure.js'

/** Chunks on their way at once: a megabyte of memory. */
const windowMax = 4
const triesMax = 4

/** Bytes on their way into a stream, hashed as they go. Nobody finds them before a manifest says where they are. */
export class ChunkUpload {
  readonly id = randomBytes(16).toString('hex')
  readonly #connection: NatsConnection
  readonly #subject: string
  readonly #what: string
  readonly #hash = createHash('sha256')
  readonly #inFlight = new Set<Promise<void>>()
  /** Sequences in the stream, by chunk. */
  readonly #sequences: number[] = []
  #buffer = Buffer.allocUnsafe(chunkBytes)
  #buffered = 0
  #bytes = 0
  #chunks = 0
  #failure: { readonly error: unknown } | null = null

  /** `what` is on its way, for messages; `subjectOf` gives the subject of an upload. */
  constructor(connection: NatsConnection, what: string, subjectOf: (upload: string) => string) {
    this.#connection = connection
    this.#what = what
    this.#subject = subjectOf(this.id)
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Copies `data`. Waits while too much is under way. */
  async write(data: Uint8Array): Promise<void> {
    this.#hash.update(data)
    this.#bytes += data.length
    for (let at = 0; at < data.length; ) {
      const part = data.subarray(at, at + chunkBytes - this.#buffered)
      this.#buffer.set(part, this.#buffered)
      this.#buffered += part.length
      at += part.length
      if (this.#buffered === chunkBytes) await this.#flush()
    }
  }

  /** Of all that was written; nothing can be written after it. */
  digest(): string {
    return this.#hash.digest('hex')
  }

  /** Resolves once the server has everything: to the sequences of the chunks. */
  async finish(): Promise<readonly number[]> {
    if (this.#buffered > 0) await this.#flush()
    await Promise.all(this.#inFlight)
    this.#throwFailure()
    return this.#sequences
  }

  async #flush(): Promise<void> {
    const chunk = this.#buffer.subarray(0, this.#buffered)
    this.#buffer = Buffer.allocUnsafe(chunkBytes)
    this.#buffered = 0
    const number = this.#chunks++
    const sending: Promise<void> = this.#send(number, chunk).then(
      () => void this.#inFlight.delete(sending),
      (error: unknown) => {
        this.#inFlight.delete(sending)
        this.#failure ??= { error }
      },
    )
    this.#inFlight.add(sending)
    if (this.#inFlight.size >= windowMax) await Promise.race(this.#inFlight)
    this.#throwFailure()
  }

  async #send(number: number, chunk: Uint8Array): Promise<void> {
    const given = headers()
    // Sent again after a lost connection, it is stored once, or twice with one of them never read.
    given.set('Nats-Msg-Id', `${this.id}.${number}`)
    const doing = `Storing chunk ${number} of ${this.#what}`
    const giveUpAt = performance.now() + this.#connection.requestTimeoutMs
    for (let tried = 1; ; tried++) {
      try {
        const { seq } = await this.#connection.publish(this.#subject, chunk, { doing, headers: given })
        this.#sequences[number] = seq
        return
      } catch (error) {
        if (!isNatsFailure(error, 'disconnected')) throw error
        if (tried === triesMax || performance.now() > giveUpAt) throw error
      }
    }
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.error
  }
}
