import { setTimeout as delay } from 'node:timers/promises'
import { type InboxHandler, type InboxMessage, RepriseError } from '@reprise/core/adapter'
import { InboxTrim } from './inbox-trim.js'
import type { NatsConnection } from './nats-connection.js'
import { apiCodes, isApiFailure, isNatsFailure } from './nats-failure.js'
import { unpackMessages } from './pack-messages.js'
import { getMessage, type ReadableStream, type StoredMessage } from './stored-message.js'
import { SubjectReader } from './subject-reader.js'

const retryAfterMs = 20
const retryAfterMsMax = 1000
/** What was to be handed over first may have been trimmed by an earlier receiver meanwhile: looked at again. */
const lookAgainMs = 1000

/**
 * Reads the subject of one run in order and purges what was acknowledged. So there is no position to keep: what is
 * still there is what was not acknowledged, and what a handler rejects is handed over again before anything later.
 * What a receiver that was killed has not purged comes again. So does, after a broken consumer, what was not purged
 * yet: the stream may be another one by then, and a position in the one before would pass over messages.
 */
export class InboxReceiver {
  readonly #connection: NatsConnection
  readonly #stream: ReadableStream
  readonly #subject: string
  readonly #doing: string
  readonly #handler: InboxHandler
  readonly #ended: AbortSignal
  readonly #trim: InboxTrim
  /** Aborts with the reason why going on makes no sense. */
  readonly #failed = new AbortController()
  /** The last message that was sent before we began; 0 once there is none. `null` if that was not learnt. */
  #lastBefore: number | null = null
  #told = false

  constructor(
    connection: NatsConnection,
    stream: ReadableStream,
    inbox: { readonly subject: string; readonly doing: string },
    handler: InboxHandler,
    ended: AbortSignal,
  ) {
    this.#connection = connection
    this.#stream = stream
    this.#subject = inbox.subject
    this.#doing = inbox.doing
    this.#handler = handler
    this.#ended = AbortSignal.any([ended, this.#failed.signal])
    this.#trim = new InboxTrim(connection, { ...inbox, stream }, (error) => this.#failed.abort(error))
  }

  async run(): Promise<void> {
    const { stream } = this.#stream
    const reader = new SubjectReader(this.#connection, {
      stream,
      filter: this.#subject,
      fromSeq: 1,
      doing: this.#doing,
      restartFrom: async () => {
        this.#trim.forget()
        if (!this.#told) this.#lastBefore = await this.#newestSeq()
        return 1
      },
    })
    try {
      await this.#receive(reader)
      if (this.#ended.reason === this.#failed.signal.reason) this.#failed.signal.throwIfAborted()
    } finally {
      reader.close()
      await this.#trim.close()
    }
  }

  async #receive(reader: SubjectReader): Promise<void> {
    this.#lastBefore = await this.#patiently(() => this.#newestSeq())
    while (!this.#ended.aborted) {
      if (!this.#told && (this.#lastBefore ?? 0) === 0) {
        await this.#handOver([], true)
        this.#told = true
        continue
      }
      const messages = (await this.#patiently(() => reader.next(this.#wait()))) ?? []
      if (messages.length > 0) await this.#take(messages)
      else if (!this.#told) this.#lastBefore = (await this.#patiently(() => this.#newestSeq())) ?? this.#lastBefore
    }
  }

  async #take(messages: readonly StoredMessage[]): Promise<void> {
    const packs = messages.map(({ data }) => unpackMessages(data))
    const tooNewAt = packs.indexOf('too-new')
    const read = tooNewAt === -1 ? messages : messages.slice(0, tooNewAt)
    // Anchors, and what is not of this library, are passed over, and trimmed with the rest.
    const batch = packs.slice(0, read.length).flatMap((pack) => (pack === null || pack === 'too-new' ? [] : pack))
    const isNews = !this.#told && (read.at(-1)?.seq ?? 0) >= (this.#lastBefore ?? 0)
    this.#told ||= isNews
    if (batch.length > 0 || isNews) {
      if (!(await this.#handOver(batch, this.#told))) return
    }
    this.#trim.acknowledge(read)
    const tooNew = messages[read.length]
    if (tooNew !== undefined) throw newer(this.#doing, tooNew)
  }

  /** Ends with the receiver, or when it is time to look again. */
  #wait(): AbortSignal {
    return this.#told ? this.#ended : AbortSignal.any([this.#ended, AbortSignal.timeout(lookAgainMs)])
  }

  /** Until the handler takes them. `false`: it did not before the end. */
  async #handOver(messages: readonly InboxMessage[], caughtUp: boolean): Promise<boolean> {
    for (let waitMs = retryAfterMs; !this.#ended.aborted; waitMs = Math.min(2 * waitMs, retryAfterMsMax)) {
      try {
        await this.#handler(messages, caughtUp)
        return true
      } catch {
        await this.#pause(waitMs)
      }
    }
    return false
  }

  async #newestSeq(): Promise<number> {
    return (await getMessage(this.#connection, this.#stream, { lastOf: this.#subject }, this.#doing))?.seq ?? 0
  }

  /** Waits while the server is away or cannot. `null` at the end. */
  async #patiently<T>(work: () => Promise<T>): Promise<T | null> {
    while (!this.#ended.aborted) {
      try {
        return await work()
      } catch (error) {
        if (this.#ended.aborted) return null
        if (isFinal(error)) throw error
        await this.#pause(retryAfterMsMax)
      }
    }
    return null
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#ended }).catch(() => {})
  }
}

/** No waiting helps: the stream is gone, or this user may not. A server without room, leader or consumers gets them back. */
const isFinal = (error: unknown): boolean =>
  !isNatsFailure(error) || error.kind === 'forbidden' || isApiFailure(error, apiCodes.streamNotFound)

/** A pack of a later library was found: its messages cannot be read, nor passed over. */
export const newer = (doing: string, { seq }: StoredMessage): RepriseError =>
  new RepriseError(
    'LOG_TOO_NEW',
    `${doing} has stopped before message ${seq}: a later version of this library sent it. It was left there. Update this process.`,
    { details: { seq } },
  )
