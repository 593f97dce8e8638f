import { randomBytes } from 'node:crypto'
import type { ConsumerInfo } from '@nats-io/jetstream'
import type { Msg, Subscription } from '@nats-io/transport-node'
import type { NatsConnection } from './nats-connection.js'
import { requestFailure } from './nats-failure.js'
import type { StoredMessage } from './stored-message.js'

/** Which messages, and from where. */
export interface FeedOptions {
  readonly stream: string
  /** A subject, wildcards allowed. */
  readonly filter: string
  /** A sequence of the stream, or the newest message of each subject. */
  readonly from: number | 'last-per-subject'
  /** Only headers, no payload. */
  readonly headersOnly?: boolean
  /** For messages of errors: `Reading the log of run build-7`. */
  readonly doing: string
}

const heartbeatMs = 2000
/** Silence of so many heartbeats: the consumer is gone. */
const heartbeatsMissedMax = 3
/** The server forgets a consumer that nobody listens to after this. */
const inactiveMs = 10_000
/** More than this is not asked for while it waits to be read. The server's own window bounds what is under way. */
const bufferBytesMax = 2 * 1024 * 1024
const nanosPerMs = 1e6

/**
 * One ephemeral push consumer and what it has delivered, in order and without a gap, or broken: then another one goes
 * on behind the last message. It acknowledges nothing. The server keeps the consumer for ten seconds after its end.
 */
export class ConsumerFeed {
  /** Messages that matched when it began. */
  readonly pendingAtStart: number
  readonly #connection: NatsConnection
  readonly #subscription: Subscription
  #messages: StoredMessage[] = []
  #bytes = 0
  #delivered = 0
  #broken: Error | null = null
  /** Where to say that we can take more. */
  #flowControl: string | null = null
  #heardAt = performance.now()
  #wake: () => void = () => {}
  /** The last one that somebody waited with. Listened to for as long as it is the same: waits are many. */
  #signal: AbortSignal | null = null
  readonly #onAbort = (): void => this.#wake()
  readonly #stopListening: () => void

