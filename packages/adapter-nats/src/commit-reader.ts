import { setTimeout as delay } from 'node:timers/promises'
import type { RunId } from '@reprise/core/adapter'
import { corrupt, readEntry, readText } from './log-entry.js'
import type { Names } from './names.js'
import type { NatsConnection } from './nats-connection.js'
import { apiCodes, isApiFailure, isNatsFailure } from './nats-failure.js'
import type { RunSubjects } from './run-subjects.js'
import type { StoredMessage } from './stored-message.js'
import { SubjectReader } from './subject-reader.js'

export interface ReadFrom {
  /** Where in the stream, and the index of the first commit there. */
  readonly seq: number
  readonly index: number
  /** Commits below are passed over. */
  readonly fromIndex: number
}

const retryAfterMs = 250

/** The texts of a run's commits, in order, and none missing. */
export class CommitReader {
  readonly #connection: NatsConnection
  readonly #runId: RunId
  readonly #messages: SubjectReader
  readonly #fromIndex: number
  #nextIndex: number
  #last: StoredMessage | null = null

  constructor(connection: NatsConnection, names: Names, runs: RunSubjects, runId: RunId, from: ReadFrom) {
    this.#connection = connection
    this.#runId = runId
    this.#fromIndex = from.fromIndex
    this.#nextIndex = from.index
    this.#messages = new SubjectReader(connection, {
      stream: names.logStream,
      filter: names.logSubject(runId),
      fromSeq: from.seq,
      doing: `Reading the log of run ${runId}`,
      restartFrom: async (nextSeq) => {
        // The stream must still hold what was read of it, not only what was there when reading began.
        if (this.#last !== null) runs.known.note(runId, readEntry(this.#last, runId))
        await runs.newest(runId)
        return nextSeq
      },
    })
  }

  /** The index behind the last commit that was read. */
  get nextIndex(): number {
    return this.#nextIndex
  }

  /** May be empty: what came was not asked for, or the signal aborted. */
  async next(signal: AbortSignal): Promise<string[]> {
    const texts: string[] = []
    for (const message of await this.#messages.next(signal)) {
      const text = this.#read(message)
      if (text !== null) texts.push(text)
      this.#last = message
    }
    return texts
  }

  /** As `next`, but waits while the server is away. A stream that is gone, or another one, is an error. */
  async nextPatiently(signal: AbortSignal): Promise<string[]> {
    try {
      return await this.next(signal)
    } catch (error) {
      if (signal.aborted || this.#connection.ended.aborted) return []
      if (!isNatsFailure(error) || error.kind === 'forbidden') throw error
      if (isApiFailure(error, apiCodes.streamNotFound)) throw error
      await delay(retryAfterMs, undefined, { signal: AbortSignal.any([signal, this.#connection.ended]) }).catch(
        () => {},
      )
      return []
    }
  }

  close(): void {
    this.#messages.close()
  }

  /** Headers are not looked at, for they cost more than the rest: the text has its index, and a removal has no text. */
  #read(message: StoredMessage): string | null {
    if (message.data.length === 0) {
      this.#readRemoval(message)
      return null
    }
    const text = readText(message, this.#nextIndex, this.#runId)
    this.#nextIndex++
    return this.#nextIndex <= this.#fromIndex ? null : text
  }

  /** Whoever goes on watching waits for the next life. */
  #readRemoval(message: StoredMessage): void {
    const { kind } = readEntry(message, this.#runId)
    if (kind === 'commit') throw corrupt(this.#runId, `message ${message.seq} is a commit without a text`)
    this.#nextIndex = 0
  }
}
