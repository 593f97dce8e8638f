import { createHash } from 'node:crypto'
import { type ArtifactCheck, type ArtifactStore, RepriseError, type StoredArtifact } from '@reprise/core/adapter'
import type { AdapterParts } from './adapter-parts.js'
import {
  type ArtifactPlace,
  digestIn,
  isDigest,
  pieceBytes,
  piecesOf,
  placeText,
  readPlace,
  stored,
} from './artifact-place.js'
import { keepScript, pieceScript, placeScript } from './artifact-scripts.js'
import { ArtifactUpload } from './artifact-upload.js'

/**
 * Bytes by digest, in two steps because a cluster keeps them apart: pieces under the random name of their upload, and
 * under the digest the name of the upload.
 */
export class RedisArtifacts implements ArtifactStore {
  readonly #parts: AdapterParts
  readonly #bytesMax: number

  constructor(parts: AdapterParts, bytesMax: number) {
    this.#parts = parts
    this.#bytesMax = bytesMax
  }

  async put(source: AsyncIterable<Uint8Array>, bytesMax: number): Promise<StoredArtifact> {
    this.#parts.lifetime.assertOpen()
    const upload = new ArtifactUpload(this.#parts)
    try {
      for await (const chunk of source) {
        this.#parts.lifetime.assertOpen()
        if (!(chunk instanceof Uint8Array)) throw notBytes(chunk)
        if (upload.bytes + chunk.length > bytesMax) throw tooLarge(bytesMax)
        if (upload.bytes + chunk.length > this.#bytesMax) throw tooLargeForRedis(this.#bytesMax)
        await upload.write(chunk)
      }
      const { place, sha256 } = await upload.finish()
      await this.#keep(upload, place, sha256)
      return stored(sha256, place.bytes)
    } catch (error) {
      // Else others may rely on it. Unless they do, it runs out.
      if (!upload.isShared) await upload.discard()
      throw error
    }
  }

  async check(claimed: StoredArtifact, bytesMax: number): Promise<ArtifactCheck> {
    this.#parts.lifetime.assertOpen()
    const named = digestIn(claimed.path)
    if (named === null) return refuse('outside-root', 'its path is not one that this store gives')
    const place = await this.#find(named)
    if (place === null) return refuse('missing', 'there are no bytes with that digest')
    const { bytes } = place
    if (bytes > bytesMax) return refuse('too-large', `it has ${bytes} bytes; at most ${bytesMax} are allowed`)
    if (bytes !== claimed.bytes) return refuse('wrong-size', `it has ${bytes} bytes, not ${claimed.bytes}`)
    const found = await this.#digest(place)
    if (found === null) return refuse('missing', 'some of its bytes are gone')
    if (found !== claimed.sha256) return refuse('wrong-digest', `its bytes have the sha256 ${found}`)
    return { ok: true, artifact: stored(claimed.sha256, bytes) }
  }

  async *read({ sha256 }: StoredArtifact): AsyncGenerator<Uint8Array> {
    this.#parts.lifetime.assertOpen()
    const place = isDigest(sha256) ? await this.#find(sha256) : null
    if (place === null) throw missing(sha256, 'is not there')
    const hash = createHash('sha256')
    for await (const piece of this.#pieces(place)) {
      if (piece === null) throw missing(sha256, 'has lost some of its bytes')
      hash.update(piece)
      yield piece
    }
    if (hash.digest('hex') !== sha256) throw missing(sha256, 'was damaged')
  }

  /**
   * First the digest says where the bytes are, then they stay for good. A crash in between leaves a digest whose bytes
   * run out: the next upload of the same bytes keeps or replaces them. So whoever finds a place makes its bytes stay.
   */
  async #keep(upload: ArtifactUpload, place: ArtifactPlace, sha256: string): Promise<void> {
    const { connection, keys } = this.#parts
    for (;;) {
      const said = await this.#said(sha256)
      const other = said === null ? null : readPlace(said)
      if (other !== null && (await this.#makeStay(other)) && (await this.#digest(other)) === sha256) {
        return await upload.discard()
      }
      upload.isShared = true
      const placed = await connection.script(placeScript, [keys.artifact(sha256)], [said ?? '', placeText(place)])
      upload.isShared = placed === 1
      // Somebody else was quicker with the same bytes.
      if (!upload.isShared) continue
      if (!(await this.#makeStay(place))) throw expired(sha256)
      if (other !== null) await connection.call('UNLINK', [keys.bytes(other.uploadId)])
      return
    }
  }

  /** `false`: some of its pieces are not there. */
  async #makeStay({ uploadId, bytes }: ArtifactPlace): Promise<boolean> {
    const { connection, keys } = this.#parts
    return (await connection.script(keepScript, [keys.bytes(uploadId)], [piecesOf(bytes)])) === 1
  }

  async #said(sha256: string): Promise<string | null> {
    const { connection, keys } = this.#parts
    const said = await connection.call('GET', [keys.artifact(sha256)])
    return Buffer.isBuffer(said) ? said.toString('utf8') : null
  }

  async #find(sha256: string): Promise<ArtifactPlace | null> {
    const said = await this.#said(sha256)
    return said === null ? null : readPlace(said)
  }

  /** The digest of what is there now; `null` if pieces are missing. */
  async #digest(place: ArtifactPlace): Promise<string | null> {
    const hash = createHash('sha256')
    for await (const piece of this.#pieces(place)) {
      if (piece === null) return null
      hash.update(piece)
    }
    return hash.digest('hex')
  }

