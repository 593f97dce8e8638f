import type { LogHead, RunId, RunSummaries, SummarizedRun } from '@reprise/core/adapter'
import type { AdapterParts } from './adapter-parts.js'
import { asArray, asText } from './redis-reply.js'
import type { RunRegistry } from './run-registry.js'
import { putSummaryScript } from './summary-scripts.js'

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

  /** Three round trips for 512 runs: as many commands for each as the log's list, and two more. */
  async *list(prefix = ''): AsyncGenerator<SummarizedRun[]> {
    this.#parts.lifetime.assertOpen()
    for await (const runs of this.#registry.pages(prefix)) {
      const summaries = await Promise.all(runs.map((runId) => this.#summaryOf(runId)))
      this.#parts.lifetime.assertOpen()
      yield runs.map((runId, n) => ({ runId, summary: summaries[n] ?? null }))
    }
  }

  async #summaryOf(runId: RunId): Promise<string | null> {
    const { connection, keys } = this.#parts
    const [head, kept] = await Promise.all([
      connection.call('HMGET', [keys.head(runId), 'hash']),
      connection.call('HMGET', [keys.summary(runId), 'hash', 'text']),
    ])
    const [[newest], [hash, text]] = [asArray(head), asArray(kept)]
    if (newest == null || hash == null || text == null) return null
    return asText(newest) === asText(hash) ? asText(text) : null
  }
}
