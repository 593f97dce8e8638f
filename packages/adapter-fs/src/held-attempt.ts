import { HeldDelivery, type Offer } from '@reprise/core/adapter'
import type { LaneOffer } from './lane-segment.js'
import { holds } from './lane-state.js'
import { workerOf } from './worker-presence.js'

/** An attempt in the hands of this worker, from its claim until it is settled, given back or lost. */
export class HeldAttempt extends HeldDelivery {
  readonly slot: LaneOffer
  readonly claimant: string

  /** `deliveries` is the generation of the claim. */
  constructor(offer: Offer, slot: LaneOffer) {
    super(offer, slot.generation, slot.earlier.map(workerOf))
    this.slot = slot
    this.claimant = slot.claimant
  }

  /** Whether the claim still stands in the file, as far as that was read. */
  get held(): boolean {
    return holds(this.slot, this.claimant, this.deliveries)
  }
}
