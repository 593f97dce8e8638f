import type { ConsumeOptions, Consumer, DeliveryHandler } from '@reprise/core/adapter'
import { pause } from '../pause.js'
import { ClaimLoop } from './claim-loop.js'
import type { HeldAttempt } from './held-attempt.js'
import { isNotOurs } from './lane-backend.js'
import { LaneClaims, stalledCheckMs } from './lane-claims.js'
import type { LaneTools } from './lane-tools.js'
import { pauseMsMax } from './queue-scripts.js'
import { Slots } from './slots.js'

const heartbeatsPerTtl = 3
/** Of what a handler rejected, doubled with each delivery. */
const againMs = 50
const settleAgainMs = 100

/**
 * One worker on one lane. While there is work, a job costs one trip at most: settling it claims the next, and jobs that
 * end in the same turn share the trip. Claims are kept alive together, in one trip three times in their life.
 */
export class LaneConsumer implements Consumer {
  readonly #tools: LaneTools
  readonly #claims: LaneClaims
  readonly #slots: Slots
  readonly #handler: DeliveryHandler
  readonly #options: ConsumeOptions
  /** Ours, as far as we know: not yet settled, given back, withdrawn or lost. */
  readonly #held = new Set<HeldAttempt>()
  /** Of those, the ones whose handler has ended. */
  readonly #ended = new Set<HeldAttempt>()
  /** What the server is being told, and has to be before we go. */
  readonly #telling = new Set<Promise<unknown>>()
  readonly #timers: NodeJS.Timeout[]
  readonly #claiming: Promise<void>
  #beating: Promise<void> | null = null
  /** No more claims. */
  readonly #stopping = new AbortController()
  /** No more handlers. */
  readonly #abandon = new AbortController()
  #drainTimer: NodeJS.Timeout | undefined
  #onIdle = (): void => {}
  #closing: Promise<void> | null = null
  #onClosed = (): void => {}
  /** Resolves when the consumer was closed, by whomever. */
  readonly closed = new Promise<void>((resolve) => {
    this.#onClosed = resolve
  })

