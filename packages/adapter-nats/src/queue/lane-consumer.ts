import type { Msg } from '@nats-io/transport-node'
import { type ConsumeOptions, type Consumer, type DeliveryHandler, RepriseError } from '@reprise/core/adapter'
import { HeldAttempt } from './held-attempt.js'
import { LaneClaims } from './lane-claims.js'
import { LaneLink } from './lane-link.js'
import { attemptTokenOf, type LaneNames, laneNames } from './lane-names.js'
import type { QueueContext } from './queue-context.js'
import { Settlements } from './settlements.js'
import { Silence } from './silence.js'
import { decodeTask, readDelivery } from './task-message.js'

const beatsPerTtl = 3
const againMs = 50
const againMsMax = 5_000

/**
 * One worker on one lane. Per attempt it takes one message in and sends one, which settles it and asks for the next;
 * it awaits no answer. Heartbeats are one message per held attempt every third of the claim's time, in one write.
 */
export class LaneConsumer implements Consumer {
  readonly #context: QueueContext
  readonly #lane: string
  readonly #names: LaneNames
  readonly #handler: DeliveryHandler
  readonly #options: ConsumeOptions
  readonly #link: LaneLink
  readonly #settlements: Settlements
  readonly #claims: LaneClaims
  readonly #silence = new Silence()
  readonly #abandon = new AbortController()
  /** Handlers that have not ended, those with lost claims included. */
  #running = 0
  #scheduled = false
  #heartbeat: NodeJS.Timeout | undefined
  #stopping = false
  #closing: Promise<void> | null = null
  #onIdle = (): void => {}
  #onClosed = (): void => {}
  /** Resolves when the consumer was closed, by whomever. */
  readonly closed = new Promise<void>((resolve) => {
    this.#onClosed = resolve
  })

  static async start(
    context: QueueContext,
    lane: string,
    handler: DeliveryHandler,
    options: ConsumeOptions,
  ): Promise<LaneConsumer> {
    const consumer = new LaneConsumer(context, lane, handler, options)
    try {
      await consumer.#link.begin()
    } catch (error) {
      await consumer.close()
      throw error
    }
    consumer.#closeWith(options.signal)
    consumer.#closeWith(context.connection.ended)
    return consumer
  }

