import type { ConsumeOptions, Consumer, DeliveryHandler, Leases } from '@reprise/core/adapter'
import { FolderWatch } from './folder-watch.js'
import { GoneWatch } from './gone-watch.js'
import type { HeldAttempt } from './held-attempt.js'
import { type Ended, LaneClaimer } from './lane-claimer.js'
import type { LaneFolder } from './lane-folder.js'
import type { LaneOffer } from './lane-segment.js'
import { WorkerPresence } from './worker-presence.js'

/** Without a hint, and for what gives none: claims of workers that died, and what others gave back. */
const pollMs = 200
const heartbeatsPerTtl = 3
const againMs = 50
const againMsMax = 5_000
const failureMs = 20
const failureMsMax = 2_000
/** Of the progress in one heartbeat, as JSON: a lease takes 16 KiB in all. */
const noteBytesMax = 15 * 1024

/** One worker on one lane. Everything that is ready in one turn of the event loop goes into one write. */
export class LaneConsumer implements Consumer {
  readonly #handler: DeliveryHandler
  readonly #options: ConsumeOptions
  readonly #leases: Leases
  readonly #claimer: LaneClaimer
  readonly #watch: FolderWatch
  readonly #heartbeat: NodeJS.Timeout
  #presence: WorkerPresence
  /** Claimed by us: those whose handlers run, and those in `#ended`. */
  readonly #held = new Map<LaneOffer, HeldAttempt>()
  /** Handlers that ended since the last write. */
  readonly #ended: Ended[] = []
  readonly #others: GoneWatch
  #scheduled = false
  #everywhere = true
  #beating: Promise<void> | null = null
  #wakeTimer: NodeJS.Timeout | undefined
  #failures = 0
  #stopping = false
  readonly #abandon = new AbortController()
  #onIdle: (() => void) | null = null
  #closing: Promise<void> | null = null
  #onClosed = (): void => {}
  /** Resolves when the consumer was closed, by whomever. */
  readonly closed = new Promise<void>((resolve) => {
    this.#onClosed = resolve
  })

  static async start(
    lane: string,
    folder: LaneFolder,
    leases: Leases,
    handler: DeliveryHandler,
    options: ConsumeOptions,
  ): Promise<LaneConsumer> {
    folder.create()
    const presence = await WorkerPresence.begin(leases, options.workerId, options.claimTtlMs)
    return new LaneConsumer(lane, folder, leases, presence, handler, options)
  }

