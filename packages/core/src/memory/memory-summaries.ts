import type { LogHead } from '../log/commit-record.js'
import type { RunSummaries, SummarizedRun } from '../ports/run-summaries.js'
import type { RunId } from '../protocol/ids.js'
import type { MemoryRuns } from './memory-log.js'
import type { MemoryProcess } from './memory-process.js'

/** What several adapters share: the newest summary of each run, and hash of the commit that it was put for. */
export type MemorySummaries = Map<RunId, { readonly hash: string; readonly text: string }>

// Small, so that tests with a few runs see several batches.
const batchMax = 16

export function memorySummaries(kept: MemorySummaries, runs: MemoryRuns, process: MemoryProcess): RunSummaries {
  const headOf = (runId: RunId): string | undefined => runs.records.get(runId)?.at(-1)?.hash

  function put(runId: RunId, { hash }: LogHead, text: string): void {
    if (headOf(runId) === hash) kept.set(runId, { hash, text })
  }

  function lookAt(runId: RunId): SummarizedRun {
    const found = kept.get(runId)
    return { runId, summary: found?.hash === headOf(runId) ? (found?.text ?? null) : null }
  }

  async function* list(prefix = ''): AsyncIterable<SummarizedRun[]> {
    await process.pass('summaries', 'list', 'before', null)
    const ids = [...runs.records.keys()].filter((runId) => runId.startsWith(prefix))
    for (let first = 0; first < ids.length; first += batchMax) {
      yield ids.slice(first, first + batchMax).map(lookAt)
      await process.pass('summaries', 'list', 'after', null)
    }
  }

  return { put: (runId, head, text) => process.call('summaries', 'put', runId, () => put(runId, head, text)), list }
}
