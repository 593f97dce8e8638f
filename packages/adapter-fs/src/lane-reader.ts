import type { LaneFolder } from './lane-folder.js'
import { LaneSegment, type OnOffer } from './lane-segment.js'

/** The segments of a lane that somebody has open, in their order. They are opened as needed and go when finished. */
export class LaneReader {
  readonly #folder: LaneFolder
  readonly #onOffer: OnOffer | undefined
  #segments: LaneSegment[] = []
  /** Segments up to here were opened, or found gone. */
  #reached = 0

  constructor(folder: LaneFolder, onOffer?: OnOffer) {
    this.#folder = folder
    this.#onOffer = onOffer
  }

  get segments(): readonly LaneSegment[] {
    return this.#segments
  }

  /** The newest segment that is open. */
  get last(): LaneSegment | undefined {
    return this.#segments.at(-1)
  }

  /** Number of the segment that follows all that were opened. */
  get nextNumber(): number {
    return this.#reached + 1
  }

  /** Opens the segment behind the newest one, unless that one still takes offers or is the last there is. */
  openNext(): LaneSegment | null {
    if (this.last !== undefined && !this.last.sealed) return null
    for (const number of this.#folder.segments()) {
      if (number <= this.#reached) continue
      const segment = LaneSegment.open(this.#folder, number, this.#onOffer)
      // Gone since the listing: it was finished, and others follow.
      if (segment === null) continue
      this.#reached = number
      this.#segments.push(segment)
      segment.readOffers()
      segment.readClaims()
      return segment
    }
    return null
  }

  /**
   * A segment without a seal that others follow was made by somebody who stood still while its number came and went.
   * Nobody relies on it, and it would hide those that follow. Returns the segments that are not open any more.
   */
  dropStray(): LaneSegment[] {
    const { last } = this
    if (last === undefined || last.sealed) return []
    if (!this.#folder.segments().some((number) => number > last.number)) return []
    // The seal comes before the segment that follows: if it is not there now, it never will be.
    last.readOffers()
    if (last.sealed) return []
    this.#drop(last)
    return [last]
  }

  /** Deletes what is finished. Returns the segments that are not open any more. */
  dropFinished(): LaneSegment[] {
    const finished = this.#segments.filter((segment) => segment.finished)
    if (finished.length === 0) return []
    const newest = this.#folder.segments().at(-1) ?? 0
    const followed = finished.filter((segment) => segment.number < newest)
    for (const segment of followed) this.#drop(segment)
    return followed
  }

  close(): void {
    for (const segment of this.#segments) segment.close()
    this.#segments = []
  }

  #drop(segment: LaneSegment): void {
    this.#segments = this.#segments.filter((other) => other !== segment)
    segment.close()
    this.#folder.remove(segment.number)
  }
}
