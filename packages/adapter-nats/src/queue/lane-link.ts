import type { Msg } from '@nats-io/transport-node'
import { RepriseError } from '@reprise/core/adapter'
import { ensureLane, isAnother, isLaneMissing, isMissing, type LaneState } from './ensure-lane.js'
import type { LaneNames } from './lane-names.js'
import { PullInbox } from './pull-inbox.js'
import type { QueueContext } from './queue-context.js'

const pauseMs = 250
const pauseMsMax = 5_000
/** Between looks at the consumer: was it deleted, or its ack wait lowered? */
const lookMsMin = 5_000

export interface LinkListener {
  onTask(message: Msg): void
  /** There may be something to ask for. */
  onReady(): void
  /** Before anything else is done about a link that was lost. */
  onReopening(): void
  /** The consumer is there: what is in our hands is checked before anything new is asked for. */
  onFound(found: LaneState, before: LaneState | null): Promise<void>
  report(error: unknown): void
}

/**
 * The way by which attempts of a lane reach us: its consumer on the server and our requests to it. Opened again after
 * whatever may have cost us messages, requests or claims: a reconnection, a deleted consumer, a server that is silent.
 */
export class LaneLink {
  readonly #context: QueueContext
  readonly #laneName: string
  readonly #names: LaneNames
  readonly #claimTtlMs: number
  readonly #listener: LinkListener
  readonly #ended = new AbortController()
  readonly #stopListening: () => void
  #inbox: PullInbox | null = null
  #lane: LaneState | null = null
  #isFixed = false
  #openedAtMs = Number.NEGATIVE_INFINITY
  #lookedAtMs = performance.now()
  #opening: Promise<void> | null = null
  #openAgain = false
  #outage = false
  #endPause = (): void => {}
  #pause: NodeJS.Timeout | undefined
  #noMore: Promise<void> | null = null

  constructor(context: QueueContext, laneName: string, names: LaneNames, claimTtlMs: number, listener: LinkListener) {
    this.#context = context
    this.#laneName = laneName
    this.#names = names
    this.#claimTtlMs = claimTtlMs
    this.#listener = listener
    this.#stopListening = context.connection.onReconnect(() => this.reopen())
  }

  /** Where to ask, if this is the time to. */
  get inbox(): PullInbox | null {
    return this.#opening === null && this.#noMore === null ? this.#inbox : null
  }

  /** Resolves when it is known again which claims stand. `null`: they stand. */
  get opening(): Promise<void> | null {
    return this.#opening
  }

