import { setImmediate } from 'node:timers/promises'
import { type Offer, RepriseError } from '@reprise/core/adapter'
import type { LaneFolder } from './lane-folder.js'
import { LaneReader } from './lane-reader.js'
import type { LaneOffer, LaneSegment } from './lane-segment.js'
import { lineBytesMax } from './line-tail.js'
import { attemptKey, offeredKey, offerLine } from './offer-line.js'

/** Written at once: as much as blocks nobody for long. */
const chunkBytesMax = 1024 * 1024
/** Ids, digest and checksum around the body of a line. */
const frameBytesMax = 4 * 1024

/** Puts attempts into a lane, and knows which of those in its segments are where. */
export class LaneOfferer {
  readonly #folder: LaneFolder
  readonly #segmentBytesMax: number
  readonly #reader: LaneReader
  /** Every attempt in the segments that are left, settled ones included: they are not offered again. */
  readonly #known = new Map<string, LaneOffer>()
  readonly #keys = new Map<LaneSegment, string[]>()
  /** Offers of attempts that stand in the lane twice: two coordinators at once, or a write that was cut short. */
  #repeated: LaneOffer[] = []

  constructor(folder: LaneFolder, segmentBytesMax: number) {
    this.#folder = folder
    this.#segmentBytesMax = segmentBytesMax
    this.#reader = new LaneReader(folder, (offer, bytes, start, end) => {
      const key = offeredKey(bytes, start, end)
      if (this.#known.has(key)) this.#repeated.push(offer)
      else this.#remember(key, offer)
    })
  }

  /** Resolves once workers can find the offers. They may be lost with the power: the log offers them again. */
  async offer(offers: readonly Offer[]): Promise<void> {
    for (const offer of offers) assertFits(offer)
    if (this.#reader.last === undefined) this.#folder.create()
    let rest = offers
    while (rest.length > 0) {
      rest = this.#offerSome(rest)
      if (rest.length > 0) await setImmediate()
    }
  }

  /** The attempt as the lane has it now; `undefined` if it stands in no segment. */
  find(runId: string, taskId: string, attempt: number): LaneOffer | undefined {
    this.#catchUp()
    for (const segment of this.#reader.segments) segment.readClaims()
    this.#forgetFinished()
    return this.#known.get(attemptKey(runId, taskId, attempt))
  }

  close(): void {
    this.#reader.close()
  }

  /** Returns what is left to offer. */
  #offerSome(offers: readonly Offer[]): readonly Offer[] {
    const segment = this.#writable()
    const lines = new Map<string, string>()
    let bytes = Math.max(0, segment.bytes - this.#segmentBytesMax + chunkBytesMax)
    let taken = 0
    for (const offer of offers) {
      if (bytes >= chunkBytesMax && lines.size > 0) break
      taken++
      const key = keyOf(offer)
      if (this.#known.has(key) || lines.has(key)) continue
      const line = offerLine(offer)
      bytes += line.length
      lines.set(key, line)
    }
    const rest = taken === offers.length ? [] : offers.slice(taken)
    if (lines.size === 0 || this.#place(segment, lines)) return rest
    // Lines caught in a torn one or behind a seal are not known now, and are offered again.
    return [...offers.slice(0, taken).filter((offer) => !this.#known.has(keyOf(offer))), ...rest]
  }

  /** Whether all lines have become offers for certain. */
  #place(segment: LaneSegment, lines: ReadonlyMap<string, string>): boolean {
    const placed = segment.offer([...lines.values()])
    if (placed === null) segment.readOffers()
    else {
      let i = 0
      for (const key of lines.keys()) {
        const offer = placed[i++]
        if (offer !== undefined) this.#remember(key, offer)
      }
    }
    this.#withdrawRepeated()
    if (segment.bytes >= this.#segmentBytesMax) segment.seal()
    return placed !== null
  }

  /** The segment that takes offers now, with what others have put there read. */
  #writable(): LaneSegment {
    for (;;) {
      this.#catchUp()
      const { last } = this.#reader
      if (last !== undefined && !last.sealed) return last
      // The seal comes first, then the next segment: whoever finds a seal and nothing behind it may make it.
      this.#folder.addSegment(this.#reader.nextNumber)
      this.#forgetFinished()
    }
  }

  #catchUp(): void {
    this.#reader.last?.readOffers()
    while (this.#reader.openNext() !== null) this.#forget(this.#reader.dropStray())
    this.#withdrawRepeated()
  }

  #withdrawRepeated(): void {
    const repeated = this.#repeated
    this.#repeated = []
    for (const segment of new Set(repeated.map((offer) => offer.segment))) {
      segment.withdraw(repeated.filter((offer) => offer.segment === segment))
    }
  }

  #forgetFinished(): void {
    for (const segment of this.#reader.segments) if (segment.sealed) segment.readClaims()
    this.#forget(this.#reader.dropFinished())
  }

  #forget(segments: readonly LaneSegment[]): void {
    for (const segment of segments) {
      for (const key of this.#keys.get(segment) ?? []) this.#known.delete(key)
      this.#keys.delete(segment)
    }
  }

  #remember(key: string, offer: LaneOffer): void {
    this.#known.set(key, offer)
    const keys = this.#keys.get(offer.segment)
    if (keys === undefined) this.#keys.set(offer.segment, [key])
    else keys.push(key)
  }
}

const keyOf = ({ runId, taskId, attempt }: Offer): string => attemptKey(runId, taskId, attempt)

function assertFits({ runId, taskId, attempt, body }: Offer): void {
  // Newlines are escaped, which may double them.
  const bytesMax = (lineBytesMax - frameBytesMax) / (body.includes('\n') ? 2 : 1)
  if (body.length * 3 <= bytesMax || Buffer.byteLength(body) <= bytesMax) return
  throw new RepriseError(
    'TOO_LARGE',
    `Attempt ${attempt} of task "${taskId}" in run "${runId}" is ${Buffer.byteLength(body)} bytes long; a lane takes ` +
      `${bytesMax}. Nothing was offered. Pass large inputs as artifacts.`,
    { details: { runId, taskId, attempt, bytesMax } },
  )
}
