import { type RunSummary, summaryOf, summaryText } from '../flow/run-summary.js'
import type { RunSummaries } from '../ports/run-summaries.js'
import type { Runtime } from '../ports/runtime.js'
import type { RunId } from '../protocol/ids.js'
import { answered } from './answered.js'
import type { CommitPipeline } from './commit-pipeline.js'
import type { Snapshot } from './durable-reads.js'

/** What changes meanwhile is put once. Milliseconds. */
const putEveryMs = 2_000
/** Between two that fail, at most: a user may not have the right to put any. Milliseconds. */
const putBackoffMaxMs = 60_000

export interface SummaryKeeperOptions {
  readonly summaries: RunSummaries
  readonly runId: RunId
  readonly runtime: Runtime
  readonly pipeline: CommitPipeline
  /** One that could not be put: listing runs reads this log, nothing else. Must not throw. */
  readonly onFailed: (error: unknown) => void
}

/**
 * Puts the summary of a held run beside its log, in the background: of what is durable, never before. A run that changes
 * all the time mostly has an old one, which is nobody's; the one that counts is that of a run at rest.
 */
export class SummaryKeeper {
  private begun = false
  private dirty = false
  private running: Promise<void> | null = null
  private readonly ending = new AbortController()

  constructor(private readonly options: SummaryKeeperOptions) {}

  /** The gates have passed. */
  begin(): void {
    this.begun = true
    this.follow()
  }

  /** A commit is durable. */
  follow(): void {
    this.dirty = true
    if (this.begun && !this.ending.signal.aborted) this.running ??= this.run()
  }

  /** Looks at what the last commit left. What comes back puts it: no more is asked of the run. */
  async last(): Promise<() => Promise<void>> {
    this.ending.abort()
    const taken = this.dirty ? this.take() : null
    // Whoever puts it looks at what became of it.
    await taken?.catch(() => {})
    return async () => {
      await this.running
      if (taken !== null) await this.put(taken)
    }
  }

  /** Puts no more: the run is somebody else's. */
  stop(): void {
    this.dirty = false
    this.ending.abort()
  }

  private async run(): Promise<void> {
    const { signal } = this.ending
    let waitMs = putEveryMs
    while (this.dirty) {
      await this.options.runtime.sleep(waitMs, signal)
      if (signal.aborted) break
      waitMs = (await this.put(this.take())) ? putEveryMs : Math.min(2 * waitMs, putBackoffMaxMs)
    }
    this.running = null
  }

  private take(): Promise<Snapshot<RunSummary>> {
    this.dirty = false
    return this.options.pipeline.snapshot(summaryOf)
  }

  private async put(taken: Promise<Snapshot<RunSummary>>): Promise<boolean> {
    const { summaries, runId, runtime, onFailed } = this.options
    try {
      const { value, commits, hash } = await taken
      const putting = summaries.put(runId, { index: commits - 1, hash }, summaryText(value))
      await answered(putting, `Keeping the summary of run ${runId}`, runtime)
      return true
    } catch (error) {
      this.dirty = true
      onFailed(error)
      return false
    }
  }
}
