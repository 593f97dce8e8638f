import { createHash, randomBytes } from 'node:crypto'
import type { AdapterParts } from './adapter-parts.js'
import { type ArtifactPlace, pieceBytes } from './artifact-place.js'
import { addPieceScript } from './artifact-scripts.js'

/** An upload that nobody goes on with is gone after this time. */
const abandonedMs = 3600 * 1000

/** Bytes on their way into the store, cut into pieces. Two pieces are in memory: one being filled, one being sent. */
export class ArtifactUpload {
  readonly uploadId = randomBytes(16).toString('hex')
  /** It is, or may be, where others find these bytes. */
  isShared = false
  readonly #parts: AdapterParts
  readonly #key: string
  readonly #hash = createHash('sha256')
  #piece = Buffer.allocUnsafe(pieceBytes)
  #filled = 0
  #pieces = 0
  #bytes = 0
  #sending: Promise<unknown> = Promise.resolve()

  constructor(parts: AdapterParts) {
    this.#parts = parts
    this.#key = parts.keys.bytes(this.uploadId)
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Copies `chunk`, and waits while the server is behind. */
  async write(chunk: Uint8Array): Promise<void> {
    this.#hash.update(chunk)
    this.#bytes += chunk.length
    for (let from = 0; from < chunk.length; ) {
      const part = chunk.subarray(from, from + pieceBytes - this.#filled)
      this.#piece.set(part, this.#filled)
      this.#filled += part.length
      from += part.length
      if (this.#filled === pieceBytes) await this.#sendPiece()
    }
  }

  /** Everything is on the server then, until the upload counts as abandoned. */
  async finish(): Promise<{ place: ArtifactPlace; sha256: string }> {
    if (this.#filled > 0) await this.#sendPiece()
    await this.#sending
    return { place: { uploadId: this.uploadId, bytes: this.#bytes }, sha256: this.#hash.digest('hex') }
  }

  /** Gives the server its memory back. What cannot be removed now runs out. */
  async discard(): Promise<void> {
    await this.#sending.catch(() => undefined)
    if (this.#pieces > 0) await this.#parts.connection.call('UNLINK', [this.#key]).catch(() => undefined)
  }

  async #sendPiece(): Promise<void> {
    const piece = this.#piece.subarray(0, this.#filled)
    // The one on its way is not written to.
    this.#piece = Buffer.allocUnsafe(pieceBytes)
    this.#filled = 0
    await this.#sending
    const { connection } = this.#parts
    const sending = connection.script(addPieceScript, [this.#key], [this.#pieces, piece, abandonedMs])
    this.#pieces++
    sending.catch(() => undefined) // Told with the next piece.
    this.#sending = sending
  }
}
