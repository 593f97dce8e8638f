import type { Leases } from '@reprise/core/adapter'
import type { LaneOffer } from './lane-segment.js'
import type { IsGone } from './lane-state.js'
import { goneClaimants } from './worker-presence.js'

/** Part of the time that may go into looking: with very many workers it must not become the work. */
const idleShare = 20

/** Knows which claims are of workers that are gone. Looks when told to, unless it has just spent much time on it. */
export class GoneWatch {
  readonly #leases: Leases
  /**
   * Claims, by their generation, and not claimants: a worker that wakes up after its lease ran out renews it and
   * claims again, and is not to lose that to somebody who looked before.
   */
  #gone = new Map<LaneOffer, number>()
  #notBefore = 0

  constructor(leases: Leases) {
    this.#leases = leases
  }

  /** As of the last look; `null` if none was. */
  get isGone(): IsGone | null {
    const gone: ReadonlyMap<unknown, number> = this.#gone
    return gone.size === 0 ? null : (offer) => gone.get(offer) === offer.generation
  }

  /** Returns whether any of these claims is of a worker that is gone. */
  async look(claimed: readonly LaneOffer[]): Promise<boolean> {
    const startedAt = performance.now()
    if (startedAt < this.#notBefore) return false
    this.#notBefore = Number.POSITIVE_INFINITY
    const claims = claimed.map((slot) => ({ slot, claimant: slot.claimant, generation: slot.generation }))
    this.#gone = new Map()
    try {
      const gone = await goneClaimants(this.#leases, new Set(claims.map(({ claimant }) => claimant)))
      for (const { slot, claimant, generation } of claims) if (gone.has(claimant)) this.#gone.set(slot, generation)
    } finally {
      const now = performance.now()
      this.#notBefore = now + (now - startedAt) * idleShare
    }
    return this.#gone.size > 0
  }
}
