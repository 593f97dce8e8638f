import {
  type CommitLog,
  type CommitRecord,
  closesRun,
  type LogHead,
  limits,
  RepriseError,
  type RunId,
  readRecordShape,
} from '@reprise/core/adapter'
import type { AdapterParts } from './adapter-parts.js'
import { LogReader } from './log-reader.js'
import { appendScript, removeScript } from './log-scripts.js'
import { LogTails } from './log-tails.js'
import { asArray, asNumber, asText } from './redis-reply.js'
import { RunRegistry } from './run-registry.js'
import { logFailure, SeenHeads } from './seen-heads.js'

/** What a line has around the commit: `{"hash":"…","commit":…}`. */
const envelopeBytes = 85
/** How long it can be told that a log was removed and not lost. */
const removedHeadMs = 30 * 24 * 3600 * 1000

/** One stream per run. Appending, looking and a piece of reading are one round trip each. */
export class RedisLog implements CommitLog {
  readonly #parts: AdapterParts
  readonly #seen = new SeenHeads()
  readonly #reader: LogReader
  readonly #tails: LogTails
  readonly #registry: RunRegistry

  constructor(parts: AdapterParts) {
    this.#parts = parts
    this.#reader = new LogReader(parts, this.#seen)
    this.#tails = new LogTails(parts, this.#reader)
    this.#registry = new RunRegistry(parts)
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
    if (status === 'conflict') throw conflict(runId, record.index, head.index + 1)
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
      if (head.index === -1 || last === null) {
        if (isFirst) throw unknownRun(runId)
        // Gone since the first look: by us, the reply having been lost, or by somebody else.
        break
      }
      if (!closesRun(last)) throw openRun(runId)
      const removed = await connection.script(
        removeScript,
        [keys.log(runId), keys.head(runId), keys.inbox(runId)],
        [head.generation, head.index, head.hash, removedHeadMs],
      )
      if (removed !== 1) continue
      this.#seen.note(runId, { generation: head.generation + 1, index: -1, hash: '' })
      break
    }
    await this.#registry.forget(runId)
  }

  /** Ends the connections of watches. After the lifetime has ended. */
  close(): void {
    this.#tails.close()
  }
}

function checkRecord(runId: RunId, record: CommitRecord): void {
  const bytes = Buffer.byteLength(record.text)
  if (bytes > limits.commitBytesMax + envelopeBytes) {
    throw new RepriseError(
      'TOO_LARGE',
      `Commit ${record.index} of run ${runId} has ${bytes} bytes; at most ${limits.commitBytesMax} are allowed. Split it.`,
      { details: { runId, index: record.index, bytes } },
    )
  }
  const shape = readRecordShape(record.text)
  if (shape === null || shape.index !== record.index || shape.hash !== record.hash) {
    throw new RepriseError(
      'INVALID_INPUT',
      `Commit ${record.index} of run ${runId} is not a record: its text must carry its index and hash. Make it with encodeCommit.`,
      { details: { runId, index: record.index } },
    )
  }
}

const conflict = (runId: RunId, index: number, length: number): RepriseError =>
  new RepriseError(
    'VERSION_CONFLICT',
    `Commit ${index} of run ${runId} was not appended: the run holds ${length} commits. Read what was appended, then decide again.`,
    { details: { runId, index, length } },
  )

const unknownRun = (runId: RunId): RepriseError =>
  new RepriseError('RUN_UNKNOWN', `There is no run ${runId}. Look for its id with list.`, { details: { runId } })

const openRun = (runId: RunId): RepriseError =>
  new RepriseError('RUN_OPEN', `Run ${runId} is still open. Complete or fail it before removing it.`, {
    details: { runId },
  })
