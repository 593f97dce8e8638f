import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { type ArtifactCheck, type ArtifactStore, RepriseError, type StoredArtifact } from '@reprise/core/adapter'
import { openInside } from './artifact-path.js'
import { fileFailure, systemCode } from './file-failure.js'
import { clearAbandoned, IncomingFile } from './incoming-file.js'
import type { Lifetime } from './lifetime.js'
import { createFolder } from './sync-folder.js'

const chunkBytes = 256 * 1024
const digestForm = /^[0-9a-f]{64}$/

/** Where the bytes with a digest are, relative to the artifact folder. */
const addressOf = (sha256: string): string => `sha256/${sha256.slice(0, 2)}/${sha256}`

/** Artifacts in `<dir>/artifacts`, by content. */
export class FilesArtifacts implements ArtifactStore {
  readonly #root: string
  readonly #incoming: string
  readonly #lifetime: Lifetime
  /** Concurrent callers wait for the same preparation. */
  #prepared: Promise<void> | null = null

  constructor(dir: string, lifetime: Lifetime) {
    this.#root = join(dir, 'artifacts')
    this.#incoming = join(this.#root, 'tmp')
    this.#lifetime = lifetime
  }

  async put(source: AsyncIterable<Uint8Array>, bytesMax: number): Promise<StoredArtifact> {
    this.#lifetime.assertOpen()
    const incoming = await this.#receive()
    try {
      for await (const chunk of source) {
        this.#lifetime.assertOpen()
        if (!(chunk instanceof Uint8Array)) throw notBytes(chunk)
        if (incoming.bytes + chunk.length > bytesMax) throw tooLarge(bytesMax)
        await incoming.write(chunk)
      }
    } catch (error) {
      await incoming.discard()
      throw error
    }
    return await this.#keep(incoming, incoming.digest())
  }

  async check(claimed: StoredArtifact, bytesMax: number): Promise<ArtifactCheck> {
    this.#lifetime.assertOpen()
    const found = await openInside(this.#root, claimed.path)
    if ('ok' in found) return found
    const { file, size } = found
    try {
      if (size > bytesMax) return refuse('too-large', `it has ${size} bytes; at most ${bytesMax} are allowed`)
      if (size !== claimed.bytes) return refuse('wrong-size', `it has ${size} bytes, not ${claimed.bytes}`)
      // Bytes that are not at their address may be changed by whoever put them there: what counts is the copy.
      return claimed.path === addressOf(claimed.sha256)
        ? await this.#checkInPlace(file, claimed)
        : await this.#checkCopy(file, claimed)
    } finally {
      await file.close()
    }
  }

  async *read(artifact: StoredArtifact): AsyncGenerator<Uint8Array> {
    this.#lifetime.assertOpen()
    if (!digestForm.test(artifact.sha256)) throw missing(artifact.sha256, 'is none')
    const path = join(this.#root, addressOf(artifact.sha256))
    const file = await open(path, 'r').catch((error: unknown) => {
      throw systemCode(error) === 'ENOENT' ? missing(artifact.sha256, 'is none') : fileFailure(error, 'Opening', path)
    })
    try {
      const hash = createHash('sha256')
      for await (const chunk of chunksOf(file)) {
        this.#lifetime.assertOpen()
        hash.update(chunk)
        // The reader may keep a chunk, and the next one is read into the same place.
        yield Uint8Array.from(chunk)
      }
      if (hash.digest('hex') !== artifact.sha256) throw missing(artifact.sha256, 'was damaged')
    } finally {
      await file.close()
    }
  }

  async #checkInPlace(file: FileHandle, claimed: StoredArtifact): Promise<ArtifactCheck> {
    const hash = createHash('sha256')
    let bytes = 0
    for await (const chunk of chunksOf(file)) {
      this.#lifetime.assertOpen()
      hash.update(chunk)
      bytes += chunk.length
      if (bytes > claimed.bytes) break
    }
    return refuseDifferent(claimed, bytes, hash.digest('hex')) ?? { ok: true, artifact: stored(claimed.sha256, bytes) }
  }

  async #checkCopy(file: FileHandle, claimed: StoredArtifact): Promise<ArtifactCheck> {
    const copy = await this.#receive()
    try {
      for await (const chunk of chunksOf(file)) {
        this.#lifetime.assertOpen()
        await copy.write(chunk)
        if (copy.bytes > claimed.bytes) break
      }
    } catch (error) {
      await copy.discard()
      throw error
    }
    const sha256 = copy.digest()
    const refusal = refuseDifferent(claimed, copy.bytes, sha256)
    if (refusal === null) return { ok: true, artifact: await this.#keep(copy, sha256) }
    await copy.discard()
    return refusal
  }

  async #receive(): Promise<IncomingFile> {
    this.#prepared ??= this.#prepare()
    await this.#prepared
    return await IncomingFile.create(this.#incoming)
  }

  async #prepare(): Promise<void> {
    try {
      await createFolder(this.#incoming)
      await clearAbandoned(this.#incoming)
    } catch (error) {
      this.#prepared = null
      throw error
    }
  }

  async #keep(incoming: IncomingFile, sha256: string): Promise<StoredArtifact> {
    await incoming.moveTo(join(this.#root, addressOf(sha256)))
    return stored(sha256, incoming.bytes)
  }
}

async function* chunksOf(file: FileHandle): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafe(chunkBytes)
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, chunkBytes, null)
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
  }
}

const stored = (sha256: string, bytes: number): StoredArtifact => ({ path: addressOf(sha256), sha256, bytes })

type Refusal = Extract<ArtifactCheck, { ok: false }>

const refuse = (reason: Refusal['reason'], detail: string): Refusal => ({ ok: false, reason, detail })

function refuseDifferent(claimed: StoredArtifact, bytes: number, sha256: string): Refusal | null {
  if (bytes !== claimed.bytes)
    return refuse('wrong-size', `it has other than ${claimed.bytes} bytes: it was changed while it was read`)
  return sha256 === claimed.sha256 ? null : refuse('wrong-digest', `its bytes have the sha256 ${sha256}`)
}

const tooLarge = (bytesMax: number): RepriseError =>
  new RepriseError(
    'ARTIFACT_TOO_LARGE',
    `The artifact has more than ${bytesMax} bytes. Split it, or raise the limit in the policy.`,
    {
      details: { bytesMax },
    },
  )

const missing = (sha256: string, what: string): RepriseError =>
  new RepriseError('ARTIFACT_MISSING', `The artifact ${sha256.slice(0, 64)} ${what}. Let its task be done again.`, {
    details: { sha256 },
  })

const notBytes = (chunk: unknown): RepriseError =>
  new RepriseError('INVALID_INPUT', `An artifact is made of bytes, not of ${typeof chunk}. Put chunks of Uint8Array.`)
