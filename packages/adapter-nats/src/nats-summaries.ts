import { headers } from '@nats-io/transport-node'
import type { LogHead, RunId, RunSummaries, SummarizedRun } from '@reprise/core/adapter'
import { onlyOfEach } from './last-of-each.js'
import { decodeToken, type Names } from './names.js'
import type { NatsConnection } from './nats-connection.js'
import type { NatsLog } from './nats-log.js'
import { newestSeqOf, type ReadableStream } from './stored-message.js'

/** Hash of the commit that a summary is of. */
const commitHeader = 'Reprise-Commit-Hash'
const batchMax = 256

/** A stream that keeps the newest message of each run: the text, and in a header the commit that it is of. */
export class NatsSummaries implements RunSummaries {
  readonly #connection: NatsConnection
  readonly #names: Names
  readonly #stream: ReadableStream
  readonly #log: NatsLog

  constructor(connection: NatsConnection, names: Names, direct: boolean, log: NatsLog) {
    this.#connection = connection
    this.#names = names
    this.#stream = { stream: names.summariesStream, direct }
    this.#log = log
  }

  /** Three round trips, four if others have written since we looked. */
  async put(runId: RunId, { hash }: LogHead, text: string): Promise<void> {
    this.#connection.assertOpen()
    if ((await this.#log.head(runId))?.hash !== hash) return
    const doing = `Keeping the summary of run ${runId}`
    const given = headers()
    given.set(commitHeader, hash)
    await this.#connection.publish(this.#names.summarySubject(runId), text, { doing, headers: given })
    // A removal between the look and the publishing took along only what was there before.
    if ((await this.#log.head(runId)) === null) await this.forget(runId)
  }

  /** Five round trips and two consumers; in memory, what is streamed last and a hash for each run. */
  async *list(prefix = ''): AsyncGenerator<SummarizedRun[]> {
    this.#connection.assertOpen()
    const heads = new Map<RunId, string>()
    for await (const { runId, entry } of this.#log.heads(prefix)) heads.set(runId, entry.hash)
    let batch: SummarizedRun[] = []
    for await (const { runId, hash, text } of this.#kept()) {
      if (heads.get(runId) !== hash) continue
      heads.delete(runId)
      batch.push({ runId, summary: text })
      if (batch.length < batchMax) continue
      yield batch
      this.#connection.assertOpen()
      batch = []
    }
    yield batch
    const others = [...heads.keys()]
    for (let first = 0; first < others.length; first += batchMax) {
      this.#connection.assertOpen()
      yield others.slice(first, first + batchMax).map((runId) => ({ runId, summary: null }))
    }
  }

  /** Purges that of a run that is being removed. */
  async forget(runId: RunId): Promise<void> {
    const filter = this.#names.summarySubject(runId)
    const doing = `Removing the summary of run ${runId}`
    await this.#connection.api(`STREAM.PURGE.${this.#names.summariesStream}`, { filter }, { doing })
  }

  async *#kept(): AsyncGenerator<{ runId: RunId; hash: string; text: string }> {
    const filter = this.#names.summariesSubjects
    const doing = 'Listing summaries of runs'
    const newestSeq = (): Promise<number> => newestSeqOf(this.#connection, this.#stream, filter, doing)
    const options = { stream: this.#stream.stream, filter, doing }
    for await (const { subject, headers: given, data } of onlyOfEach(this.#connection, options, newestSeq)) {
      const runId = decodeToken(subject.slice(subject.lastIndexOf('.') + 1)) as RunId | null
      const hash = given?.get(commitHeader) ?? ''
      if (runId !== null && hash !== '') yield { runId, hash, text: Buffer.from(data).toString() }
    }
  }
}
