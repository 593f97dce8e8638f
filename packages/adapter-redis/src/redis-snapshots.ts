import { randomBytes } from 'node:crypto'
import { RepriseError, type RunId, type SnapshotStore, snapshotWithoutLog } from '@reprise/core/adapter'
import type { AdapterParts } from './adapter-parts.js'
import { addPieceScript } from './artifact-scripts.js'
import { asArray, asText } from './redis-reply.js'
import { keepSnapshotScript } from './snapshot-scripts.js'

/** An upload that nobody goes on with is gone after this time. */
const abandonedMs = 3600 * 1000
/** Pieces that are asked for at once: some megabytes at most. */
const piecesAtOnce = 8

/** The snapshot of each run beside its log: a hash of its pieces, made under another name and renamed once it is whole. */
export class RedisSnapshots implements SnapshotStore {
  readonly #parts: AdapterParts

  constructor(parts: AdapterParts) {
    this.#parts = parts
  }

  async *load(runId: RunId): AsyncGenerator<string> {
    const { connection, keys, lifetime } = this.#parts
    for (let first = 0; ; first += piecesAtOnce) {
      lifetime.assertOpen()
      const numbers = Array.from({ length: piecesAtOnce }, (_, n) => first + n)
      const pieces = asArray(await connection.call('HMGET', [keys.snapshot(runId), ...numbers]))
      for (const piece of pieces) {
        if (piece === null) return
        yield asText(piece)
      }
    }
  }

  async save(runId: RunId, pieces: AsyncIterable<string>): Promise<void> {
    const { connection, keys, lifetime } = this.#parts
    lifetime.assertOpen()
    const uploadId = randomBytes(16).toString('hex')
    const upload = keys.snapshotUpload(runId, uploadId)
    let count = 0
    try {
      for await (const piece of pieces) {
        lifetime.assertOpen()
        await connection.script(addPieceScript, [upload], [count++, piece, abandonedMs])
      }
      const kept = [keys.head(runId), keys.snapshot(runId), upload]
      const status = asText(await connection.script(keepSnapshotScript, kept, [count, uploadId]))
      if (status === 'unknown') throw snapshotWithoutLog(runId)
      if (status === 'lost') throw expired(runId)
    } catch (error) {
      // What cannot be removed now runs out.
      if (count > 0) await connection.call('UNLINK', [upload]).catch(() => undefined)
      throw error
    }
  }
}

const expired = (runId: RunId): RepriseError =>
  new RepriseError(
    'ADAPTER_UNAVAILABLE',
    `Keeping the snapshot of run ${runId} took so long that the server has forgotten its first pieces. The one before was kept.`,
    { details: { runId } },
  )
