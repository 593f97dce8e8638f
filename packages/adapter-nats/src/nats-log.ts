import {
  type CommitLog,
  type CommitRecord,
  checkRecord,
  checkRemovable,
  type LogHead,
  type RunId,
  readRecordShape,
  type StoredPiece,
} from '@reprise/core/adapter'
import { appendCommit, removeRun } from './append-commit.js'
import { CommitReader } from './commit-reader.js'
import { lastOfEach } from './last-of-each.js'
import { type CommitEntry, corrupt, readEntry, readText } from './log-entry.js'
import { decodeToken, type Names } from './names.js'
import type { NatsConnection } from './nats-connection.js'
import { RunSubjects } from './run-subjects.js'
import { storedMessages } from './stored-messages.js'

interface Newest {
  readonly entry: CommitEntry
  readonly text: string
}

/** One stream for all runs, one subject for each. */
export class NatsLog implements CommitLog {
  readonly #connection: NatsConnection
  readonly #names: Names
  readonly #direct: boolean
  readonly #runs: RunSubjects
  readonly #forget: (runId: RunId) => Promise<void>

  /** `forget` removes what else there is of a run that was removed. */
  constructor(connection: NatsConnection, names: Names, direct: boolean, forget: (runId: RunId) => Promise<void>) {
    this.#connection = connection
    this.#names = names
    this.#direct = direct
    this.#runs = new RunSubjects(connection, names, direct)
    this.#forget = forget
  }

  /** One round trip if this adapter made the append before it; else one more to find the head. */
  async append(runId: RunId, record: CommitRecord): Promise<void> {
    this.#connection.assertOpen()
    checkRecord(runId, record)
    await appendCommit(this.#connection, this.#names, this.#runs, runId, record)
  }

  /** One round trip; two if others have appended since the last one. */
  async head(runId: RunId): Promise<LogHead | null> {
    const last = await this.#newestCommit(runId)
    if (last === null) return null
    return { index: last.entry.index, hash: last.entry.hash }
  }

  /** Two round trips until the first batch, besides those to find an index in the middle; the rest is streamed. */
  async *read(runId: RunId, fromIndex = 0): AsyncGenerator<string[]> {
    const last = await this.#newestCommit(runId)
    if (last === null || fromIndex > last.entry.index) return
    if (fromIndex === last.entry.index) {
      yield [last.text]
      return
    }
    const reader = await this.#readerFrom(runId, fromIndex, last)
    try {
      for (;;) {
        const texts = await reader.next(this.#connection.ended)
        this.#connection.assertOpen()
        const surplus = Math.max(0, reader.nextIndex - (last.entry.index + 1))
        const wanted = surplus === 0 ? texts : texts.slice(0, -surplus)
        if (wanted.length > 0) yield wanted
        if (reader.nextIndex > last.entry.index) return
      }
    } finally {
      reader.close()
    }
  }

  async *watch(runId: RunId, fromIndex: number, signal: AbortSignal): AsyncGenerator<string[]> {
    this.#connection.assertOpen()
    if (signal.aborted) return
    const reader = await this.#readerFrom(runId, fromIndex, await this.#newestCommit(runId))
    try {
      for (;;) {
        const texts = await reader.nextPatiently(signal)
        if (signal.aborted || this.#connection.ended.aborted) return
        if (texts.length > 0) yield texts
      }
    } finally {
      reader.close()
    }
  }

  async *list(prefix = ''): AsyncGenerator<RunId> {
    for await (const { runId } of this.heads(prefix)) yield runId
  }

  /** The newest commit of each run that there is, by its header. One consumer, headers only. */
  async *heads(prefix = ''): AsyncGenerator<{ readonly runId: RunId; readonly entry: CommitEntry }> {
    this.#connection.assertOpen()
    const options = {
      stream: this.#names.logStream,
      filter: this.#names.logSubjects,
      headersOnly: true,
      doing: 'Listing runs',
    }
    for await (const message of lastOfEach(this.#connection, options)) {
      const runId = decodeToken(message.subject.slice(message.subject.lastIndexOf('.') + 1)) as RunId | null
      if (!runId?.startsWith(prefix)) continue
      const entry = readEntry(message, runId)
      if (entry.kind === 'commit') yield { runId, entry }
    }
  }

  /** Nobody may purge the stream: the run is hidden behind a removal, and its space comes back with the stream's. */
  async remove(runId: RunId): Promise<void> {
    this.#connection.assertOpen()
    this.#runs.listen()
    const { age } = this.#runs
    const last = await this.#newestCommit(runId)
    checkRemovable(runId, last?.text)
    await removeRun(this.#connection, this.#names, this.#runs, runId, last.entry, age)
    // The run is gone by now. Messages that stay behind are in nobody's way.
    await this.#forget(runId).catch(() => {})
  }

  async *stored(runId: RunId): AsyncGenerator<StoredPiece> {
    this.#connection.assertOpen()
    const subject = this.#names.logSubject(runId)
    yield* storedMessages(this.#connection, { stream: this.#names.logStream, direct: this.#direct }, subject, runId)
  }

  /** `LOG_CORRUPT` if what its header says is not what its text is: what is done next hangs on the header. */
  async #newestCommit(runId: RunId): Promise<Newest | null> {
    this.#connection.assertOpen()
    const found = await this.#runs.newest(runId)
    if (found === null || found.entry.kind === 'removal') return null
    const { entry, message } = found
    const text = readText(message, entry.index, runId)
    if (readRecordShape(text)?.hash === entry.hash) return { entry, text }
    throw corrupt(runId, `message ${entry.seq} is said to be another commit ${entry.index} than it is`)
  }

  async #readerFrom(runId: RunId, fromIndex: number, last: Newest | null): Promise<CommitReader> {
    return new CommitReader(this.#connection, this.#names, this.#runs, runId, {
      ...(await this.#placeOf(runId, fromIndex, last)),
      fromIndex,
    })
  }

  /** From where to read, so that nothing with `fromIndex` or a higher index is missed. */
  async #placeOf(runId: RunId, fromIndex: number, last: Newest | null): Promise<{ seq: number; index: number }> {
    if (last === null) {
      const removedAt = this.#runs.known.get(runId)?.seq ?? 0
      return { seq: removedAt + 1, index: 0 }
    }
    const { index, seq, life } = last.entry
    if (fromIndex > index) return { seq: seq + 1, index: index + 1 }
    const found = fromIndex === 0 ? null : await this.#runs.find(runId, fromIndex, last.entry)
    return found === null ? { seq: life + 1, index: 0 } : found.entry
  }
}
