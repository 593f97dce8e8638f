import { createHash } from 'node:crypto'
import { headers } from '@nats-io/transport-node'
import { type ArtifactCheck, type ArtifactStore, RepriseError, type StoredArtifact } from '@reprise/core/adapter'
import { type ArtifactManifest, readManifest, writeManifest } from './artifact-manifest.js'
import { ChunkUpload } from './chunk-upload.js'
import type { Names } from './names.js'
import type { NatsConnection } from './nats-connection.js'
import { apiCodes, isApiFailure, isNatsFailure } from './nats-failure.js'
import { readChunks } from './read-chunks.js'
import { getMessage, type ReadableStream } from './stored-message.js'

/** Others may put the same bytes between our look and our write, and answers may be lost. */
const triesMax = 8
const digestForm = /^[0-9a-f]{64}$/

interface Found {
  /** What the next write must expect. */
  readonly seq: number
  readonly manifest: ArtifactManifest | null
}

/** Chunks in a stream, and under each digest a manifest that says which. */
export class NatsArtifacts implements ArtifactStore {
  readonly #connection: NatsConnection
  readonly #names: Names
  readonly #stream: ReadableStream
  readonly #bytesMax: number

  constructor(connection: NatsConnection, names: Names, direct: boolean, bytesMax: number) {
    this.#connection = connection
    this.#names = names
    this.#stream = { stream: names.artifactsStream, direct }
    this.#bytesMax = bytesMax
  }