  /** Resolves once it claims. Fails if the server does not answer; then nothing is left behind. */
  static async start(tools: LaneTools, handler: DeliveryHandler, options: ConsumeOptions): Promise<LaneConsumer> {
    const claims = new LaneClaims(tools, options)
    await claims.takeFromTheDead()
    const consumer = new LaneConsumer(tools, claims, handler, options)
    await tools.news.listen(tools.keys.withdrawn, consumer.#onWithdrawn, (error) => consumer.#report(error))
    // Its signal had aborted before: it was closed before it listened.
    if (consumer.#closing !== null) tools.news.forget(tools.keys.withdrawn, consumer.#onWithdrawn)
    return consumer
  }

  private constructor(tools: LaneTools, claims: LaneClaims, handler: DeliveryHandler, options: ConsumeOptions) {
    this.#tools = tools
    this.#claims = claims
    this.#slots = new Slots(options.concurrency)
    this.#handler = handler
    this.#options = options
    const { claimTtlMs, signal } = options
    this.#timers = [
      setInterval(() => void this.#beat(), claimTtlMs / heartbeatsPerTtl),
      setInterval(() => void this.#takeFromTheDead(), stalledCheckMs(claimTtlMs)),
    ]
    this.#claiming = new ClaimLoop(tools, claims, this.#slots, {
      stopping: this.#stopping.signal,
      claimTtlMs,
      start: (attempt) => void this.#run(attempt),
      onError: (error) => this.#report(error),
    }).run()
    if (signal?.aborted) void this.close()
    else signal?.addEventListener('abort', () => void this.close(), { once: true, signal: this.#abandon.signal })
  }

  close({ drainMs = 0 }: { drainMs?: number } = {}): Promise<void> {
    this.#stopping.abort()
    this.#slots.close()
    this.#tools.blocking.close()
    clearTimeout(this.#drainTimer)
    // A second, more impatient call hurries the first one up.
    if (drainMs <= 0) this.#abandon.abort()
    // Longer timers would fire at once.
    else this.#drainTimer = setTimeout(() => this.#abandon.abort(), Math.min(drainMs, 2 ** 31 - 1))
    this.#closing ??= this.#finish().finally(this.#onClosed)
    return this.#closing
  }

  /** Runs handlers in one slot, as long as each settlement brings the next. */
  async #run(first: HeldAttempt): Promise<void> {
    for (let attempt: HeldAttempt | null = first; attempt !== null; ) {
      if (this.#stopping.signal.aborted) {
        await this.#tell(this.#claims.giveBackNow(attempt, false)).catch((error: unknown) => this.#report(error))
        break
      }
      this.#held.add(attempt)
      let pauseMs: number | null = null
      try {
        await this.#handler(attempt)
      } catch {
        pauseMs = Math.min(againMs * 2 ** (attempt.deliveries - 1), pauseMsMax)
      }
      // Lost or given back meanwhile: not ours to end.
      attempt = this.#held.has(attempt) ? await this.#tell(this.#end(attempt, pauseMs)) : null
    }
    this.#slots.give(1)
  }

  async #end(attempt: HeldAttempt, pauseMs: number | null): Promise<HeldAttempt | null> {
    this.#ended.add(attempt)
    try {
      while (this.#held.has(attempt)) {
        try {
          const claimNext = !this.#stopping.signal.aborted
          const next =
            pauseMs === null
              ? await this.#claims.settle(attempt, claimNext)
              : await this.#claims.giveBackLater(attempt, pauseMs, claimNext)
          return next.attempt
        } catch (error) {
          // Settled before, in a trip whose answer was lost, or somebody else's: either way it is over.
          if (isNotOurs(error)) return null
          this.#report(error)
          // It will be handed out again when the claim runs out.
          if (this.#abandon.signal.aborted) return null
          await pause(settleAgainMs, this.#abandon.signal)
        }
      }
      return null
    } finally {
      this.#ended.delete(attempt)
      this.#drop(attempt)
    }
  }

  #tell<T>(telling: Promise<T>): Promise<T> {
    this.#telling.add(telling)
    const forget = (): void => void this.#telling.delete(telling)
    telling.then(forget, forget)
    return telling
  }

  #beat(): Promise<void> {
    this.#beating ??= this.#beatOnce()
      .catch((error: unknown) => this.#report(error))
      .finally(() => {
        this.#beating = null
      })
    return this.#beating
  }

  async #beatOnce(): Promise<void> {
    const attempts = [...this.#held]
    if (attempts.length === 0) return
    const states = await this.#claims.renew(attempts)
    for (const [i, attempt] of attempts.entries()) {
      if (states[i] === 'withdrawn') this.#onWithdrawn(attempt.jobId)
      // One that is being settled may be gone because it was.
      if (states[i] !== 'lost' || !this.#held.has(attempt) || this.#ended.has(attempt)) continue
      attempt.abort('CLAIM_LOST', 'this worker was silent for too long, or somebody removed the claim')
      this.#drop(attempt)
    }
  }

  readonly #onWithdrawn = (jobId: string): void => {
    for (const attempt of this.#held) {
      if (attempt.jobId !== jobId) continue
      attempt.abort('ATTEMPT_WITHDRAWN', 'the coordinator took it back')
      this.#drop(attempt)
    }
  }

  async #takeFromTheDead(): Promise<void> {
    await this.#claims.takeFromTheDead().catch((error: unknown) => this.#report(error))
  }

  #drop(attempt: HeldAttempt): void {
    this.#held.delete(attempt)
    if (this.#held.size === 0) this.#onIdle()
  }

  async #finish(): Promise<void> {
    await this.#drained()
    this.#abandon.abort()
    clearTimeout(this.#drainTimer)
    const running = [...this.#held].filter((attempt) => !this.#ended.has(attempt))
    for (const attempt of running) {
      attempt.abort('CLOSED', 'the consumer was closed and the attempt given back')
      this.#held.delete(attempt)
    }
    // The last first: each goes to the head of the lane.
    for (const attempt of running.reverse()) {
      // If that fails it is handed out again when the claim runs out.
      this.#tell(this.#claims.giveBackNow(attempt, true)).catch((error: unknown) => this.#report(error))
    }
    await this.#claiming
    // One may bring another: a settlement that was under way claims the next, which goes back.
    while (this.#telling.size > 0) await Promise.allSettled(this.#telling)
    for (const timer of this.#timers) clearInterval(timer)
    await this.#beating
    this.#tools.news.forget(this.#tools.keys.withdrawn, this.#onWithdrawn)
    await this.#claims.passMarkerOn().catch((error: unknown) => this.#report(error))
  }

  #drained(): Promise<void> {
    const { signal } = this.#abandon
    if (this.#held.size === 0 || signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onIdle = resolve
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }

  #report(error: unknown): void {
    this.#options.onError?.(error)
  }
}
