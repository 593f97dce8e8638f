import { type CommitRecord, readRecordShape } from '../log/commit-record.js'
import type { CommitLog } from '../ports/commit-log.js'
import { isRepriseError, RepriseError } from '../protocol/errors.js'
import type { RunId } from '../protocol/ids.js'

/**
 * Puts the commits of a run into a log, one after the other. What is there already must be the same: so whoever was killed
 * goes on by beginning again, and nothing is ever appended to another log.
 */
export class LogCopy {
  /** Commits that were there, and were found to be the same. */
  found = 0
  appended = 0
  #there: AsyncIterator<string> | null

  constructor(
    private readonly log: CommitLog,
    private readonly runId: RunId,
  ) {
    this.#there = linesOf(log, runId)[Symbol.asyncIterator]()
  }

  /** The next commit. `RUN_MISMATCH` if another one stands in its place. */
  async take(record: CommitRecord): Promise<void> {
    const there = await this.nextThere()
    if (there === null) {
      await this.append(record).catch((error: unknown) => {
        // Somebody else writes another log there at the same time.
        throw isRepriseError(error, 'VERSION_CONFLICT') ? otherLog(this.runId, record.index) : error
      })
    } else if (there === record.text) this.found++
    else throw otherLog(this.runId, record.index)
  }

  /** The line that stands where the next commit would go. */
  async nextThere(): Promise<string | null> {
    const next = await this.#there?.next()
    if (next !== undefined && !next.done) return next.value
    this.#there = null
    return null
  }

  async append(record: CommitRecord): Promise<void> {
    await this.log.append(this.runId, record)
    this.appended++
  }

  /** After the last commit. `RUN_MISMATCH` if the log goes on behind it. */
  async end(): Promise<void> {
    if ((await this.nextThere()) !== null) throw otherLog(this.runId, this.found)
  }

  /** In any case, at last. */
  async close(): Promise<void> {
    await this.#there?.return?.()
  }
}

/** The lines of a log, one by one, as they are. */
export async function* linesOf(log: CommitLog, runId: RunId, fromIndex = 0): AsyncGenerator<string, void> {
  for await (const lines of log.read(runId, fromIndex)) yield* lines
}

/** The record that a line of the right form is. */
export function recordOf(text: string): CommitRecord {
  const shape = readRecordShape(text)
  if (shape === null) throw new RepriseError('LOG_CORRUPT', 'A line does not have the form of a record.')
  return { ...shape, text }
}

/** Between two commits: what was begun is gone on with by the same call. */
export function stopIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw new RepriseError('ABORTED', `${what} was aborted. Call it again to go on.`)
}

export const otherLog = (runId: RunId, index: number): RepriseError =>
  new RepriseError(
    'RUN_MISMATCH',
    `The place to write to holds another log under the name ${runId}: it differs from commit ${index} on. Nothing of it was changed. Look at both, and choose another name, folder or namespace.`,
    { details: { runId, index } },
  )
