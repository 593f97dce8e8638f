import { isRepriseError, RepriseError, type RunId } from '@reprise/core/adapter'
import type { AdapterParts } from './adapter-parts.js'
import { type LogReader, missing, textOf } from './log-reader.js'
import { pause } from './pause.js'
import { RedisConnection } from './redis-connection.js'
import { asArray, asBuffer, asText } from './redis-reply.js'
import type { SeenHead } from './seen-heads.js'

/** So often it is checked that a log that says nothing is still there. Milliseconds. */
const blockMs = 2_000
/** After a failure that may pass. Milliseconds. */
const retryMs = 50
/** At most so many commits at once: the reply is in memory whole. */
const countMax = 16
/** Before the hash of the commit that a record follows. */
const prevField = ',"prev":"'
const prevEnd = prevField.length + 64

interface Waiter {
  readonly index: number
  readonly resolve: (texts: string[] | null) => void
  readonly reject: (error: unknown) => void
}

/** One connection that waits for the commits of one run. It remembers the last ones only. */
export class LogTail {
  readonly #parts: AdapterParts
  readonly #reader: LogReader
  readonly #runId: RunId
  readonly #connection: RedisConnection
  readonly #waiters = new Set<Waiter>()
  readonly #generation: number
  readonly #ended = new AbortController()
  /** Index of the commit it waits for: never beyond the one behind the head. */
  #index: number
  /** Hash of the commit before that. */
  #hash: string
  /** Those just before it. */
  #latest: string[] = []
  #watchers = 0
  #failure: unknown = null

  constructor(parts: AdapterParts, reader: LogReader, runId: RunId, head: SeenHead) {
    this.#parts = parts
    this.#reader = reader
    this.#runId = runId
    this.#generation = head.generation
    this.#index = head.index + 1
    this.#hash = head.hash
    this.#connection = new RedisConnection(parts.endpoint, parts.commandTimeoutMs)
    void this.#run()
  }

  get ended(): boolean {
    return this.#failure !== null
  }

  enter(): void {
    this.#watchers++
  }

  /** Whether that was the last one; then the connection is closed. */
  leave(): boolean {
    this.#watchers--
    if (this.#watchers === 0) this.close()
    return this.#watchers === 0
  }

  close(): void {
    this.#fail(closed)
  }

  /** Commits from `index` on, as soon as there are any; `null` if they have to be read, or `signal` aborted. */
  from(index: number, signal: AbortSignal): Promise<string[] | null> {
    if (signal.aborted) return Promise.resolve(null)
    if (this.#failure !== null) return this.#failure === closed ? Promise.resolve(null) : Promise.reject(this.#failure)
    if (index < this.#index) return Promise.resolve(this.#since(index))
    return new Promise((resolve, reject) => {
      const end = (): void => {
        signal.removeEventListener('abort', onAbort)
        this.#waiters.delete(waiter)
      }
      const waiter: Waiter = {
        index,
        resolve: (texts) => {
          end()
          resolve(texts)
        },
        reject: (error) => {
          end()
          reject(error)
        },
      }
      const onAbort = (): void => waiter.resolve(null)
      signal.addEventListener('abort', onAbort)
      this.#waiters.add(waiter)
    })
  }

  #since(index: number): string[] | null {
    const first = this.#index - this.#latest.length
    return index < first ? null : this.#latest.slice(index - first)
  }

  async #run(): Promise<void> {
    while (this.#failure === null) {
      try {
        await this.#wait()
      } catch (error) {
        // The connection comes back by itself; what cannot get better is told to those who watch.
        if (!isRepriseError(error, 'ADAPTER_UNAVAILABLE')) this.#fail(error)
        await pause(retryMs, this.#ended.signal)
      }
    }
  }

  async #wait(): Promise<void> {
    const { keys } = this.#parts
    const reply = await this.#connection.call(
      'XREAD',
      ['COUNT', countMax, 'BLOCK', blockMs, 'STREAMS', keys.log(this.#runId), `${this.#index}-0`],
      { blockMs },
    )
    if (reply === null) return await this.#check()
    const entries = asArray(asArray(reply)[1])
    // The log was removed and has begun anew, or was put back: whoever watches reads again, and finds out.
    if (!this.#follows(asArray(entries[0]))) return this.close()
    const texts = entries.map((entry, i) => this.#textOf(asArray(entry), this.#index + i))
    this.#index += texts.length
    this.#hash = hashIn(asBuffer(asArray(asArray(entries.at(-1))[1])[1]))
    this.#latest = texts
    for (const waiter of [...this.#waiters]) {
      if (waiter.index < this.#index) waiter.resolve(this.#since(waiter.index))
    }
  }

  /** A stream that was flushed, restored or removed is silent like one to which nobody appends. */
  async #check(): Promise<void> {
    const { head } = await this.#reader.look(this.#runId)
    // Whoever waits reads again, and finds out what that means for him.
    if (head.index >= this.#index || head.index < this.#index - 1) {
      this.#latest = []
      for (const waiter of [...this.#waiters]) waiter.resolve(null)
    }
  }

  /** Whether that is the commit behind the last one. */
  #follows(entry: readonly unknown[]): boolean {
    const bytes = asBuffer(asArray(entry[1])[1])
    // Quotes inside the fields before it are escaped, so the first match is the field.
    const at = bytes.indexOf(prevField)
    return (
      this.#hash === '' || at === -1 || bytes.toString('latin1', at + prevField.length, at + prevEnd) === this.#hash
    )
  }

  #textOf(entry: readonly unknown[], index: number): string {
    if (asText(entry[0]) !== `${index + 1}-0`) throw missing(this.#runId, index)
    const bytes = asBuffer(asArray(entry[1])[1])
    const text = textOf(this.#runId, index, bytes)
    this.#reader.note(this.#runId, { generation: this.#generation, index, hash: hashIn(bytes) })
    return text
  }

  #fail(error: unknown): void {
    if (this.#failure !== null) return
    this.#failure = error
    this.#ended.abort()
    this.#connection.close()
    for (const waiter of [...this.#waiters]) {
      if (error === closed) waiter.resolve(null)
      else waiter.reject(error)
    }
  }
}

/** That a record claims. */
const hashIn = (bytes: Buffer): string => bytes.toString('latin1', 9, 73)

/** Why a tail ended that nobody needs any more. */
const closed = new RepriseError('CLOSED', 'The Redis adapter was closed. Call openRedis again.')
