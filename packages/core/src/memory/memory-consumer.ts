import { setMaxListeners } from 'node:events'
import { HeldDelivery } from '../ports/held-delivery.js'
import type { ConsumeOptions, Consumer, DeliveryHandler } from '../ports/task-queue.js'
import type { ErrorCode } from '../protocol/errors.js'
import type { RunId } from '../protocol/ids.js'
import type { Choose } from './memory-faults.js'
import type { Claim, Lane } from './memory-lanes.js'
import type { MemoryProcess } from './memory-process.js'

class Running extends HeldDelivery {
  readonly claim: Claim

  constructor(claim: Claim) {
    super(claim.attempt.offer, claim.attempt.deliveries, claim.attempt.workers.slice(0, -1))
    this.claim = claim
  }
}

const pauseAfterFailureMs = 20
const heartbeatsPerTtl = 3

/** One worker on one lane: as many slots as may run at once, each claiming, running and settling in turn. */
export class MemoryConsumer implements Consumer {
  readonly #lane: Lane
  readonly #process: MemoryProcess
  readonly #handler: DeliveryHandler
  readonly #options: ConsumeOptions
  readonly #choose: () => Choose | null
  readonly #running = new Set<Running>()
  /** No more claims. */
  readonly #stopping = new AbortController()
  /** Nothing runs any more, after `#stopping`. */
  readonly #idle = new AbortController()

  constructor(
    lane: Lane,
    process: MemoryProcess,
    handler: DeliveryHandler,
    options: ConsumeOptions,
    choose: () => Choose | null,
  ) {
    this.#lane = lane
    this.#process = process
    this.#handler = handler
    this.#options = options
    this.#choose = choose
    // Every idle slot listens.
    setMaxListeners(0, this.#stopping.signal)
    if (options.signal?.aborted) this.#stopping.abort()
    options.signal?.addEventListener('abort', () => void this.close(), { once: true, signal: this.#idle.signal })
    process.beforeClosing(() => this.close())
    this.#noteIdle()
    for (let slot = 0; slot < options.concurrency; slot++) void this.#work()
    void this.#beat()
  }

  async close({ drainMs = 0 }: { drainMs?: number } = {}): Promise<void> {
    await this.#process.alive()
    this.#stopping.abort()
    this.#noteIdle()
    if (drainMs > 0) await this.#process.runtime.sleep(drainMs, this.#idle.signal)
    for (const running of [...this.#running]) {
      this.#lose(running, 'CLOSED', 'the consumer was closed; the attempt was given back')
      this.#lane.end(running.claim, 'given-back')
    }
    this.#noteIdle()
  }

  async #work(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      if (this.#lane.queued.length === 0) {
        await this.#lane.changed.wait(this.#stopping.signal)
      } else if (!(await this.#claimAndRun())) {
        await this.#process.runtime.sleep(pauseAfterFailureMs, this.#stopping.signal)
      }
      await this.#process.alive()
    }
  }

  /** `false` if anything failed, the handler included: then a pause is in order. */
  async #claimAndRun(): Promise<boolean> {
    const { queued } = this.#lane
    const { workerId, claimTtlMs: ttlMs } = this.#options
    const claim = await this.#attempt('claim', null, () => {
      const position = queued.length > 1 ? (this.#choose()?.(queued.length) ?? 0) : 0
      return this.#lane.claim(position, { process: this.#process, workerId, ttlMs }, this.#process.runtime.now())
    })
    if (claim === 'failed') return false
    // Another slot was quicker.
    if (claim === null) return true
    if (!this.#stopping.signal.aborted) return this.#run(claim)
    this.#lane.end(claim, 'given-back')
    return true
  }

  /** Runs the handler and settles the claim or gives it back. */
  async #run(claim: Claim): Promise<boolean> {
    const running = new Running(claim)
    this.#running.add(running)
    const outcome = await this.#handle(running)
    await this.#process.alive()
    // A claim that was lost or given back is somebody else's to settle.
    const ended = this.#running.has(running)
      ? await this.#attempt('settle', claim.attempt.offer.runId, () => this.#lane.end(claim, outcome))
      : undefined
    this.#running.delete(running)
    this.#noteIdle()
    return outcome === 'settled' && ended !== 'failed'
  }

  async #handle(running: Running): Promise<'settled' | 'given-back'> {
    try {
      await this.#handler(running)
      return 'settled'
    } catch {
      return 'given-back'
    }
  }

  /** Keeps the claims alive, learns what became of them, and looks for claims of workers that fell silent. */
  async #beat(): Promise<void> {
    while (!this.#idle.signal.aborted) {
      await this.#process.runtime.sleep(this.#options.claimTtlMs / heartbeatsPerTtl, this.#idle.signal)
      await this.#process.alive()
      if (this.#idle.signal.aborted) return
      await this.#attempt('heartbeat', null, () => {
        for (const running of [...this.#running]) this.#keep(running)
        this.#lane.giveBackLost(this.#process.runtime.now())
      })
    }
  }

  #keep(running: Running): void {
    const { claim } = running
    if (claim.attempt.claim !== claim) {
      this.#lose(running, 'CLAIM_LOST', 'this worker was silent for too long and the claim went to another')
    } else if (claim.attempt.done) {
      running.abort('ATTEMPT_WITHDRAWN', 'the coordinator took the attempt back')
    } else {
      claim.heartbeatAtMs = this.#process.runtime.now()
      claim.progress = running.reached === undefined ? undefined : (JSON.parse(running.reached) as unknown)
    }
  }

  #lose(running: Running, code: ErrorCode, why: string): void {
    this.#running.delete(running)
    running.abort(code, why)
  }

  async #attempt<T>(
    method: 'claim' | 'settle' | 'heartbeat',
    runId: RunId | null,
    work: () => T,
  ): Promise<T | 'failed'> {
    try {
      return await this.#process.call('queue', method, runId, work)
    } catch (error) {
      this.#options.onError?.(error)
      return 'failed'
    }
  }

  #noteIdle(): void {
    if (this.#stopping.signal.aborted && this.#running.size === 0) this.#idle.abort()
  }
}
