import { headers } from '@nats-io/transport-node'
import type { NatsConnection } from './nats-connection.js'
import { isNatsFailure } from './nats-failure.js'
import { getMessage, type ReadableStream, type StoredMessage } from './stored-message.js'

/** What was acknowledged is trimmed after this time, or once it is so much: often enough for a successor to find little. */
const trimAfterMs = 1000
const trimAfterBytes = 1024 * 1024
/** What a message costs the server besides its bytes, about: empty ones are trimmed too. */
const messageBytes = 64
/** Anchors alone are no reason to trim, or two receivers would do it for each other's for ever; many are. */
const anchorsMax = 100

const anchorHeader = 'Reprise-Anchor'

/** Left behind by a trim, of whichever receiver. */
const isAnchor = ({ data, headers: given }: StoredMessage): boolean =>
  data.length === 0 && given?.get(anchorHeader) === 'true'

interface TrimmedInbox {
  readonly stream: ReadableStream
  readonly subject: string
  readonly doing: string
}

/**
 * Purges what was acknowledged, for many messages at once: nobody waits for it.
 *
 * An empty message is left behind what is purged. A server up to 2.9 that is killed while a stream is empty counts from
 * 1 again, and what came then would stand before the place where a receiver goes on reading.
 */
export class InboxTrim {
  readonly #connection: NatsConnection
  readonly #inbox: TrimmedInbox
  readonly #onForbidden: (error: unknown) => void
  /** It and everything before it was acknowledged and not trimmed yet. */
  #last: StoredMessage | null = null
  #bytes = 0
  #anchors = 0
  #timer: NodeJS.Timeout | null = null
  #underWay: Promise<void> | null = null
  #closed = false

  /** `onForbidden` is told that this user may not purge: its inbox would grow for ever. */
  constructor(connection: NatsConnection, inbox: TrimmedInbox, onForbidden: (error: unknown) => void) {
    this.#connection = connection
    this.#inbox = inbox
    this.#onForbidden = onForbidden
  }

  /** Were read in this order, and are not needed any more. */
  acknowledge(messages: readonly StoredMessage[]): void {
    const last = messages.at(-1)
    if (last === undefined) return
    if (messages.every(isAnchor)) {
      this.#anchors += messages.length
      if (this.#anchors < anchorsMax) return
    }
    this.#last = last
    for (const { data } of messages) this.#bytes += data.length + messageBytes
    this.#soon()
  }

  /** The stream is read from its start again, and may be another one. */
  forget(): void {
    this.#last = null
    this.#bytes = 0
  }

  /** Trims what is left, if there is a connection. */
  async close(): Promise<void> {
    this.#closed = true
    this.#stopTimer()
    await this.#underWay
    await this.#trim()
  }

  /** Beside the next batches, never two at once. */
  #soon(): void {
    if (this.#underWay !== null || this.#closed) return
    if (this.#bytes < trimAfterBytes) this.#timer ??= setTimeout(() => this.#start(), trimAfterMs)
    else this.#start()
  }

  #start(): void {
    this.#stopTimer()
    this.#underWay = this.#trim().finally(() => {
      this.#underWay = null
      // Acknowledged meanwhile.
      if (this.#bytes > 0) this.#soon()
    })
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  /** What fails is trimmed with what comes next: until then it may come again. */
  async #trim(): Promise<void> {
    const last = this.#last
    this.#bytes = 0
    if (last === null || !this.#connection.isConnected) return
    const { stream, subject, doing } = this.#inbox
    const options = { doing: `${doing}: trimming` }
    const anchor = headers()
    anchor.set(anchorHeader, 'true')
    try {
      // Another stream has the same numbers, and what stands there nobody has read.
      const [found] = await Promise.all([
        getMessage(this.#connection, stream, { at: last.seq }, options.doing),
        this.#connection.publish(subject, '', { ...options, headers: anchor }),
      ])
      if (found === null || nanosOf(found.time) !== nanosOf(last.time)) return
      const range = { filter: subject, seq: last.seq + 1 }
      await this.#connection.api(`STREAM.PURGE.${stream.stream}`, range, options)
      this.#anchors = 0
      if (this.#last === last) this.#last = null
    } catch (error) {
      if (isNatsFailure(error, 'forbidden')) this.#onForbidden(error)
    }
  }
}

/** Of an ISO time with up to nine digits behind the point; a delivered message has nanoseconds already. */
function nanosOf(time: string): string {
  if (/^\d+$/.test(time)) return time
  const fraction = /\.(\d{1,9})/.exec(time)?.[1] ?? ''
  const ms = Date.parse(time.replace(/\.\d+/, ''))
  return Number.isNaN(ms) ? time : `${BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, '0'))}`
}
