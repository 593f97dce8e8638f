import { isRepriseError } from '@reprise/core/adapter'
import { pause } from '../pause.js'
import type { HeldAttempt } from './held-attempt.js'
import type { LaneClaims } from './lane-claims.js'
import type { LaneTools } from './lane-tools.js'
import { pauseMsMax } from './queue-scripts.js'
import type { Slots } from './slots.js'
import { waitForMarker } from './wake-line.js'

/** A marker is lost with the worker that took it: then somebody looks after this time. Milliseconds. */
const idleMsMax = 5_000
/** Claims in one batch. */
const burstMax = 64
const failureMs = 50
const failureMsMax = 2_000

/**
 * Fills free slots. A worker that waits is woken by BullMQ's marker and claims one job, and twice as many each time
 * that there were enough: a job that comes alone costs one useless look, a thousand fill the slots in a few trips.
 */
export class ClaimLoop {
  readonly #tools: LaneTools
  readonly #claims: LaneClaims
  readonly #slots: Slots
  readonly #stopping: AbortSignal
  readonly #idleMs: number
  readonly #start: (attempt: HeldAttempt) => void
  readonly #onError: (error: unknown) => void
  #burst = 1
  /** `0`: not known. */
  #dueAtMs = 0
  #failures = 0

  constructor(
    tools: LaneTools,
    claims: LaneClaims,
    slots: Slots,
    options: {
      readonly stopping: AbortSignal
      readonly claimTtlMs: number
      /** Takes over a slot that was taken for it. */
      readonly start: (attempt: HeldAttempt) => void
      readonly onError: (error: unknown) => void
    },
  ) {
    this.#tools = tools
    this.#claims = claims
    this.#slots = slots
    this.#stopping = options.stopping
    this.#idleMs = Math.min(idleMsMax, options.claimTtlMs)
    this.#start = options.start
    this.#onError = options.onError
  }

  /** Resolves some time after `stopping` aborted, when nothing is being claimed any more. */
  async run(): Promise<void> {
    // The marker may be lost: look first.
    let look = true
    while (!this.#stopping.aborted) {
      await this.#slots.someFree()
      if (this.#stopping.aborted) return
      try {
        look ||= await this.#wait()
        if (!look || this.#stopping.aborted) continue
        // What a paused server is asked for again and again it would all hand out when it goes on, to nobody.
        if (this.#failures > 0) await this.#tools.connection.call('PING', [])
        await this.#fill()
        look = false
        this.#failures = 0
      } catch (error) {
        if (this.#stopping.aborted || isRepriseError(error, 'CLOSED')) return
        // Perhaps with the marker in our hands.
        look = true
        this.#onError(error)
        const pauseMs = Math.min(failureMs * 2 ** this.#failures++, failureMsMax)
        await pause(pauseMs, this.#stopping)
      }
    }
  }

  /** Whether it is time to look for jobs. */
  async #wait(): Promise<boolean> {
    const dueInMs = this.#dueAtMs === 0 ? this.#idleMs : this.#dueAtMs - Date.now()
    if (dueInMs <= 0) return true
    const wake = await waitForMarker(this.#tools.blocking, this.#tools.keys.marker, Math.min(dueInMs, this.#idleMs))
    if (wake.kind !== 'later') return true
    const dueAtMs = notFarther(wake.atMs)
    this.#dueAtMs = this.#dueAtMs === 0 ? dueAtMs : Math.min(this.#dueAtMs, dueAtMs)
    return false
  }

  async #fill(): Promise<void> {
    const wanted = this.#slots.take(Math.min(this.#burst, burstMax))
    this.#dueAtMs = 0
    let found = 0
    const claims = Array.from({ length: wanted }, async () => {
      const { attempt, dueAtMs } = await this.#claims.claim()
      if (dueAtMs > 0) this.#dueAtMs = notFarther(dueAtMs)
      if (attempt === null) return
      found++
      this.#start(attempt)
    })
    const ends = await Promise.allSettled(claims)
    this.#slots.give(wanted - found)
    this.#burst = found === wanted ? 2 * wanted : 1
    const failed = ends.find((end) => end.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }
}

/** By a clock that differs from ours it may be hours away: look before that. */
const notFarther = (dueAtMs: number): number => Math.min(dueAtMs, Date.now() + pauseMsMax)
