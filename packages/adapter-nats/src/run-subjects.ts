import { setTimeout as delay } from 'node:timers/promises'
import type { RunId } from '@reprise/core/adapter'
import { KnownEntries, mayFollow, regression } from './known-entries.js'
import { type CommitEntry, type LogEntry, readEntry } from './log-entry.js'
import type { Names } from './names.js'
import type { NatsConnection } from './nats-connection.js'
import { getMessage, type ReadableStream, type StoredMessage } from './stored-message.js'

export interface Found<Entry extends LogEntry = LogEntry> {
  readonly entry: Entry
  readonly message: StoredMessage
}

/** After a change of leaders a replica may be behind for a moment: it is asked again before anything is claimed. */
const regressionChecks = 4
const regressionWaitMs = 150

/** What the log stream holds of each run, one message at a time; and that it never holds less than before. */
export class RunSubjects {
  readonly known = new KnownEntries()
  /** Events of the stream that were told: it may have been made again. */
  #events = 0
  #listens = false
  readonly #connection: NatsConnection
  readonly #names: Names
  readonly #stream: ReadableStream

  constructor(connection: NatsConnection, names: Names, direct: boolean) {
    this.#connection = connection
    this.#names = names
    this.#stream = { stream: names.logStream, direct }
  }

  /**
   * While it stays the same, so does the stream: the connection was not lost, so the server was not started again with
   * an older store; and no server told that the stream was deleted, made or restored. An append compares sequences,
   * which another history has as well, so it must build on what was seen at this age.
   */
  get age(): number {
    return this.#connection.losses + this.#events
  }

  /** From the first write on: the server tells what is done to the stream, and it counts as another age. */
  listen(): void {
    if (this.#listens) return
    this.#listens = true
    // It is also called if this user may not listen, once.
    const callback = (): void => void this.#events++
    this.#connection.client.subscribe(this.#names.logEvents, { callback })
  }

  /** The newest entry that was seen, if an append may build on it. */
  trusted(runId: RunId): LogEntry | undefined {
    return this.known.seenAt(runId, this.age)
  }

  /** The newest entry, from the server: one round trip; a second one if others have written since we looked. */
  async newest(runId: RunId): Promise<Found | null> {
    for (let check = 1; ; check++) {
      const { age } = this
      // What was known when the question was put: the answer may be older than what is known when it comes.
      const known = this.known.get(runId)
      const found = await this.#get(runId, { lastOf: this.#names.logSubject(runId) })
      if (known === undefined || (await this.#follows(runId, known, found))) {
        if (found !== null) this.known.note(runId, found.entry, age)
        return found
      }
      this.known.distrust(runId)
      if (check === regressionChecks) throw regression(runId, this.#stream.stream, known, found?.entry ?? null)
      await delay(regressionWaitMs)
      this.#connection.assertOpen()
    }
  }

  /** The commit with that index, in the life whose newest commit is `last`. About log(n) round trips, mostly few. */
  async find(runId: RunId, index: number, last: CommitEntry): Promise<Found<CommitEntry> | null> {
    let below = { seq: last.life, index: -1 }
    let above = { seq: last.seq + 1, index: last.index + 1 }
    for (let step = 0; above.seq - below.seq > 1; step++) {
      const seq = guess(index, below, above, step)
      const found = await this.#get(runId, { firstOf: this.#names.logSubject(runId), fromSeq: seq })
      if (found === null || found.entry.kind !== 'commit' || found.entry.life !== last.life) return null
      if (found.entry.index === index) return { entry: found.entry, message: found.message }
      if (found.entry.index < index) below = found.entry
      else above = { seq, index: found.entry.index }
    }
    return null
  }

  async #follows(runId: RunId, known: LogEntry, found: Found | null): Promise<boolean> {
    if (!mayFollow(known, found?.entry ?? null)) return false
    if (found?.entry.seq === known.seq) return true
    // Others have gone on, or it is another stream: what was known must still be where it was.
    const still = await this.#get(runId, { firstOf: this.#names.logSubject(runId), fromSeq: known.seq })
    return still !== null && still.entry.seq === known.seq && mayFollow(known, still.entry)
  }

  async #get(runId: RunId, wanted: Parameters<typeof getMessage>[2]): Promise<Found | null> {
    const message = await getMessage(this.#connection, this.#stream, wanted, `Reading the log of run ${runId}`)
    return message === null ? null : { message, entry: readEntry(message, runId) }
  }
}

interface Bound {
  readonly seq: number
  readonly index: number
}

/** Indexes grow with sequences, nearly evenly as a rule; every other step halves the range, whatever the rule. */
function guess(index: number, below: Bound, above: Bound, step: number): number {
  const span = above.seq - below.seq
  const share = step % 2 === 0 ? (index - below.index - 0.5) / (above.index - below.index) : 0.5
  return Math.min(above.seq - 1, Math.max(below.seq + 1, below.seq + Math.floor(span * share)))
}
