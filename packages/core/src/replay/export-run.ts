import { checkRunId, unknownRun } from '../coordinator/load-run.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { RunId } from '../protocol/ids.js'
import { CheckedLog, type LogSummary } from './checked-log.js'
import { linesOf, stopIfAborted } from './log-copy.js'

export interface ExportOptions {
  readonly signal?: AbortSignal | undefined
}

/**
 * The lines of a log, exactly as they are, without their ends, each checked before it is given: written with a newline
 * behind each, the file is a log. Returns what they come to. `RUN_UNKNOWN`; `LOG_CORRUPT` and `LOG_TOO_NEW` at the first
 * such commit; `RUN_MISMATCH`, after the last line, for the log of another run. `ABORTED`.
 */
export async function* exportRun(
  log: CommitLog,
  runId: RunId,
  { signal }: ExportOptions = {},
): AsyncGenerator<string, LogSummary> {
  const checked = new CheckedLog()
  for await (const line of linesOf(log, runId)) {
    stopIfAborted(signal, `Exporting run ${runId}`)
    checked.next(line)
    yield line
  }
  if (checked.chain.commits === 0) throw unknownRun(runId)
  const summary = checked.summary()
  checkRunId(summary.runId, runId)
  return summary
}
