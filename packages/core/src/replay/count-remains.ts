import { isUtf8 } from 'node:buffer'
import { hashMatches, readRecordShape } from '../log/commit-record.js'
import type { StoredPiece } from '../ports/commit-log.js'

/** What a log holds besides its commits. None of it ever counted. */
export interface LogRemains {
  /** Pieces that a failed write left. */
  readonly torn: number
  /** Whether the log ends in one: a writer died, or is writing just now. */
  readonly tornTail: boolean
  /** Whole commits for a place that was taken: written twice, or by a coordinator that came too late. */
  readonly passedOver: number
}

/** Of a log that is right: the first whole record for an index is its commit, and nothing has to be parsed. */
export class RemainsCount {
  /** All that is stored, commits included. */
  pieces = 0
  #commits = 0
  #torn = 0
  #tornTail = false
  #passedOver = 0

  take({ bytes, length, whole }: StoredPiece): void {
    this.pieces++
    const index = whole ? indexOf(bytes, length) : null
    this.#tornTail = !whole && length > 0
    if (index === this.#commits) this.#commits++
    else if (index !== null) this.#passedOver++
    else if (length > 0) this.#torn++
  }

  get remains(): LogRemains {
    return { torn: this.#torn, tornTail: this.#tornTail, passedOver: this.#passedOver }
  }
}

/** Of an intact record; `null` for anything else. */
function indexOf(bytes: Uint8Array, length: number): number | null {
  if (length > bytes.length || !isUtf8(bytes)) return null
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  const shape = readRecordShape(text)
  return shape !== null && hashMatches(text) ? shape.index : null
}
