import type { LogHead } from '../log/commit-record.js'
import type { RunId } from '../protocol/ids.js'

/** A run that has a log, and what was put about it. */
export interface SummarizedRun {
  readonly runId: RunId
  /** `null`: there is none, or the log has gone on since. */
  readonly summary: string | null
}

/**
 * One short text per run, where its log is and under the rights of the log, so that many runs can be listed without
 * reading their logs. A cache: whoever reads one must take it for a text from anywhere, and reads the log without it. It
 * may be deleted at any time, and goes with the run when its log is removed.
 */
export interface RunSummaries {
  /**
   * Replaces the summary of a run by one of the log up to `head`, at most `limits.runSummaryMax` characters. If the log
   * does not end there, none need be kept. Cheap: it need not survive a power cut, but is never read in half.
   */
  put(runId: RunId, head: LogHead, text: string): Promise<void>
  /**
   * Every run that `CommitLog.list` gives, in batches, in no particular order. Its summary is given if it was put for the
   * commit that the log ends with, as cheaply as that can be told: commits are neither read nor verified.
   */
  list(prefix?: string): AsyncIterable<SummarizedRun[]>
}
