import type { RunId } from '@reprise/core/adapter'
import type { AdapterParts } from './adapter-parts.js'
import { asArray, asText } from './redis-reply.js'

const pageSize = 512

/**
 * Which runs there may be: a sorted set on a slot of its own, since no script reaches all of a cluster. Whether there
 * is one is decided by its log alone.
 */
export class RunRegistry {
  readonly #parts: AdapterParts

  constructor(parts: AdapterParts) {
    this.#parts = parts
  }

  /**
   * Runs the first append between two registrations, all in one round trip. Before: a crash in between leaves a name
   * without a log, never a log without a name. After: `forget` may take the first one away meanwhile.
   */
  async around<T>(runId: RunId, append: () => Promise<T>): Promise<T> {
    const [, result] = await Promise.all([this.#add(runId), append(), this.#add(runId)])
    return result
  }

  /** Names of runs that may have a log, a round trip for each page. */
  async *pages(prefix: string): AsyncGenerator<string[]> {
    const { connection, keys } = this.#parts
    // No UTF-8 text has a byte of 255.
    const end = Buffer.concat([Buffer.from(`(${prefix}`), Buffer.from([0xff])])
    for (let from = `[${prefix}`; ; ) {
      const reply = await connection.call('ZRANGE', [keys.runs, from, end, 'BYLEX', 'LIMIT', 0, pageSize])
      const names = asArray(reply).map(asText)
      yield names
      const last = names.at(-1)
      if (last === undefined || names.length < pageSize) return
      from = `(${last}`
    }
  }

  /** A page of names, and one round trip for a look at all of their logs. */
  async *list(prefix: string): AsyncGenerator<RunId> {
    const { connection, keys, lifetime } = this.#parts
    for await (const names of this.pages(prefix)) {
      const found = await Promise.all(names.map((name) => connection.call('EXISTS', [keys.log(name)])))
      for (const [i, name] of names.entries()) {
        lifetime.assertOpen()
        if (found[i] === 1) yield name as RunId
      }
    }
  }

  /** After a log was removed. Somebody may have begun another under that name: then it stays. */
  async forget(runId: RunId): Promise<void> {
    const { connection, keys } = this.#parts
    await connection.call('ZREM', [keys.runs, runId])
    if ((await connection.call('EXISTS', [keys.log(runId)])) === 1) await this.#add(runId)
  }

  #add(runId: RunId): Promise<unknown> {
    return this.#parts.connection.call('ZADD', [this.#parts.keys.runs, 0, runId])
  }
}