  private constructor(connection: NatsConnection, subscription: Subscription, pendingAtStart: number) {
    this.#connection = connection
    this.#subscription = subscription
    this.pendingAtStart = pendingAtStart
    const stopListening = connection.onReconnect(() => this.#break(new Error('the connection was lost')))
    // Whoever waits looks whether the server has fallen silent.
    const looking = setInterval(this.#onAbort, heartbeatMs).unref()
    connection.ended.addEventListener('abort', this.#onAbort)
    this.#stopListening = () => {
      stopListening()
      clearInterval(looking)
      connection.ended.removeEventListener('abort', this.#onAbort)
      this.#signal?.removeEventListener('abort', this.#onAbort)
    }
  }

  /** One round trip; the messages follow by themselves. */
  static async start(connection: NatsConnection, options: FeedOptions): Promise<ConsumerFeed> {
    const inbox = connection.newInbox()
    // Messages can come before the answer to the request does.
    const early: [Error | null, Msg][] = []
    let take = (error: Error | null, message: Msg): void => void early.push([error, message])
    const subscription = connection.client.subscribe(inbox, { callback: (error, message) => take(error, message) })
    try {
      const info = await createConsumer(connection, options, inbox)
      const feed = new ConsumerFeed(connection, subscription, info.num_pending)
      const asked = { doing: options.doing, subject: inbox, timeoutMs: connection.requestTimeoutMs }
      take = (error, message) => {
        if (error === null) feed.#take(message)
        else feed.#break(requestFailure(error, asked))
      }
      for (const [error, message] of early) take(error, message)
      return feed
    } catch (error) {
      subscription.unsubscribe()
      throw error
    }
  }

  /** Why it will deliver nothing more, or `null`. */
  get broken(): Error | null {
    if (this.#broken === null && performance.now() - this.#heardAt > heartbeatsMissedMax * heartbeatMs) {
      this.#break(new Error('the consumer has fallen silent'))
    }
    return this.#broken
  }

  /** What has arrived and was not taken yet, at most `bytesMax` but at least one message if there is any. */
  takeMessages(bytesMax: number): StoredMessage[] {
    let bytes = 0
    let count = 0
    for (const { data } of this.#messages) {
      if (count > 0 && bytes + data.length > bytesMax) break
      bytes += data.length
      count++
    }
    const taken = count === this.#messages.length ? this.#messages : this.#messages.slice(0, count)
    this.#messages = count === this.#messages.length ? [] : this.#messages.slice(count)
    this.#bytes -= bytes
    if (this.#bytes < bufferBytesMax) this.#askForMore()
    return taken
  }

  /** Resolves when there is something new: a message, a break, an abort, or the time to look for a silent server. */
  async wait(signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#connection.ended.aborted || this.#messages.length > 0 || this.#broken !== null) return
    if (signal !== this.#signal) {
      this.#signal?.removeEventListener('abort', this.#onAbort)
      signal.addEventListener('abort', this.#onAbort)
      this.#signal = signal
    }
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
  }

  close(): void {
    this.#stopListening()
    this.#subscription.unsubscribe()
  }

  #take(message: Msg): void {
    this.#heardAt = performance.now()
    const place = message.reply === undefined ? null : readPlace(message.reply)
    if (place === null) this.#takeStatus(message)
    else if (place.delivered !== this.#delivered + 1) this.#break(new Error('a message was lost on the way'))
    else if (this.#broken === null) this.#keep(message, place)
  }

  #keep(message: Msg, place: Place): void {
    this.#delivered = place.delivered
    const { data, subject } = message
    this.#bytes += data.length
    this.#messages.push({
      seq: place.seq,
      subject,
      data,
      time: place.time,
      // Parsed when asked for: reading a log does not need them.
      get headers() {
        return message.headers
      },
    })
    this.#wake()
  }

  #takeStatus({ headers, reply }: Msg): void {
    const code = headers?.code ?? 0
    if (code !== 100) {
      this.#break(new Error(`the server ended the consumer: ${code} ${headers?.description ?? ''}`))
    } else if (reply !== undefined && reply !== '') {
      this.#flowControl = reply
    } else if (headers !== undefined) {
      // A heartbeat. If messages before it were lost, or the server waits for us, it says so.
      if (Number(headers.get('Nats-Last-Consumer')) > this.#delivered) this.#break(new Error('a message was lost'))
      const stalled = headers.get('Nats-Consumer-Stalled')
      if (stalled !== '') this.#flowControl = stalled
    }
    if (this.#bytes < bufferBytesMax) this.#askForMore()
  }

  #askForMore(): void {
    if (this.#flowControl === null || !this.#connection.isConnected || this.#connection.ended.aborted) return
    this.#connection.client.publish(this.#flowControl)
    this.#flowControl = null
  }

  #break(why: Error): void {
    this.#broken ??= why
    this.#wake()
  }
}

async function createConsumer(
  connection: NatsConnection,
  { stream, filter, from, headersOnly = false, doing }: FeedOptions,
  inbox: string,
): Promise<ConsumerInfo> {
  const name = `reader-${randomBytes(12).toString('hex')}`
  const config = {
    name,
    deliver_subject: inbox,
    filter_subject: filter,
    ...(from === 'last-per-subject'
      ? { deliver_policy: 'last_per_subject' }
      : { deliver_policy: 'by_start_sequence', opt_start_seq: Math.max(1, from) }),
    ack_policy: 'none',
    replay_policy: 'instant',
    flow_control: true,
    idle_heartbeat: heartbeatMs * nanosPerMs,
    inactive_threshold: inactiveMs * nanosPerMs,
    headers_only: headersOnly,
    mem_storage: true,
    num_replicas: 1,
  }
  // The filter is part of the subject, so that permissions can tell runs apart.
  const path = `CONSUMER.CREATE.${stream}.${name}.${filter}`
  return await connection.api<ConsumerInfo>(path, { stream_name: stream, config }, { doing })
}

interface Place {
  /** In the stream. */
  readonly seq: number
  /** By this consumer, from 1. */
  readonly delivered: number
  readonly time: string
}

/** From `$JS.ACK.<stream>.<consumer>.<deliveries>.<seq>.<delivered>.<nanos>.<pending>`, or the longer form. */
function readPlace(reply: string): Place | null {
  if (!reply.startsWith('$JS.ACK.')) return null
  const tokens = reply.split('.')
  const at = tokens.length > 9 ? 7 : 5
  return { seq: Number(tokens[at]), delivered: Number(tokens[at + 1]), time: tokens[at + 2] ?? '' }
}
