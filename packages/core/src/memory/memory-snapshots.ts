import { snapshotWithoutLog } from '../ports/snapshot-rules.js'
import type { SnapshotStore } from '../ports/snapshot-store.js'
import type { RunId } from '../protocol/ids.js'
import type { MemoryRuns } from './memory-log.js'
import type { MemoryProcess } from './memory-process.js'

/** What several adapters share: the pieces of each run's newest snapshot. */
export type MemorySnapshots = Map<RunId, readonly string[]>

export function memorySnapshots(kept: MemorySnapshots, runs: MemoryRuns, process: MemoryProcess): SnapshotStore {
  async function* load(runId: RunId): AsyncGenerator<string> {
    await process.pass('snapshots', 'load', 'before', runId)
    for (const piece of kept.get(runId) ?? []) {
      yield piece
      await process.pass('snapshots', 'load', 'after', runId)
    }
  }

  async function save(runId: RunId, source: AsyncIterable<string>): Promise<void> {
    await process.pass('snapshots', 'save', 'before', runId)
    const pieces: string[] = []
    for await (const piece of source) {
      // The process may be killed, or the call fail, between any two.
      await process.pass('snapshots', 'put', 'before', runId)
      pieces.push(piece)
    }
    await process.alive()
    if (!runs.records.has(runId)) throw snapshotWithoutLog(runId)
    kept.set(runId, pieces)
    await process.pass('snapshots', 'save', 'after', runId)
  }

  return { load, save }
}
