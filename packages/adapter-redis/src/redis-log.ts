import {
  type CommitLog,
  type CommitRecord,
  checkRecord,
  checkRemovable,
  type LogHead,
  type RunId,
  type StoredPiece,
  versionConflict,
} from '@reprise/core/adapter'
import type { AdapterParts } from './adapter-parts.js'
import { LogReader } from './log-reader.js'
import { appendScript, removeScript } from './log-scripts.js'
import { LogTails } from './log-tails.js'
import { asArray, asNumber, asText } from './redis-reply.js'
import type { RunRegistry } from './run-registry.js'
import { logFailure, SeenHeads } from './seen-heads.js'

/** How long it can be told that a log was removed and not lost. */
const removedHeadMs = 30 * 24 * 3600 * 1000

/** One stream per run. Appending, looking and a piece of reading are one round trip each. */
export class RedisLog implements CommitLog {
  readonly #parts: AdapterParts
  readonly #seen = new SeenHeads()
  readonly #reader: LogReader
  readonly #tails: LogTails
  readonly #registry: RunRegistry

  constructor(parts: AdapterParts, registry: RunRegistry) {
    this.#parts = parts
    this.#reader = new LogReader(parts, this.#seen)
    this.#tails = new LogTails(parts, this.#reader)
    this.#registry = registry
  }

  async append(runId: RunId, record: CommitRecord): Promise<void> {
    this.#parts.lifetime.assertOpen()
    checkRecord(runId, record)
    const { connection, keys } = this.#parts
    const seen = this.#seen.of(runId)
    const append = (): Promise<unknown> =>
      connection.script(
        appendScript,
        [keys.log(runId), keys.head(runId)],
        [seen.generation, seen.index, seen.hash, record.index, record.hash, record.text],
      )
    const reply = asArray(await (record.index === 0 ? this.#registry.around(runId, append) : append()))
    const status = asText(reply[0])
    const head = { generation: asNumber(reply[1]), index: asNumber(reply[2]), hash: asText(reply[3]) }
    const failure = logFailure(status, runId, head, seen)
    if (failure !== null) throw failure
    this.#seen.note(runId, head)
    if (status === 'conflict') throw versionConflict(runId, record.index, head.index + 1)
  }

  async head(runId: RunId): Promise<LogHead | null> {
    this.#parts.lifetime.assertOpen()
    const { index, hash } = (await this.#reader.look(runId)).head
    return index === -1 ? null : { index, hash }
  }

  async *read(runId: RunId, fromIndex = 0): AsyncGenerator<string[]> {
    this.#parts.lifetime.assertOpen()
    yield* this.#reader.read(runId, fromIndex)
  }

  async *watch(runId: RunId, fromIndex: number, signal: AbortSignal): AsyncGenerator<string[]> {
    this.#parts.lifetime.assertOpen()
    yield* this.#tails.watch(runId, fromIndex, AbortSignal.any([signal, this.#parts.lifetime.ended]))
  }

  async *list(prefix = ''): AsyncGenerator<RunId> {
    this.#parts.lifetime.assertOpen()
    yield* this.#registry.list(prefix)
  }

  async remove(runId: RunId): Promise<void> {
    this.#parts.lifetime.assertOpen()
    const { connection, keys } = this.#parts
    for (let isFirst = true; ; isFirst = false) {
      const { head, last } = await this.#reader.last(runId)
      // Gone since the first look: by us, the reply having been lost, or by somebody else.
      if (last === null && !isFirst) break
      checkRemovable(runId, last)
      const removed = await connection.script(
        removeScript,
        [keys.log(runId), keys.head(runId), keys.inbox(runId), keys.snapshot(runId), keys.summary(runId)],
        [head.generation, head.index, head.hash, removedHeadMs],
      )
      if (removed !== 1) continue
      this.#seen.note(runId, { generation: head.generation + 1, index: -1, hash: '' })
      break
    }
    await this.#registry.forget(runId)
  }

  async *stored(runId: RunId): AsyncGenerator<StoredPiece> {
    this.#parts.lifetime.assertOpen()
    yield* this.#reader.stored(runId)
  }

  /** Ends the connections of watches. After the lifetime has ended. */
  close(): void {
    this.#tails.close()
  }
}
