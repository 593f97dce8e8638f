import type { ClaimLine } from './claim-line.js'
import { HeldAttempt } from './held-attempt.js'
import type { LaneFolder } from './lane-folder.js'
import { LaneReader } from './lane-reader.js'
import type { LaneOffer, LaneSegment } from './lane-segment.js'
import { holds, type IsGone } from './lane-state.js'

/** An attempt whose handler has ended. */
export interface Ended {
  readonly attempt: HeldAttempt
  /** Milliseconds before it may be claimed again; `null` if it is settled. */
  readonly againInMs: number | null
}

/** How often a claim is tried at once when others were quicker. They make progress meanwhile. */
const triesMax = 8

/** The file work of one consumer: reads a lane, claims, settles and gives back. Synchronous throughout. */
export class LaneClaimer {
  readonly #lane: string
  readonly #reader: LaneReader

  constructor(lane: string, folder: LaneFolder) {
    this.#lane = lane
    this.#reader = new LaneReader(folder)
  }

  /** Reads what coordinators wrote since: in the newest segment, or `everywhere`. */
  readOffers(everywhere: boolean): void {
    if (everywhere) for (const segment of this.#reader.segments) segment.readOffers()
    else this.#reader.last?.readOffers()
  }

  /** Reads what workers wrote since, and puts away what is not needed any more. */
  readClaims(): void {
    for (const segment of this.#reader.segments) segment.readClaims()
    this.#reader.dropStray()
    this.#reader.dropFinished()
  }

  /** What others have claimed. */
  claimedByOthers(claimant: string): LaneOffer[] {
    const slots: LaneOffer[] = []
    for (const segment of this.#reader.segments) {
      for (const slot of segment.claimed) if (slot.claimant !== claimant) slots.push(slot)
    }
    return slots
  }

  /** Claims that a failure has kept us from learning of when we made them. */
  adopt(claimant: string, isKnown: (slot: LaneOffer) => boolean): HeldAttempt[] {
    const slots: LaneOffer[] = []
    for (const segment of this.#reader.segments) {
      for (const slot of segment.claimed) if (slot.claimant === claimant && !isKnown(slot)) slots.push(slot)
    }
    return this.#load(slots)
  }

  /** When the next of the attempts that were given back may be claimed: a time of `performance.now`, or Infinity. */
  nextDueMs(nowMs: number): number {
    let due = Number.POSITIVE_INFINITY
    for (const segment of this.#reader.segments) {
      for (const { dueMs } of segment.givenBack) if (dueMs > nowMs) due = Math.min(due, dueMs)
    }
    return due
  }

  /**
   * Writes what has ended and claims up to `free` attempts that are due at `nowMs`, of claimants that are gone too, with one
   * write per segment. Takes from `ended` what is written. Returns the attempts that are ours now.
   */
  exchange(
    claimant: string,
    ended: Ended[],
    free: number,
    isGone: IsGone | null,
    nowMs = performance.now(),
  ): HeldAttempt[] {
    const won: LaneOffer[] = []
    for (let tries = 0; tries < triesMax; tries++) {
      const wanted = this.#claimable(free - won.length, isGone, nowMs)
      if (wanted.length === 0 && ended.length === 0) break
      const segments = new Set(wanted.map((slot) => slot.segment))
      for (const { attempt } of ended) segments.add(attempt.slot.segment)
      for (const segment of segments) this.#write(segment, claimant, ended, wanted)
      const got = wanted.filter((slot) => slot.claimant === claimant && slot.state === 'claimed')
      won.push(...got)
      if (got.length === wanted.length) break
    }
    this.#reader.dropFinished()
    return this.#load(won)
  }

  close(): void {
    this.#reader.close()
  }

  #claimable(countMax: number, isGone: IsGone | null, nowMs: number): LaneOffer[] {
    const found: LaneOffer[] = []
    if (countMax <= 0) return found
    for (const segment of this.#reader.segments) {
      segment.readClaims()
      found.push(...segment.claimable(countMax - found.length, isGone, nowMs))
      if (found.length >= countMax) return found
    }
    for (let next = this.#reader.openNext(); next !== null; next = this.#reader.openNext()) {
      found.push(...next.claimable(countMax - found.length, isGone, nowMs))
      if (found.length >= countMax) return found
    }
    return found
  }

  #write(segment: LaneSegment, claimant: string, ended: Ended[], wanted: readonly LaneOffer[]): void {
    const here = ended.filter(({ attempt }) => attempt.slot.segment === segment)
    const lines = [...endLines(claimant, here), ...claimLines(claimant, wanted, segment)]
    if (lines.length > 0) segment.write(lines)
    if (here.length === ended.length) ended.length = 0
    else for (const one of here) ended.splice(ended.indexOf(one), 1)
  }

  #load(slots: readonly LaneOffer[]): HeldAttempt[] {
    const bySegment = groupBy(slots, (slot) => slot.segment)
    return [...bySegment].flatMap(([segment, inSegment]) => {
      inSegment.sort((a, b) => a.at - b.at)
      return segment.load(inSegment, this.#lane).map((offer, i) => new HeldAttempt(offer, inSegment[i] as LaneOffer))
    })
  }
}

function endLines(claimant: string, ended: readonly Ended[]): ClaimLine[] {
  const ours = ended.filter(({ attempt }) => holds(attempt.slot, claimant, attempt.deliveries))
  const groups = groupBy(ours, ({ attempt, againInMs }) => `${attempt.deliveries} ${againInMs}`)
  return [...groups.values()].flatMap((group): ClaimLine[] => {
    const [first] = group
    if (first === undefined) return []
    const generation = first.attempt.deliveries
    const positions = group.map(({ attempt }) => attempt.slot.at)
    return first.againInMs === null
      ? [{ type: 'settle', claimant, generation, positions }]
      : [{ type: 'give-back', claimant, generation, positions, delayMs: first.againInMs }]
  })
}

function claimLines(claimant: string, wanted: readonly LaneOffer[], segment: LaneSegment): ClaimLine[] {
  const here = wanted.filter((slot) => slot.segment === segment)
  const sinceMs = Date.now()
  return [...groupBy(here, (slot) => slot.generation + 1)].map(([generation, slots]) => ({
    type: 'claim',
    claimant,
    generation,
    sinceMs,
    offers: slots.flatMap((slot) => [slot.at, slot.check]),
  }))
}

function groupBy<T, Key>(items: readonly T[], keyOf: (item: T) => Key): Map<Key, T[]> {
  const groups = new Map<Key, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}
