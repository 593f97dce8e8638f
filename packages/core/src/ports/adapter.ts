import type { ArtifactStore } from './artifact-store.js'
import type { CommitLog } from './commit-log.js'
import type { Inbox } from './inbox.js'
import type { Leases } from './leases.js'
import type { RunHistory } from './run-history.js'
import type { RunSummaries } from './run-summaries.js'
import type { SnapshotStore } from './snapshot-store.js'
import type { TaskQueue } from './task-queue.js'

/** One thing `diagnose` found out, measured or read from the backend. */
export interface Finding {
  /** Kebab-case, stable: tools match it. */
  readonly name: string
  readonly level: 'ok' | 'warning' | 'problem'
  readonly message: string
  /** What to do about it. */
  readonly remedy?: string
  /** Measured figures, units in the key: `{ fdatasyncMedianMs: 0.13 }`. */
  readonly figures?: Readonly<Record<string, number | string>>
}

export interface Diagnosis {
  readonly adapter: string
  /** What an acknowledged commit survives, with the settings found. */
  readonly durable: 'process' | 'os' | 'failover' | 'nothing'
  readonly findings: readonly Finding[]
}

export interface DiagnoseOptions {
  /** `false`: only looks, which writes nothing. Default: true. */
  readonly measure?: boolean
}

/** What a transport implements. It passes `@reprise/conformance`. */
export interface Adapter {
  /** `files`, `redis`, `nats`, `memory`. */
  readonly name: string
  readonly log: CommitLog
  readonly leases: Leases
  readonly queue: TaskQueue
  readonly inbox: Inbox
  readonly artifacts?: ArtifactStore
  /** Without one a run is always read from the first commit on. */
  readonly snapshots?: SnapshotStore
  /** Without one, looking back far reads a long log from its start. */
  readonly history?: RunHistory
  /** Without them, listing runs reads their logs. */
  readonly summaries?: RunSummaries
  diagnose(options?: DiagnoseOptions): Promise<Diagnosis>
  /** Ends watches, consumers and receivers. Afterwards every method fails with `CLOSED`. Closing twice is harmless. */
  close(): Promise<void>
}
