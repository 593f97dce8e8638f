import type { LogHead, RunId, RunSummaries, SummarizedRun } from '@reprise/core/adapter'
import type { AdapterParts } from './adapter-parts.js'
import { asArray, asText } from './redis-reply.js'
import type { RunRegistry } from './run-registry.js'
import { putSummaryScript, readSummaryScript } from './summary-scripts.js'

/** The summary of each run beside its log: a hash with the text, and the hash of the commit that it is of. */
export class RedisSummaries implements RunSummaries {
  readonly #parts: AdapterParts
  readonly #registry: RunRegistry

  constructor(parts: AdapterParts, registry: RunRegistry) {
    this.#parts = parts
    this.#registry = registry
  }

  /** One round trip. */
  async put(runId: RunId, { index, hash }: LogHead, text: string): Promise<void> {
    const { connection, keys, lifetime } = this.#parts
    lifetime.assertOpen()
    await connection.script(putSummaryScript, [keys.head(runId), keys.summary(runId)], [index, hash, text])
  }

  /** Two round trips for 512 runs. */
  async *list(prefix = ''): AsyncGenerator<SummarizedRun[]> {
    this.#parts.lifetime.assertOpen()
    for await (const names of this.#registry.pages(prefix)) {
      const found = await Promise.all(names.map((name) => this.#lookAt(name)))
      this.#parts.lifetime.assertOpen()
      yield found.filter((run) => run !== null)
    }
  }

  /** `null`: there is no such run. */
  async #lookAt(name: string): Promise<SummarizedRun | null> {
    const { connection, keys } = this.#parts
    const reply = asArray(await connection.script(readSummaryScript, [keys.head(name), keys.summary(name)], []))
    if (reply.length === 0) return null
    return { runId: name as RunId, summary: reply.length === 1 ? null : asText(reply[1]) }
  }
}