  /** A claim that is not renewed for so long may go to another worker. */
  get claimMs(): number {
    return Math.min(this.#claimTtlMs, this.#lane?.ackWaitMs ?? this.#claimTtlMs)
  }

  /** Rejects if that fails, unless what is missing is for others to make: then it waits in the background. */
  async begin(): Promise<void> {
    const opening = this.#open()
    await this.#during(opening.catch(() => {}))
    try {
      await opening
      if (this.#openAgain) this.reopen()
    } catch (error) {
      if (!isMissing(error)) throw error
      this.#reportOnce(error)
      this.reopen()
    }
  }

  /** In the background, again and again until it succeeds. */
  reopen(): void {
    this.#openAgain = true
    this.#endPause()
    if (this.#opening === null) void this.#during(this.#openUntilDone())
  }

  /** From time to time: a consumer that was deleted while we asked for nothing is not noticed otherwise. */
  async look(): Promise<void> {
    const nowMs = performance.now()
    if (this.#opening !== null || nowMs - this.#lookedAtMs < Math.max(lookMsMin, this.#claimTtlMs)) return
    this.#lookedAtMs = nowMs
    try {
      const found = await this.#ensure()
      if (this.#lane === null || isAnother(found, this.#lane)) this.reopen()
      else this.#lane = found
    } catch (error) {
      if (!this.#ended.signal.aborted) this.#listener.report(error)
    }
  }

  /** Takes in nothing more. Resolves when what was on its way has arrived. */
  stop(): Promise<void> {
    clearTimeout(this.#pause)
    this.#noMore ??= this.#inbox?.close() ?? Promise.resolve()
    return this.#noMore
  }

  /** Ends the attempts to open it, too. */
  end(): void {
    this.#ended.abort()
    this.#stopListening()
    this.#endPause()
    clearTimeout(this.#pause)
  }

  /** Four round trips at most. */
  async #open(): Promise<void> {
    const { connection, names } = this.#context
    this.#openAgain = false
    this.#listener.onReopening()
    // Messages that are still on their way find free slots: nothing is asked for meanwhile.
    await this.#inbox?.close()
    this.#inbox = null
    const before = this.#lane
    const found = await this.#ensure()
    this.#lane = found
    this.#tellMade(found, before)
    await this.#listener.onFound(found, before)
    this.#openedAtMs = performance.now()
    this.#outage = false
    if (this.#noMore !== null) return
    const next = `$JS.API.CONSUMER.MSG.NEXT.${names.tasksStream}.${this.#names.consumer}`
    this.#inbox = new PullInbox(connection.client, connection.newInbox(), next, {
      onTask: (message) => this.#listener.onTask(message),
      onRequestEnded: (when) => (when === 'now' ? this.#listener.onReady() : this.#pauseThen(this.#listener.onReady)),
      onLost: (why) => this.#onLost(why),
    })
  }

  async #ensure(): Promise<LaneState> {
    try {
      const found = await ensureLane(this.#context, this.#names, this.#isFixed ? null : this.#claimTtlMs)
      this.#isFixed ||= found.isFixed
      return found
    } catch (error) {
      const { client, isConnected } = this.#context.connection
      // Whoever has offered to the lane makes it; it is asked again with each try.
      if (isLaneMissing(error) && isConnected && !client.isClosed()) client.publish(this.#names.missing)
      throw error
    }
  }

  async #openUntilDone(): Promise<void> {
    for (let failures = 0; this.#openAgain && !this.#ended.signal.aborted; ) {
      try {
        await this.#open()
        failures = 0
      } catch (error) {
        this.#reportOnce(error)
        this.#openAgain = true
        await this.#pauseFor(Math.min(pauseMs * 2 ** failures++, pauseMsMax))
      }
    }
  }

  async #during(opening: Promise<void>): Promise<void> {
    this.#opening = opening
    await opening
    this.#opening = null
    this.#listener.onReady()
  }

  /** Until then, or until there is news. */
  #pauseFor(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#endPause = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #reportOnce(error: unknown): void {
    if (!this.#outage && !this.#ended.signal.aborted) this.#listener.report(error)
    this.#outage = true
  }

  #onLost(why: string): void {
    if (this.#noMore !== null) return
    if (performance.now() - this.#openedAtMs > pauseMs) {
      this.reopen()
      return
    }
    const message = `Asking for attempts of lane "${this.#laneName}" failed: ${why}. It is tried again.`
    this.#listener.report(new RepriseError('ADAPTER_UNAVAILABLE', message, { details: { lane: this.#laneName } }))
    this.#pauseThen(() => this.reopen())
  }

  #pauseThen(then: () => void): void {
    clearTimeout(this.#pause)
    this.#pause = setTimeout(then, pauseMs)
  }

  #tellMade(found: LaneState, before: LaneState | null): void {
    const { tasksStream } = this.#context.names
    const lane = `lane "${this.#laneName}"`
    let message: string
    if (found.made === 'stream') {
      message = `The stream ${tasksStream} was gone and has been made again, empty: whoever uses ${lane} has lost what was queued. Attempts are offered again when their run is opened again, or after their deadline.`
    } else if (before !== null && isAnother(found, before)) {
      message = `The consumer ${this.#names.consumer} of stream ${tasksStream} was deleted and has been made again. Attempts that are in the hands of workers of ${lane} may be handed out a second time.`
    } else return
    this.#listener.report(
      new RepriseError('ADAPTER_UNAVAILABLE', message, { details: { lane: this.#laneName, stream: tasksStream } }),
    )
  }
}