  async put(source: AsyncIterable<Uint8Array>, bytesMax: number): Promise<StoredArtifact> {
    this.#connection.assertOpen()
    const allowed = Math.min(bytesMax, this.#bytesMax)
    const upload = new ChunkUpload(this.#connection, 'an artifact', this.#names.chunksSubject)
    for await (const chunk of source) {
      if (!(chunk instanceof Uint8Array)) throw notBytes(chunk)
      if (upload.bytes + chunk.length > allowed) throw tooLarge(allowed)
      await upload.write(chunk)
    }
    const [sha256, bytes] = [upload.digest(), upload.bytes]
    const there = await this.#find(sha256)
    // What is less than a chunk has sent nothing so far, so the same bytes again store nothing.
    if (!(await this.#isGood(there, sha256, bytes))) {
      await this.#publish(sha256, { upload: upload.id, bytes, sequences: await upload.finish() }, there)
    }
    return stored(sha256, bytes)
  }

  async check(claimed: StoredArtifact, bytesMax: number): Promise<ArtifactCheck> {
    this.#connection.assertOpen()
    if (leadsOut(claimed.path)) return refuse('outside-root', `"${claimed.path}" is not a path of this store`)
    const sha256 = digestAt(claimed.path)
    const manifest = sha256 === null ? null : await this.#manifestOf(sha256)
    if (manifest === null) return refuse('missing', `there is nothing at "${claimed.path}"`)
    const { bytes } = manifest
    if (bytes > bytesMax) return refuse('too-large', `it has ${bytes} bytes; at most ${bytesMax} are allowed`)
    if (bytes !== claimed.bytes) return refuse('wrong-size', `it has ${bytes} bytes, not ${claimed.bytes}`)
    const found = await this.#digest(manifest)
    if (found === null) return refuse('missing', 'some of its bytes are gone from the stream')
    if (found.bytes !== bytes) return refuse('wrong-size', `it has ${found.bytes} bytes, not ${bytes}`)
    if (found.sha256 !== claimed.sha256) return refuse('wrong-digest', `its bytes have the sha256 ${found.sha256}`)
    return { ok: true, artifact: stored(found.sha256, bytes) }
  }

  async *read({ sha256, bytes }: StoredArtifact): AsyncGenerator<Uint8Array> {
    this.#connection.assertOpen()
    const manifest = digestForm.test(sha256) ? await this.#manifestOf(sha256) : null
    if (manifest === null) throw missing(sha256, 'is none')
    if (manifest.bytes !== bytes) throw missing(sha256, 'was damaged')
    const hash = createHash('sha256')
    for await (const chunk of this.#chunks(manifest)) {
      if (chunk === null) throw missing(sha256, 'was damaged')
      hash.update(chunk)
      // What came is a piece of a larger buffer.
      yield Uint8Array.from(chunk)
    }
    if (hash.digest('hex') !== sha256) throw missing(sha256, 'was damaged')
  }

  /**
   * Writes under the digest where its bytes are: unless somebody else has stored them meanwhile, and in the place of
   * damaged ones. Whether a write whose answer was lost has taken effect, the next look tells.
   */
  async #publish(sha256: string, manifest: ArtifactManifest, found: Found | null): Promise<void> {
    const doing = `Storing the artifact ${sha256}`
    const giveUpAt = performance.now() + this.#connection.requestTimeoutMs
    let there = found
    for (let tried = 1; ; tried++) {
      const given = headers()
      given.set('Nats-Expected-Last-Subject-Sequence', String(there?.seq ?? 0))
      try {
        const subject = this.#names.artifactSubject(sha256)
        await this.#connection.publish(subject, writeManifest(manifest), { doing, headers: given })
        return
      } catch (error) {
        if (!isWorthALook(error)) throw error
        there = await this.#find(sha256)
        if (there?.manifest?.upload === manifest.upload) return
        if (await this.#isGood(there, sha256, manifest.bytes)) return
        if (tried === triesMax || performance.now() > giveUpAt) throw error
      }
    }
  }

  /** Whether these bytes are stored, read and hashed. */
  async #isGood(found: Found | null, sha256: string, bytes: number): Promise<boolean> {
    if (found?.manifest?.bytes !== bytes) return false
    return (await this.#digest(found.manifest))?.sha256 === sha256
  }

  async #manifestOf(sha256: string): Promise<ArtifactManifest | null> {
    return (await this.#find(sha256))?.manifest ?? null
  }

  async #find(sha256: string): Promise<Found | null> {
    const wanted = { lastOf: this.#names.artifactSubject(sha256) }
    const message = await getMessage(this.#connection, this.#stream, wanted, `Looking for the artifact ${sha256}`)
    return message === null ? null : { seq: message.seq, manifest: readManifest(message) }
  }

  async #digest(manifest: ArtifactManifest): Promise<{ sha256: string; bytes: number } | null> {
    const hash = createHash('sha256')
    let bytes = 0
    for await (const chunk of this.#chunks(manifest)) {
      if (chunk === null) return null
      hash.update(chunk)
      bytes += chunk.length
    }
    return { sha256: hash.digest('hex'), bytes }
  }

  #chunks(manifest: ArtifactManifest): AsyncGenerator<Uint8Array | null> {
    return readChunks(this.#connection, this.#stream, this.#names.chunksSubject(manifest.upload), manifest)
  }
}

const pathOf = (sha256: string): string => `sha256/${sha256.slice(0, 2)}/${sha256}`

const stored = (sha256: string, bytes: number): StoredArtifact => ({ path: pathOf(sha256), sha256, bytes })

/** What would lead out of a folder. There is none here, but the answer must not differ between adapters. */
const leadsOut = (path: string): boolean =>
  path.startsWith('/') || path.includes('\\') || path.split('/').includes('..')

/** The digest in a path of ours, exactly as we write it: there are no others. */
function digestAt(path: string): string | null {
  const sha256 = path.slice(-64)
  return digestForm.test(sha256) && path === pathOf(sha256) ? sha256 : null
}

type Refusal = Extract<ArtifactCheck, { ok: false }>

const refuse = (reason: Refusal['reason'], detail: string): Refusal => ({ ok: false, reason, detail })

/** It may have been stored, or somebody else's write was. */
const isWorthALook = (error: unknown): boolean =>
  isApiFailure(error, apiCodes.wrongLastSequence) ||
  isNatsFailure(error, 'timeout') ||
  isNatsFailure(error, 'disconnected')

const tooLarge = (bytesMax: number): RepriseError =>
  new RepriseError(
    'ARTIFACT_TOO_LARGE',
    `The artifact has more than ${bytesMax} bytes and is not kept. Split it, or raise the limit: policy, and artifactBytesMax of openNats.`,
    { details: { bytesMax } },
  )

const missing = (sha256: string, what: string): RepriseError =>
  new RepriseError('ARTIFACT_MISSING', `The artifact ${sha256.slice(0, 64)} ${what}. Let its task be done again.`, {
    details: { sha256 },
  })

const notBytes = (chunk: unknown): RepriseError =>
  new RepriseError('INVALID_INPUT', `An artifact is made of bytes, not of ${typeof chunk}. Put chunks of Uint8Array.`)
