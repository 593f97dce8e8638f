import { closeSync, existsSync, mkdirSync, openSync, readdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileFailure, systemCode } from './file-failure.js'

const digits = 6
const segmentName = /^\d{6,12}$/

/**
 * Where a lane lies: `offers/000001` and `claims/000001` and so on. Two folders, so that a worker that watches
 * the offers is not woken by the claims of others.
 *
 * Segments are numbered without gaps and no number is used twice. A segment is followed by the next one once it is
 * sealed, and goes when it is sealed, settled and followed: so the last one is always there. Offers go first: claims
 * without offers are rubbish, but offers without their claims would all be worked off again.
 */
export class LaneFolder {
  readonly path: string
  readonly offers: string
  readonly claims: string

  constructor(path: string) {
    this.path = path
    this.offers = join(path, 'offers')
    this.claims = join(path, 'claims')
  }

  create(): void {
    try {
      mkdirSync(this.offers, { recursive: true })
      mkdirSync(this.claims, { recursive: true })
    } catch (error) {
      throw fileFailure(error, 'Creating the lane', this.path)
    }
  }

  /** Numbers of the segments that exist, in order. */
  segments(): number[] {
    return numbersIn(this.offers)
  }

  /** Creates a segment, unless somebody else has. */
  addSegment(segment: number): void {
    try {
      closeSync(openSync(this.offersPath(segment), 'a'))
    } catch (error) {
      throw fileFailure(error, 'Creating the segment', this.offersPath(segment))
    }
  }

  offersPath(segment: number): string {
    return join(this.offers, nameOf(segment))
  }

  claimsPath(segment: number): string {
    return join(this.claims, nameOf(segment))
  }

  has(segment: number): boolean {
    return existsSync(this.offersPath(segment))
  }

  /** Deletes a segment, and claims that a crash between the two deletions has left behind. */
  remove(segment: number): void {
    unlink(this.offersPath(segment))
    const kept = new Set(this.segments())
    for (const number of numbersIn(this.claims)) {
      if (number <= segment && !kept.has(number)) unlink(this.claimsPath(number))
    }
  }
}

const nameOf = (segment: number): string => String(segment).padStart(digits, '0')

function numbersIn(folder: string): number[] {
  try {
    const names = readdirSync(folder).filter((name) => segmentName.test(name))
    return names.map(Number).sort((a, b) => a - b)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw fileFailure(error, 'Listing', folder)
  }
}

function unlink(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    // Somebody else was quicker.
    if (systemCode(error) !== 'ENOENT') throw fileFailure(error, 'Deleting', path)
  }
}