  private constructor(
    lane: string,
    folder: LaneFolder,
    leases: Leases,
    presence: WorkerPresence,
    handler: DeliveryHandler,
    options: ConsumeOptions,
  ) {
    this.#handler = handler
    this.#options = options
    this.#leases = leases
    this.#others = new GoneWatch(leases)
    this.#presence = presence
    this.#claimer = new LaneClaimer(lane, folder)
    this.#watch = new FolderWatch(folder.offers, pollMs, (name) => {
      if (name === null) this.#everywhere = true
      this.#wake()
    })
    this.#heartbeat = setInterval(() => void this.#beat(), options.claimTtlMs / heartbeatsPerTtl)
    const { signal } = options
    if (signal?.aborted) void this.close()
    else signal?.addEventListener('abort', () => void this.close(), { once: true, signal: this.#abandon.signal })
    this.#wake()
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

  #wake(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.#turn())
  }

  #turn(): void {
    this.#scheduled = false
    if (this.#stopping && this.#abandon.signal.aborted) return
    try {
      this.#look()
      this.#exchange()
      this.#failures = 0
    } catch (error) {
      this.#options.onError?.(error)
      this.#wakeIn(Math.min(failureMs * 2 ** this.#failures++, failureMsMax))
    }
    if (this.#stopping && this.#held.size === 0) this.#onIdle?.()
  }

  #look(): void {
    const everywhere = this.#everywhere
    this.#claimer.readOffers(everywhere)
    if (everywhere) {
      this.#claimer.readClaims()
      this.#start(this.#claimer.adopt(this.#presence.claimant, (slot) => this.#held.has(slot)))
      void this.#lookForGone()
    }
    this.#everywhere = false
    this.#dropLost()
  }

  #exchange(): void {
    const running = this.#held.size - this.#ended.length
    let free = this.#stopping ? 0 : this.#options.concurrency - running
    if (free > 0 && !this.#presence.fresh) {
      // We may have stood still for so long that others take us for dead: claims would be taken over at once.
      free = 0
      void this.#beat()
    }
    if (free === 0 && this.#ended.length === 0) return
    const ended = [...this.#ended]
    const nowMs = performance.now()
    try {
      this.#start(this.#claimer.exchange(this.#presence.claimant, this.#ended, free, this.#others.isGone, nowMs))
    } finally {
      const left = new Set(this.#ended)
      for (const one of ended) if (!left.has(one)) this.#release(one.attempt)
    }
    this.#wakeForGivenBack(nowMs)
  }

  #start(attempts: readonly HeldAttempt[]): void {
    for (const attempt of attempts) {
      this.#held.set(attempt.slot, attempt)
      void this.#run(attempt)
    }
  }

  async #run(attempt: HeldAttempt): Promise<void> {
    let againInMs: number | null = null
    try {
      await this.#handler(attempt)
    } catch {
      againInMs = Math.min(againMs * 2 ** (attempt.deliveries - 1), againMsMax)
    }
    // Lost or given back meanwhile: not ours to end.
    if (this.#held.get(attempt.slot) !== attempt) return
    this.#ended.push({ attempt, againInMs })
    this.#wake()
  }

  /** Tells handlers whose claim does not stand any more. */
  #dropLost(): void {
    for (const attempt of this.#held.values()) {
      if (attempt.held) continue
      const { slot, claimant, deliveries } = attempt
      const withdrawn = slot.state === 'done' && slot.claimant === claimant && slot.generation === deliveries
      if (withdrawn) attempt.abort('ATTEMPT_WITHDRAWN', 'the coordinator took it back')
      else attempt.abort('CLAIM_LOST', 'this worker was silent for too long and the claim went to another')
      this.#forget(attempt)
    }
  }

  #forget(attempt: HeldAttempt): void {
    this.#release(attempt)
    const at = this.#ended.findIndex((one) => one.attempt === attempt)
    if (at !== -1) this.#ended.splice(at, 1)
  }

  /** Unless the slot was claimed by us again. */
  #release(attempt: HeldAttempt): void {
    if (this.#held.get(attempt.slot) === attempt) this.#held.delete(attempt.slot)
  }

  async #lookForGone(): Promise<void> {
    try {
      if (await this.#others.look(this.#claimer.claimedByOthers(this.#presence.claimant))) this.#wake()
    } catch (error) {
      if (!this.#stopping) this.#options.onError?.(error)
    }
  }

  #beat(): Promise<void> {
    this.#beating ??= this.#beatOnce().finally(() => {
      this.#beating = null
    })
    return this.#beating
  }

  async #beatOnce(): Promise<void> {
    try {
      this.#claimer.readClaims()
      this.#dropLost()
      if (await this.#presence.renew(this.#note())) return this.#wake()
      // Somebody has removed our lease: what we hold may have been taken, and nobody waits for us.
      for (const attempt of [...this.#held.values()]) {
        attempt.abort('CLAIM_LOST', 'the lease of this worker was taken away')
        this.#forget(attempt)
      }
      this.#presence = await WorkerPresence.begin(this.#leases, this.#options.workerId, this.#options.claimTtlMs)
      this.#wake()
    } catch (error) {
      if (!this.#stopping || this.#held.size > 0) this.#options.onError?.(error)
    }
  }

  #note(): unknown {
    const progress: Record<string, unknown> = {}
    let bytes = 0
    for (const { slot, reached } of this.#held.values()) {
      if (reached === undefined) continue
      bytes += Buffer.byteLength(reached) + 32
      if (bytes > noteBytesMax) break
      progress[progressKey(slot)] = JSON.parse(reached)
    }
    return { progress }
  }

  /** The poll would do, but a pause after a failure may be shorter. */
  #wakeForGivenBack(claimedAtMs: number): void {
    const dueInMs = this.#claimer.nextDueMs(claimedAtMs) - performance.now()
    if (dueInMs < pollMs) this.#wakeIn(Math.max(0, Math.ceil(dueInMs)))
  }

  #wakeIn(ms: number): void {
    clearTimeout(this.#wakeTimer)
    this.#wakeTimer = setTimeout(() => this.#wake(), ms)
  }

  async #finish(): Promise<void> {
    await this.#drained()
    this.#abandon.abort()
    const running = [...this.#held.values()].filter((attempt) => !this.#ended.some((one) => one.attempt === attempt))
    for (const attempt of running) {
      attempt.abort('CLOSED', 'the consumer was closed and the attempt given back')
      this.#ended.push({ attempt, againInMs: 0 })
    }
    const segments = new Set(running.map((attempt) => attempt.slot.segment))
    this.#held.clear()
    clearInterval(this.#heartbeat)
    clearTimeout(this.#wakeTimer)
    this.#watch.close()
    try {
      this.#claimer.exchange(this.#presence.claimant, this.#ended, 0, this.#others.isGone)
      for (const segment of segments) segment.wakeOthers()
    } catch (error) {
      // The end of the lease frees the claims as well.
      this.#options.onError?.(error)
    }
    this.#claimer.close()
    await this.#beating
    await this.#presence.end().catch((error: unknown) => this.#options.onError?.(error))
  }

  #drained(): Promise<void> {
    const { signal } = this.#abandon
    if (this.#held.size === 0 || signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onIdle = resolve
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }
}

/** Names a claimed offer in the note of its worker's lease. */
export const progressKey = ({ segment, at }: Pick<LaneOffer, 'segment' | 'at'>): string => `${segment.number}:${at}`
