import type { CommitLog } from '../ports/commit-log.js'
import type { RunSummaries } from '../ports/run-summaries.js'
import type { LogSummary } from './checked-log.js'
import { putLog, stillOpen } from './copy-run.js'
import { FileLog } from './file-log.js'
import { stopIfAborted } from './log-copy.js'
import { type LogBytes, readLogLines } from './log-lines.js'

export interface ImportOptions {
  /** Takes in a run that has not ended. Default: it is refused. */
  readonly open?: boolean
  /** What `readLogFile` has found in the same file just now: then it is not read for that again. */
  readonly checked?: LogSummary
  /** Where a summary is put for lists, beside that log. Default: nowhere, and a list reads the log. */
  readonly summaries?: RunSummaries | undefined
  readonly signal?: AbortSignal | undefined
}

export interface ImportReport extends LogSummary {
  /** Commits that this call has appended; the others were there, and the same. */
  readonly appended: number
}

/**
 * Takes a log in from a file, plain or packed with gzip, under the name of its run. `read` is called twice: everything in
 * the file is checked before the first commit is written, and again while they are. What is there then is read back.
 * Killed in the middle, the same call goes on.
 *
 * `INVALID_INPUT` for a file that is no log, `LOG_CORRUPT` for a damaged one, each saying at which line and why;
 * `LOG_TOO_NEW`; `RUN_OPEN` for a run that has not ended; `RUN_MISMATCH` if there is another log of its name; `ABORTED`.
 */
export async function importRun(
  log: CommitLog,
  read: () => LogBytes,
  { open = false, checked, summaries, signal }: ImportOptions = {},
): Promise<ImportReport> {
  const summary = checked ?? (await readLogFile(read(), signal))
  if (summary.open && !open) throw stillOpen(summary.runId)
  return { ...summary, appended: await putLog(readLogLines(read()), { log, summaries }, summary, signal) }
}

/** Reads and checks a log file to its end, and keeps nothing of it. What is wrong with it is told as `importRun` does. */
export async function readLogFile(bytes: LogBytes, signal?: AbortSignal): Promise<LogSummary> {
  const file = new FileLog()
  for await (const line of readLogLines(bytes)) {
    stopIfAborted(signal, 'Reading the log')
    file.next(line)
  }
  return file.end()
}
