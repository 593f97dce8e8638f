import { utimesSync } from 'node:fs'
import type { Offer } from '@reprise/core/adapter'
import { AppendFile } from './append-file.js'
import { checkBytes, checkOf } from './checked-line.js'
import { type ClaimLine, claimLine, readClaimLine } from './claim-line.js'
import { systemCode } from './file-failure.js'
import type { LaneFolder } from './lane-folder.js'
import { type IsGone, LaneState, type OfferState } from './lane-state.js'
import { LineTail } from './line-tail.js'
import { offerMark, readOffer, readWithdraw, sealLine, withdrawLine } from './offer-line.js'
import { removeFile } from './small-file.js'

/** An offer in a segment, as the lines read so far have it. */
export type LaneOffer = OfferState<LaneSegment>

/** Called for every valid offer read from the file, with its payload. */
export type OnOffer = (offer: LaneOffer, bytes: Buffer, start: number, end: number) => void

/** A segment of a lane: a file of offers and one of claims on them, with what their lines come to. */
export class LaneSegment {
  readonly number: number
  readonly #folder: LaneFolder
  readonly #tail: LineTail
  readonly #claims: AppendFile
  readonly #onOffer: OnOffer | undefined
  #writer: AppendFile | null = null
  readonly #state = new LaneState<LaneSegment>(this)
  #sealed = false

  /** `null` if there is no such segment (any more). */
  static open(folder: LaneFolder, number: number, onOffer?: OnOffer): LaneSegment | null {
    const tail = openTail(folder.offersPath(number))
    if (tail === null) return null
    const claims = AppendFile.open(folder.claimsPath(number), { create: true })
    // Offers are deleted first. If they are still there now, these are their claims and not an empty file that we made.
    if (folder.has(number)) return new LaneSegment(folder, number, tail, claims, onOffer)
    tail.close()
    claims.close()
    // Whoever deleted the offers may have deleted this, too.
    removeFile(folder.claimsPath(number))
    return null
  }

  private constructor(
    folder: LaneFolder,
    number: number,
    tail: LineTail,
    claims: AppendFile,
    onOffer: OnOffer | undefined,
  ) {
    this.#folder = folder
    this.number = number
    this.#tail = tail
    this.#claims = claims
    this.#onOffer = onOffer
  }

  /** No offer is valid here any more but those before the seal: later ones are in the next segment. */
  get sealed(): boolean {
    return this.#sealed
  }

  /** Sealed, and every offer is done. */
  get finished(): boolean {
    return this.#sealed && this.#state.settled
  }

  /** Bytes of offers read so far. */
  get bytes(): number {
    return this.#tail.position
  }

  /** In workers' hands. */
  get claimed(): Iterable<LaneOffer> {
    return this.#state.claimed
  }

  get givenBack(): Iterable<LaneOffer> {
    return this.#state.givenBack
  }

  readOffers(): void {
    this.#tail.readNew((bytes, start, end, at, check) => {
      const mark = bytes[start]
      if (mark === offerMark.withdraw)
        for (const position of readWithdraw(bytes, start, end)) this.#state.withdraw(position)
      else if (mark === offerMark.seal) this.#sealed = true
      else if (!this.#sealed && (mark === offerMark.offer || mark === offerMark.escaped)) {
        const offer = this.#state.add(at, end - start, check)
        this.#onOffer?.(offer, bytes, start, end)
      }
      return true
    })
  }

  readClaims(): void {
    for (const text of this.#claims.readNew()) this.#apply(text)
  }

  /** Up to `countMax` offers to claim next: of claimants that are gone, given back, never claimed; in their order. */
  claimable(countMax: number, isGone: IsGone | null, nowMs: number): LaneOffer[] {
    return this.#state.claimable(countMax, isGone, nowMs)
  }

  /** Appends to the claims. What it has come to is in the offers afterwards: a claim may have been too late. */
  write(lines: readonly ClaimLine[]): void {
    for (const text of this.#claims.appendAndReadBack(lines.map(claimLine))) this.#apply(text)
  }

  /** The texts of offers of this segment, which are in order. */
  load(offers: readonly LaneOffer[], lane: string): Offer[] {
    const first = offers[0]
    const last = offers.at(-1)
    if (first === undefined || last === undefined) return []
    const span = last.at + checkBytes + last.bytes - first.at
    // Neighbours come with one call.
    if (span > 64 * 1024 && offers.length > 1) return offers.flatMap((offer) => this.load([offer], lane))
    const bytes = this.#tail.readAt(first.at, span)
    return offers.map((offer) => {
      const start = offer.at - first.at + checkBytes
      return readOffer(bytes, start, start + offer.bytes, lane)
    })
  }

  /**
   * Appends lines of offers. Returns the offers they have become if nobody else has written meanwhile, else `null`:
   * then `readOffers` tells which of them are valid.
   */
  offer(lines: readonly string[]): LaneOffer[] | null {
    const before = this.#tail.position
    const sizes = lines.map((line) => Buffer.byteLength(line) + 1)
    this.#append(lines)
    const size = sizes.reduce((sum, bytes) => sum + bytes, 0)
    if (this.#sealed || this.#tail.size !== before + size) return null
    let at = before
    const offers = lines.map((line, i) => {
      const bytes = sizes[i] ?? 0
      const offer = this.#state.add(at, bytes - checkBytes - 1, checkOf(line))
      at += bytes
      return offer
    })
    this.#tail.advance(size)
    return offers
  }

  seal(): void {
    while (!this.#sealed) {
      this.#append([sealLine()])
      this.readOffers()
    }
  }

  withdraw(offers: readonly LaneOffer[]): void {
    for (let open = offers; open.length > 0; open = open.filter((offer) => offer.state !== 'done')) {
      this.#append([withdrawLine(open.map((offer) => offer.at))])
      this.readOffers()
    }
  }

  /** Wakes those who watch the offers, without writing. Best effort: they look by themselves, too. */
  wakeOthers(): void {
    try {
      const now = new Date()
      utimesSync(this.#folder.offersPath(this.number), now, now)
    } catch {}
  }

  close(): void {
    this.#tail.close()
    this.#claims.close()
    this.#writer?.close()
  }

  #append(lines: readonly string[]): void {
    this.#writer ??= AppendFile.open(this.#folder.offersPath(this.number))
    this.#writer.append(lines)
  }

  #apply(text: string): void {
    const line = readClaimLine(text)
    if (line === null) return
    // Claims may be seen before the offers that were there first: the files are read one after the other.
    if (line.type === 'claim' && line.offers.some((number, i) => i % 2 === 0 && number >= this.#tail.position)) {
      this.readOffers()
    }
    this.#state.apply(line)
  }
}

function openTail(path: string): LineTail | null {
  try {
    return LineTail.open(path)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null
    throw error
  }
}
