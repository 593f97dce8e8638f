import type { ClaimLine } from './claim-line.js'

/** One offer as the lines read so far have it. Its text stays in the file until somebody runs it. */
export interface OfferState<Segment> {
  readonly segment: Segment
  /** Position of its line. */
  readonly at: number
  /** Of the payload of its line. */
  readonly bytes: number
  readonly check: number
  /** `done`: settled or withdrawn. */
  state: 'waiting' | 'claimed' | 'done'
  /** Times it was claimed. */
  generation: number
  /** Who claimed it last. */
  claimant: string
  /** Who claimed it before, the newest at the end. */
  earlier: readonly string[]
  sinceMs: number
  /** Given back, and not to be claimed before: a time of `performance.now`. */
  dueMs: number
}

/** Whether the offer is in the hands of this claimant, since that claim. */
export const holds = (offer: OfferState<unknown>, claimant: string, generation: number): boolean =>
  offer.state === 'claimed' && offer.claimant === claimant && offer.generation === generation

/** Whether the one who has claimed this offer is known to be gone. */
export type IsGone = (offer: OfferState<unknown>) => boolean

/** Claimants of an offer that are kept. */
const earlierMax = 16
/** Of nearly all offers: one for all of them. */
const none: readonly string[] = []
/** Offers behind the cursor are dropped when there are so many. */
const passedMax = 4096

/**
 * What the lines of a segment come to. Everybody who has read the same lines sees the same: of several claims on an
 * offer the first line of a generation holds.
 */
export class LaneState<Segment> {
  readonly #segment: Segment
  /** What is not done, by position. */
  readonly #open = new Map<number, OfferState<Segment>>()
  /** In the order of their offering; those before `#next` were claimed or withdrawn. */
  #order: OfferState<Segment>[] = []
  #next = 0
  readonly #givenBack = new Set<OfferState<Segment>>()
  readonly #claimed = new Set<OfferState<Segment>>()

  constructor(segment: Segment) {
    this.#segment = segment
  }

  /** Whether every offer is done. */
  get settled(): boolean {
    return this.#open.size === 0
  }

  /** In workers' hands. */
  get claimed(): Iterable<OfferState<Segment>> {
    return this.#claimed
  }

  get givenBack(): Iterable<OfferState<Segment>> {
    return this.#givenBack
  }

  add(at: number, bytes: number, check: number): OfferState<Segment> {
    const offer: OfferState<Segment> = {
      segment: this.#segment,
      at,
      bytes,
      check,
      state: 'waiting',
      generation: 0,
      claimant: '',
      earlier: none,
      sinceMs: 0,
      dueMs: 0,
    }
    this.#open.set(at, offer)
    this.#order.push(offer)
    return offer
  }

  withdraw(position: number): void {
    const offer = this.#open.get(position)
    if (offer !== undefined) this.#done(offer)
  }

  apply(line: ClaimLine): void {
    switch (line.type) {
      case 'claim':
        for (let i = 0; i + 1 < line.offers.length; i += 2) this.#claim(line, line.offers[i] ?? 0, line.offers[i + 1])
        return
      case 'settle':
        for (const offer of this.#heldBy(line)) this.#done(offer)
        return
      case 'give-back':
        for (const offer of this.#heldBy(line)) this.#giveBack(offer, line.delayMs)
        return
    }
  }

  /** Up to `countMax` offers to claim next: of claimants that are gone, given back, never claimed; in their order. */
  claimable(countMax: number, isGone: IsGone | null, nowMs: number): OfferState<Segment>[] {
    const found: OfferState<Segment>[] = []
    if (isGone !== null) {
      for (const offer of this.#claimed) if (found.length < countMax && isGone(offer)) found.push(offer)
    }
    for (const offer of this.#givenBack) if (found.length < countMax && offer.dueMs <= nowMs) found.push(offer)
    for (let i = this.#next; i < this.#order.length && found.length < countMax; i++) {
      const offer = this.#order[i]
      if (offer?.state === 'waiting' && offer.generation === 0) found.push(offer)
      else if (i === this.#next) this.#next++
    }
    if (this.#next > passedMax) {
      this.#order = this.#order.slice(this.#next)
      this.#next = 0
    }
    return found
  }

  #claim(line: ClaimLine & { type: 'claim' }, position: number, check: number | undefined): void {
    const offer = this.#open.get(position)
    if (offer === undefined || offer.check !== check || line.generation !== offer.generation + 1) return
    offer.state = 'claimed'
    if (offer.claimant !== '') offer.earlier = [...offer.earlier, offer.claimant].slice(-earlierMax)
    offer.generation = line.generation
    offer.claimant = line.claimant
    offer.sinceMs = line.sinceMs
    this.#givenBack.delete(offer)
    this.#claimed.add(offer)
  }

  #heldBy(line: ClaimLine & { positions: readonly number[] }): OfferState<Segment>[] {
    const held: OfferState<Segment>[] = []
    for (const position of line.positions) {
      const offer = this.#open.get(position)
      if (offer !== undefined && holds(offer, line.claimant, line.generation)) held.push(offer)
    }
    return held
  }

  #giveBack(offer: OfferState<Segment>, delayMs: number): void {
    offer.state = 'waiting'
    // Counted from the reading, so that clocks need not agree.
    offer.dueMs = delayMs === 0 ? 0 : performance.now() + delayMs
    this.#claimed.delete(offer)
    this.#givenBack.add(offer)
  }

  #done(offer: OfferState<Segment>): void {
    offer.state = 'done'
    this.#open.delete(offer.at)
    this.#claimed.delete(offer)
    this.#givenBack.delete(offer)
  }
}
