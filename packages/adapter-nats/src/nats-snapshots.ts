import { StringDecoder } from 'node:string_decoder'
import { type LogHead, type RunId, type SnapshotStore, snapshotWithoutLog } from '@reprise/core/adapter'
import { type ArtifactManifest, readManifest, writeManifest } from './artifact-manifest.js'
import { ChunkUpload } from './chunk-upload.js'
import type { Names } from './names.js'
import type { NatsConnection } from './nats-connection.js'
import { readChunks } from './read-chunks.js'
import { getMessage, type ReadableStream } from './stored-message.js'

/** Chunks in a stream, and for each run a newest manifest that says which of them are its snapshot. */
export class NatsSnapshots implements SnapshotStore {
  readonly #connection: NatsConnection
  readonly #names: Names
  readonly #stream: ReadableStream
  readonly #head: (runId: RunId) => Promise<LogHead | null>

  /** `head` looks whether a run has a log. */
  constructor(
    connection: NatsConnection,
    names: Names,
    direct: boolean,
    head: (runId: RunId) => Promise<LogHead | null>,
  ) {
    this.#connection = connection
    this.#names = names
    this.#stream = { stream: names.snapshotsStream, direct }
    this.#head = head
  }

  /** One round trip, and one for each 256 KiB, four on their way at once. */
  async *load(runId: RunId): AsyncGenerator<string> {
    this.#connection.assertOpen()
    const manifest = await this.#newest(runId)
    if (manifest === null) return
    const decoder = new StringDecoder('utf8')
    const subject = this.#names.snapshotChunksSubject(runId, manifest.upload)
    for await (const chunk of readChunks(this.#connection, this.#stream, subject, manifest)) {
      if (chunk === null) return
      yield decoder.write(Buffer.from(chunk))
    }
  }

  /** One round trip for each 256 KiB, four on their way at once, and six. */
  async save(runId: RunId, pieces: AsyncIterable<string>): Promise<void> {
    this.#connection.assertOpen()
    const upload = new ChunkUpload(this.#connection, `the snapshot of run ${runId}`, (id) =>
      this.#names.snapshotChunksSubject(runId, id),
    )
    let mayBeNewest = false
    try {
      for await (const piece of pieces) {
        this.#connection.assertOpen()
        await upload.write(Buffer.from(piece))
      }
      const manifest = { upload: upload.id, bytes: upload.bytes, sequences: await upload.finish() }
      const before = await this.#newest(runId)
      if ((await this.#head(runId)) === null) throw snapshotWithoutLog(runId)
      const doing = `Keeping the snapshot of run ${runId}`
      mayBeNewest = true
      await this.#connection.publish(this.#names.snapshotSubject(runId), writeManifest(manifest), { doing })
      if (before !== null) await this.#discard(runId, before.upload)
      await this.#purge(this.#names.snapshotSubject(runId), doing, { keep: 1 }).catch(() => {})
    } catch (error) {
      // Its manifest may be stored although nobody said so: then these chunks are the snapshot.
      if (!mayBeNewest) await this.#discard(runId, upload.id)
      throw error
    }
    // A removal between the look and the publishing took along only what was there before.
    if ((await this.#head(runId)) !== null) return
    await this.forget(runId)
    throw snapshotWithoutLog(runId)
  }

  /** Purges what a run that is being removed has left. */
  async forget(runId: RunId): Promise<void> {
    await this.#purge(this.#names.snapshotsOf(runId), `Removing the snapshot of run ${runId}`)
  }

  async #newest(runId: RunId): Promise<ArtifactManifest | null> {
    const wanted = { lastOf: this.#names.snapshotSubject(runId) }
    const message = await getMessage(this.#connection, this.#stream, wanted, `Looking for the snapshot of run ${runId}`)
    return message === null ? null : readManifest(message)
  }

  /** What cannot be removed now goes with its age. */
  async #discard(runId: RunId, upload: string): Promise<void> {
    const subject = this.#names.snapshotChunksSubject(runId, upload)
    await this.#purge(subject, `Removing chunks of a snapshot of run ${runId}`).catch(() => {})
  }

  async #purge(filter: string, doing: string, range: { keep?: number } = {}): Promise<void> {
    await this.#connection.api(`STREAM.PURGE.${this.#names.snapshotsStream}`, { filter, ...range }, { doing })
  }
}
