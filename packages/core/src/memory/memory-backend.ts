import type { CommitRecord } from '../log/commit-record.js'
import type { InboxMessage } from '../ports/inbox.js'
import type { RunId } from '../protocol/ids.js'
import type { MemoryFiles } from './memory-artifacts.js'
import type { Choose, Intercept } from './memory-faults.js'
import { MemoryInboxes } from './memory-inbox.js'
import { MemoryLanes } from './memory-lanes.js'
import { MemoryLeases } from './memory-leases.js'
import { MemoryRuns } from './memory-log.js'
import type { MemorySnapshots } from './memory-snapshots.js'
import type { MemorySummaries } from './memory-summaries.js'

/** Storage that several memory adapters share, as several processes share a server. */
export class MemoryBackend {
  readonly runs = new MemoryRuns()
  readonly leases = new MemoryLeases()
  readonly lanes = new MemoryLanes()
  readonly inboxes = new MemoryInboxes()
  /** Bytes of the artifacts, by path. */
  readonly files: MemoryFiles = new Map()
  /** Pieces of the newest snapshot of each run. A test may change them. */
  readonly snapshots: MemorySnapshots = new Map()
  /** What was put about each run last. A test may change it. */
  readonly summaries: MemorySummaries = new Map()
  /** Decides the fate of every call of every adapter. */
  intercept: Intercept = () => 'go'
  /** Picks what is delivered next, where the ports leave that open. `null`: the oldest. */
  choose: Choose | null = null

  /** The records of a run, as they are now. */
  recordsOf(runId: RunId): readonly CommitRecord[] {
    return this.runs.records.get(runId) ?? []
  }

  /** The messages for a run that nobody has acknowledged. */
  messagesOf(runId: RunId): readonly InboxMessage[] {
    return this.inboxes.of(runId).pending
  }
}