  /** Piece by piece, `null` for one that is missing or not as long as it should be. The next one is on its way. */
  async *#pieces({ uploadId, bytes }: ArtifactPlace): AsyncGenerator<Buffer | null> {
    const { connection, keys, lifetime } = this.#parts
    const get = (number: number): Promise<unknown> => {
      const piece = connection.script(pieceScript, [keys.bytes(uploadId)], [number, pieceBytes])
      piece.catch(() => undefined) // Told when its turn comes, if it comes.
      return piece
    }
    const count = piecesOf(bytes)
    let next = count > 0 ? get(0) : null
    for (let number = 0; number < count; number++) {
      const piece = await next
      lifetime.assertOpen()
      next = number + 1 < count ? get(number + 1) : null
      const length = Math.min(pieceBytes, bytes - number * pieceBytes)
      yield Buffer.isBuffer(piece) && piece.length === length ? piece : null
    }
  }
}

type Refusal = Extract<ArtifactCheck, { ok: false }>

const refuse = (reason: Refusal['reason'], detail: string): Refusal => ({ ok: false, reason, detail })

const tooLarge = (bytesMax: number): RepriseError =>
  new RepriseError(
    'ARTIFACT_TOO_LARGE',
    `The artifact has more than ${bytesMax} bytes. Split it, or raise the limit in the policy.`,
    { details: { bytesMax } },
  )

const tooLargeForRedis = (bytesMax: number): RepriseError =>
  new RepriseError(
    'ARTIFACT_TOO_LARGE',
    `The artifact has more than ${bytesMax} bytes, which is what this Redis adapter takes: Redis holds all of them in memory. ` +
      'Put large files into a directory that all hosts share, or into the object store of NATS, by combineAdapters; or raise artifactBytesMax.',
    { details: { bytesMax } },
  )

const missing = (sha256: string, what: string): RepriseError =>
  new RepriseError('ARTIFACT_MISSING', `The artifact ${sha256.slice(0, 64)} ${what}. Let its task be done again.`, {
    details: { sha256 },
  })

const expired = (sha256: string): RepriseError =>
  new RepriseError(
    'ADAPTER_UNAVAILABLE',
    `The upload of artifact ${sha256} took so long that the server has forgotten its first bytes. Put it again.`,
    { details: { sha256 } },
  )

const notBytes = (chunk: unknown): RepriseError =>
  new RepriseError('INVALID_INPUT', `An artifact is made of bytes, not of ${typeof chunk}. Put chunks of Uint8Array.`)
