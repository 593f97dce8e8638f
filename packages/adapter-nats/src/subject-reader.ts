import { ConsumerFeed, type FeedOptions } from './consumer-feed.js'
import type { NatsConnection } from './nats-connection.js'
import { isNatsFailure } from './nats-failure.js'
import type { StoredMessage } from './stored-message.js'

const batchBytesMax = 1024 * 1024

export interface ReaderOptions extends Omit<FeedOptions, 'from' | 'headersOnly'> {
  readonly fromSeq: number
  /**
   * Called before another consumer takes over from one that broke: the stream may be another one now. Resolves to where
   * to go on, given where it stopped.
   */
  readonly restartFrom?: (nextSeq: number) => Promise<number>
}

/**
 * Messages of a subject in order, without a gap, each once, as they are stored: over as many consumers as it takes.
 * After a failure the next call goes on where it was.
 */
export class SubjectReader {
  readonly #connection: NatsConnection
  readonly #options: ReaderOptions
  #nextSeq: number
  #feed: ConsumerFeed | null = null
  #started = false

  constructor(connection: NatsConnection, options: ReaderOptions) {
    this.#connection = connection
    this.#options = options
    this.#nextSeq = options.fromSeq
  }

  /** At least one message; none if the signal aborted or the adapter was closed. */
  async next(signal: AbortSignal): Promise<StoredMessage[]> {
    for (;;) {
      if (signal.aborted || this.#connection.ended.aborted) return []
      this.#feed ??= await this.#start()
      const messages = this.#feed.takeMessages(batchBytesMax)
      const last = messages.at(-1)
      if (last !== undefined) {
        this.#nextSeq = last.seq + 1
        return messages
      }
      if (this.#feed.broken === null) await this.#feed.wait(signal)
      else this.#giveUpFeed(this.#feed.broken)
    }
  }

  close(): void {
    this.#feed?.close()
    this.#feed = null
  }

  async #start(): Promise<ConsumerFeed> {
    const { restartFrom } = this.#options
    if (this.#started && restartFrom !== undefined) this.#nextSeq = await restartFrom(this.#nextSeq)
    this.#started = true
    return await ConsumerFeed.start(this.#connection, { ...this.#options, from: this.#nextSeq })
  }

  #giveUpFeed(why: Error): void {
    this.close()
    // What another consumer would be told as well.
    if (isNatsFailure(why, 'forbidden')) throw why
  }
}
