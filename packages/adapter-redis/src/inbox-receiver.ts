import { type InboxHandler, type InboxMessage, isRepriseError, type RunId } from '@reprise/core/adapter'
import type { AdapterParts } from './adapter-parts.js'
import { readInboxEntry } from './inbox-entry.js'
import { reviveScript } from './inbox-scripts.js'
import { InboxTrim } from './inbox-trim.js'
import { pause } from './pause.js'
import { RedisConnection } from './redis-connection.js'
import { asArray, asBuffer, asText, strictText } from './redis-reply.js'
import { compareIds, streamStart } from './stream-id.js'

/** So often a silent stream is read from its start. Milliseconds. */
const blockMs = 2_000
/** Messages in one batch; fewer if they are large. The reply is in memory whole. */
const countMax = 128
const countMin = 4
const batchBytes = 4 * 1024 * 1024
const retryMs = 20
const retryMsMax = 2_000

interface Batch {
  readonly messages: readonly InboxMessage[]
  /** Of its entries, those that are no messages included. Empty: nothing came. */
  readonly ids: readonly string[]
}

/**
 * Hands the messages for one run to a handler, batch after batch, until it is ended. The next batch is read while the
 * handler works; what was handled is removed behind its back. So the stream holds what is not acknowledged, and whoever
 * comes next reads it from its start.
 */
export class InboxReceiver {
  readonly #key: string
  readonly #handler: InboxHandler
  readonly #ended: AbortSignal
  /** Of its own: a read that waits keeps its connection busy. */
  readonly #connection: RedisConnection
  readonly #trim: InboxTrim
  #position = streamStart
  #count = countMax

  constructor(parts: AdapterParts, runId: RunId, handler: InboxHandler, ended: AbortSignal) {
    this.#key = parts.keys.inbox(runId)
    this.#handler = handler
    this.#ended = ended
    this.#connection = new RedisConnection(parts.endpoint, parts.commandTimeoutMs)
    this.#trim = new InboxTrim(parts.connection, this.#key)
  }

  async run(): Promise<void> {
    const end = (): void => this.#connection.close()
    this.#ended.addEventListener('abort', end, { once: true })
    if (this.#ended.aborted) end()
    try {
      await this.#handOver()
    } finally {
      this.#ended.removeEventListener('abort', end)
      end()
      await this.#trim.finish()
    }
  }

  async #handOver(): Promise<void> {
    const behind = await this.#lastId()
    if (behind === null) return
    let caughtUp = behind === streamStart
    if (caughtUp && !(await this.#deliver([], true))) return
    let told = caughtUp
    let next = this.#readAhead()
    while (!this.#ended.aborted) {
      const { messages, ids } = await next
      if (this.#ended.aborted) return
      if (this.#trim.hasFoundMore()) {
        // The server had forgotten the stream, and its clock is behind. Nothing of this batch is lost: it is read again.
        this.#position = streamStart
        next = this.#readAhead()
        continue
      }
      const last = ids.at(-1)
      if (last !== undefined) this.#position = last
      else await this.#onSilence()
      next = this.#readAhead()
      caughtUp ||= last === undefined || compareIds(last, behind) >= 0
      if (messages.length > 0 || (caughtUp && !told)) {
        if (!(await this.#deliver(messages, caughtUp))) return
        told ||= caughtUp
      }
      if (ids.length > 0) this.#trim.remove(ids)
    }
  }

  /**
   * Everything was handed over. Once it is removed as well, whatever is there was put below that position, by a server
   * that has forgotten, or whose clock is behind. Reading from the start waits like reading from the end if it is empty.
   */
  async #onSilence(): Promise<void> {
    if (!this.#trim.idle) return this.#trim.again()
    this.#position = streamStart
    await this.#patiently(() => this.#connection.script(reviveScript, [this.#key], []))
  }

  /** The same batch until it is taken. `false`: ended before. */
  async #deliver(messages: readonly InboxMessage[], caughtUp: boolean): Promise<boolean> {
    for (let waitMs = retryMs; !this.#ended.aborted; waitMs = Math.min(waitMs * 2, retryMsMax)) {
      try {
        await this.#handler(messages, caughtUp)
        return true
      } catch {
        await pause(waitMs, this.#ended)
      }
    }
    return false
  }

  /** Id of the newest message, or that of the start if there is none; `null`: ended before. */
  async #lastId(): Promise<string | null> {
    const reply = await this.#patiently(async () => {
      const looking = this.#connection.call('XREVRANGE', [this.#key, '+', '-', 'COUNT', 1])
      // Somebody cares for this run: what was sent before it was opened stays.
      const [newest] = await Promise.all([looking, this.#connection.call('PERSIST', [this.#key])])
      return newest
    })
    if (reply === ended) return null
    const [entry] = asArray(reply)
    return entry === undefined ? streamStart : asText(asArray(entry)[0])
  }

  #readAhead(): Promise<Batch> {
    const batch = this.#read()
    batch.catch(() => undefined) // Told when its turn comes, if it comes.
    return batch
  }

  /** Waits for messages behind the position. Never rejects for want of a server: that comes back. */
  async #read(): Promise<Batch> {
    const from = this.#position
    const args = ['COUNT', this.#count, 'BLOCK', blockMs, 'STREAMS', this.#key, from]
    const reply = await this.#patiently(() => this.#connection.call('XREAD', args, { blockMs }))
    if (reply === null || reply === ended) return { messages: [], ids: [] }
    const entries = asArray(asArray(reply)[1]).map(asArray)
    const messages: InboxMessage[] = []
    const ids: string[] = []
    let bytes = 0
    for (const [id, fields] of entries) {
      ids.push(asText(id))
      const value = asBuffer(asArray(fields)[1])
      bytes += value.length
      const text = strictText(value)
      const message = text === null ? null : readInboxEntry(text)
      // What is no message is nobody's, and goes with the others.
      if (message !== null) messages.push(message)
    }
    const average = bytes / entries.length
    this.#count = Math.max(countMin, Math.min(countMax, Math.floor(batchBytes / average)))
    return { messages, ids }
  }

  async #patiently(call: () => Promise<unknown>): Promise<unknown> {
    while (!this.#ended.aborted) {
      try {
        return await call()
      } catch (error) {
        if (this.#ended.aborted) break
        // What no waiting can help is told, and ends the receiver.
        if (!isRepriseError(error, 'ADAPTER_UNAVAILABLE')) throw error
        await pause(retryMs, this.#ended)
      }
    }
    return ended
  }
}

/** Instead of a reply, when the receiver was ended. */
const ended = Symbol('ended')