  private constructor(context: QueueContext, lane: string, handler: DeliveryHandler, options: ConsumeOptions) {
    const { client } = context.connection
    this.#context = context
    this.#lane = lane
    this.#names = laneNames(context.names, lane)
    this.#handler = handler
    this.#options = options
    this.#settlements = new Settlements(client)
    this.#claims = new LaneClaims(context, this.#names, options.workerId, this.#settlements, () => this.#wake())
    this.#link = new LaneLink(context, lane, this.#names, options.claimTtlMs, {
      onTask: (message) => this.#onTask(message),
      onReady: () => this.#wake(),
      onReopening: () => this.#claims.keepAlive(0),
      onFound: (found, before) =>
        this.#claims.check(found, before, this.#silence.forMs > this.#link.claimMs, this.#abandon.signal),
      report: (error) => this.#report(error),
    })
    this.#beatLater()
  }

  close({ drainMs = 0 }: { drainMs?: number } = {}): Promise<void> {
    this.#stopping = true
    // A second, more impatient call hurries the first one up.
    if (drainMs <= 0) this.#abandon.abort()
    // Longer timers would fire at once.
    else setTimeout(() => this.#abandon.abort(), Math.min(drainMs, 2 ** 31 - 1)).unref()
    this.#closing ??= this.#finish().finally(this.#onClosed)
    return this.#closing
  }

  #closeWith(signal: AbortSignal | undefined): void {
    if (signal?.aborted) void this.close()
    else signal?.addEventListener('abort', () => void this.close(), { once: true, signal: this.#abandon.signal })
  }

  #onTask(message: Msg): void {
    const ack = message.reply ?? ''
    const info = readDelivery(ack)
    if (info === null) return
    const token = attemptTokenOf(message.subject)
    if (this.#stopping || this.#running >= this.#options.concurrency) {
      // Sent before the server learnt that we want no more.
      this.#settlements.giveBack(ack, 0)
      return
    }
    const offer = decodeTask(message.data, this.#lane)
    if (offer === null) {
      this.#refuse(message, ack)
    } else if (this.#claims.wasWithdrawn(token, info.seq)) {
      this.#settlements.settle(ack)
      this.#wake()
    } else if (this.#claims.isHandedAgain(token, ack, info)) {
      // Its handler goes on.
      this.#wake()
    } else {
      const held = new HeldAttempt(offer, token, ack, info)
      this.#claims.add(held)
      void this.#run(held)
    }
  }

  async #run(held: HeldAttempt): Promise<void> {
    this.#running++
    let pauseMs: number | null = null
    try {
      await this.#handler(held)
    } catch {
      pauseMs = Math.min(againMs * 2 ** (held.deliveries - 1), againMsMax)
    }
    this.#running--
    if (this.#isDoubtful) this.#link.reopen()
    // It is being found out whether the claim still stands.
    while (this.#link.opening !== null && !this.#abandon.signal.aborted) await this.#link.opening
    // Lost or given back meanwhile: not ours to end.
    if (this.#claims.holds(held)) {
      this.#claims.delete(held)
      if (pauseMs === null) this.#settlements.settle(held.ack)
      else this.#settlements.giveBack(held.ack, pauseMs)
    }
    this.#wake()
  }

  /** Whether others may have what we hold, and nobody is finding that out yet. */
  get #isDoubtful(): boolean {
    if (this.#link.opening !== null) return false
    return this.#silence.forMs > this.#link.claimMs || !this.#context.connection.isConnected
  }

  #refuse({ subject }: Msg, ack: string): void {
    this.#settlements.refuse(ack)
    this.#wake()
    const message = `A message on "${subject}" is not an offer and was removed. Something else publishes there: choose another prefix, or restrict who may publish.`
    this.#report(new RepriseError('INVALID_INPUT', message, { details: { subject } }))
  }

  /** One turn for everything that is ready in this turn of the event loop. */
  #wake(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.#turn())
  }

  #turn(): void {
    this.#scheduled = false
    const { inbox } = this.#link
    const free =
      inbox === null || this.#context.connection.client.isClosed()
        ? 0
        : this.#options.concurrency - this.#running - inbox.requested
    this.#settlements.flush(inbox, free)
    if (this.#stopping && this.#claims.size === 0) this.#onIdle()
  }

  #beatLater(): void {
    this.#heartbeat = setTimeout(() => this.#beat(), this.#link.claimMs / beatsPerTtl)
  }

  #beat(): void {
    this.#beatLater()
    const { connection } = this.#context
    const claimMs = this.#link.claimMs
    if (this.#isDoubtful && this.#claims.size > 0) this.#link.reopen()
    if (!connection.isConnected || connection.client.isClosed()) return
    const moment = this.#silence.begin()
    this.#claims.keepAlive(claimMs / beatsPerTtl / 2)
    // Nobody waits for it. Without a connection, or with a server that hangs, we are silent.
    connection.client.flush().then(
      () => this.#silence.broken(moment),
      () => {},
    )
    this.#settlements.forgetOld()
    if (!this.#stopping) void this.#link.look()
  }

  async #finish(): Promise<void> {
    const noMore = this.#link.stop()
    await this.#drained()
    this.#abandon.abort()
    this.#link.end()
    clearTimeout(this.#heartbeat)
    this.#claims.close()
    this.#turn()
    await this.#sent(noMore)
  }

  #drained(): Promise<void> {
    const { signal } = this.#abandon
    if (this.#claims.size === 0 || signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onIdle = resolve
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }

  /** What was given back and settled has reached the server, if there is one. */
  async #sent(noMore: Promise<void>): Promise<void> {
    const { connection } = this.#context
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, connection.requestTimeoutMs)
    })
    const sent = async (): Promise<void> => {
      await noMore
      if (connection.isConnected && !connection.client.isClosed()) await connection.client.flush()
    }
    await Promise.race([sent().catch(() => {}), late])
    clearTimeout(timer)
  }

  #report(error: unknown): void {
    if (this.#stopping) return
    try {
      this.#options.onError?.(error)
    } catch {
      // A listener's bug must not stop the lane, and nobody else is there to hear of it.
    }
  }
}
