import type { Adapter } from '../ports/adapter.js'
import type { ArtifactStore } from '../ports/artifact-store.js'
import type { RunSummaries } from '../ports/run-summaries.js'
import type { SnapshotStore } from '../ports/snapshot-store.js'
import { systemRuntime } from '../runtime/system-runtime.js'
import { memoryArtifacts } from './memory-artifacts.js'
import { MemoryBackend } from './memory-backend.js'
import { memoryInbox } from './memory-inbox.js'
import { memoryLeases } from './memory-leases.js'
import { memoryLog } from './memory-log.js'
import { MemoryProcess, type MortalRuntime } from './memory-process.js'
import { memoryQueue } from './memory-queue.js'
import { memorySnapshots } from './memory-snapshots.js'
import { memorySummaries } from './memory-summaries.js'

export interface MemoryAdapterOptions {
  /** Default: one of its own. */
  readonly backend?: MemoryBackend
  /** Default: the real clock. */
  readonly runtime?: MortalRuntime
}

/** An adapter stands for the process that opened it: several over one backend are several processes. */
export interface MemoryAdapter extends Adapter {
  readonly artifacts: ArtifactStore
  readonly snapshots: SnapshotStore
  readonly summaries: RunSummaries
  /**
   * As SIGKILL: its calls, handlers and, with a simulated runtime, its timers never go on. `noticed` (default true)
   * says whether others see at once that it is gone; if not, its leases and claims have to run out.
   */
  kill(options?: { noticed?: boolean }): void
}

/** Every port in the simplest way that is right. Nothing outlives the process that holds the backend. */
export function memoryAdapter(options: MemoryAdapterOptions = {}): MemoryAdapter {
  const backend = options.backend ?? new MemoryBackend()
  const runtime = options.runtime ?? systemRuntime
  const process = new MemoryProcess(
    runtime,
    (call) => backend.intercept(call),
    () => backend.lanes.giveBackLost(runtime.now()),
  )
  return {
    name: 'memory',
    log: memoryLog(backend.runs, process, (runId) => {
      backend.snapshots.delete(runId)
      backend.summaries.delete(runId)
    }),
    leases: memoryLeases(backend.leases, process),
    queue: memoryQueue(backend.lanes, process, () => backend.choose),
    inbox: memoryInbox(backend.inboxes, process, () => backend.choose),
    artifacts: memoryArtifacts(backend.files, process),
    snapshots: memorySnapshots(backend.snapshots, backend.runs, process),
    summaries: memorySummaries(backend.summaries, backend.runs, process),
    diagnose: () =>
      process.call('adapter', 'diagnose', null, () => ({
        adapter: 'memory',
        durable: 'nothing',
        findings: [
          {
            name: 'not-durable',
            level: 'warning',
            message: 'Everything is lost when this process ends.',
            remedy: 'Use it for tests; use another adapter for work.',
          },
        ],
      })),
    close: () => process.close(),
    kill: ({ noticed = true } = {}) => process.die(noticed),
  }
}
