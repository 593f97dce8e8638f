import { type CapturedState, captureState } from '../flow/snapshot-text.js'
import type { Runtime } from '../ports/runtime.js'
import type { SnapshotStore } from '../ports/snapshot-store.js'
import type { RunId } from '../protocol/ids.js'
import type { CommitPipeline } from './commit-pipeline.js'
import type { Snapshot } from './durable-reads.js'
import type { LoadedRun } from './load-run.js'
import { snapshotPieces } from './snapshot-pieces.js'

/** At closing, fewer events than this are sooner read again than kept. */
const worthKeepingEvents = 2_000

export interface SnapshotKeeperOptions {
  readonly store: SnapshotStore
  readonly runId: RunId
  readonly runtime: Runtime
  readonly pipeline: CommitPipeline
  readonly loaded: LoadedRun
  readonly everyEvents: number
  /** A snapshot that could not be kept: opening the run takes longer, nothing else. Must not throw. */
  readonly onFailed: (error: unknown) => void
}

/**
 * Keeps a snapshot of a run every so many events, in the background: of what is durable, in small steps between other
 * work. Whatever becomes of it, the log is right.
 */
export class SnapshotKeeper {
  /** Version of the newest one, as far as is known here. */
  private version: number
  private writing: Promise<void> | null = null
  private begun = false
  private stopped = false

  constructor(private readonly options: SnapshotKeeperOptions) {
    this.version = options.loaded.basis.snapshotVersion
  }

  /** The gates have passed: until now everything waited for these. */
  begin(): void {
    this.begun = true
  }

  /** A commit is durable. */
  follow(version: number): void {
    if (!this.begun || this.stopped || this.writing !== null) return
    if (version - this.version < this.options.everyEvents) return
    this.writing = this.keep(this.options.pipeline.snapshot(captureState)).finally(() => {
      this.writing = null
    })
  }

  /** Looks at what the last commit left. What comes back keeps it, if that is worth it: no more is asked of the run. */
  async last(): Promise<() => Promise<void>> {
    const { pipeline, everyEvents } = this.options
    const isWorthIt = pipeline.status.version - this.version >= Math.min(everyEvents, worthKeepingEvents)
    const last = isWorthIt ? await pipeline.snapshot(captureState) : null
    return async () => {
      await this.writing
      if (last !== null) await this.keep(last)
    }
  }

  /** Ends what is being written: the run is no longer ours. */
  stop(): void {
    this.stopped = true
  }

  private async keep(taken: Snapshot<CapturedState> | Promise<Snapshot<CapturedState>>): Promise<void> {
    const { store, runId, onFailed } = this.options
    try {
      const { value, version, commits, hash: head, first } = await taken
      if (this.stopped || first === null) return
      // Also if it fails, be it too large: it is tried again after as many events as if it had not.
      this.version = version
      const turn = () => this.turn()
      await store.save(runId, snapshotPieces({ commits, version, head, first }, value, turn))
    } catch (error) {
      if (!this.stopped) onFailed(error)
    }
  }

  private async turn(): Promise<void> {
    await new Promise<void>((resolve) => this.options.runtime.defer(resolve))
    if (this.stopped) throw new Error('The run is no longer held here.')
  }
}
