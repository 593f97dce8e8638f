import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { checkRunId, unknownRun } from '../coordinator/load-run.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { LogFile } from '../ports/log-file.js'
import { isRepriseError, RepriseError } from '../protocol/errors.js'
import type { RunId } from '../protocol/ids.js'
import { CheckedLog, type LogSummary } from './checked-log.js'
import { readLogFile } from './import-run.js'
import { linesOf, stopIfAborted } from './log-copy.js'

export interface ArchiveOptions {
  readonly signal?: AbortSignal | undefined
}

export interface ArchiveReport extends LogSummary {
  readonly path: string
  /** It had been archived and removed before; the archive was read again. */
  readonly already: boolean
}

/**
 * Packs the log of a run that has ended into a file with gzip, reads that again, checks it against the log, makes it
 * durable, and only then removes the run from its place. Killed anywhere, the run is still there, or the archive is; the
 * same call goes on. `importRun` reads archives. Artifacts are left where they are.
 *
 * `RUN_OPEN`; `RUN_MISMATCH` if the file holds something else; `RUN_UNKNOWN`, `LOG_CORRUPT`, `LOG_TOO_NEW`, `ABORTED`; what
 * the file says when it cannot be written.
 */
export async function archiveRun(
  log: CommitLog,
  runId: RunId,
  file: LogFile,
  { signal }: ArchiveOptions = {},
): Promise<ArchiveReport> {
  const summary = await summaryOf(log, runId, signal)
  if (summary === null) return { ...(await archived(file, runId, signal)), path: file.path, already: true }
  checkRunId(summary.runId, runId)
  if (summary.open) throw cannotYet(runId)
  if (!(await isThere(file))) await file.write(packed(log, runId))
  const kept = await contentOf(file, signal, (cause) => otherFile(file, runId, cause))
  if (kept?.head !== summary.head) throw otherFile(file, runId)
  await file.sync()
  // The log is removed as it was checked, or not at all: a run that has ended takes no more commits.
  const head = await log.head(runId)
  if (head?.hash !== summary.head) throw cannotYet(runId)
  stopIfAborted(signal, `Archiving run ${runId}`)
  await log.remove(runId)
  return { ...summary, path: file.path, already: false }
}

async function summaryOf(log: CommitLog, runId: RunId, signal: AbortSignal | undefined): Promise<LogSummary | null> {
  const checked = new CheckedLog()
  for await (const line of linesOf(log, runId)) {
    stopIfAborted(signal, `Archiving run ${runId}`)
    checked.next(line)
  }
  return checked.chain.commits === 0 ? null : checked.summary()
}

async function* packed(log: CommitLog, runId: RunId): AsyncGenerator<Uint8Array, void> {
  const ended = async function* (): AsyncGenerator<string, void> {
    for await (const line of linesOf(log, runId)) yield `${line}\n`
  }
  yield* gzipped(ended())
}

/** Texts as one stream packed with gzip. */
export async function* gzipped(texts: AsyncIterable<string>): AsyncGenerator<Uint8Array, void> {
  const source = Readable.from(texts, { objectMode: false })
  const gzip = createGzip()
  source.on('error', (error) => gzip.destroy(error))
  try {
    yield* source.pipe(gzip)
  } finally {
    source.destroy()
  }
}

async function isThere(file: LogFile): Promise<boolean> {
  const bytes = await file.read()
  if (bytes === null) return false
  for await (const _ of bytes) break
  return true
}

/** `ifNone`: what to say if there is no whole log in the file. */
async function contentOf(
  file: LogFile,
  signal: AbortSignal | undefined,
  ifNone: (cause: RepriseError) => RepriseError,
): Promise<LogSummary | null> {
  const bytes = await file.read()
  if (bytes === null) return null
  try {
    return await readLogFile(bytes, signal)
  } catch (error) {
    throw isRepriseError(error, 'INVALID_INPUT') || isRepriseError(error, 'LOG_CORRUPT') ? ifNone(error) : error
  }
}

/** There is no such run: it may have been killed right after the removal. */
async function archived(file: LogFile, runId: RunId, signal: AbortSignal | undefined): Promise<LogSummary> {
  const kept = await contentOf(file, signal, (cause) => noArchive(file, runId, cause))
  if (kept === null) throw unknownRun(runId)
  if (kept.runId !== runId || kept.open) throw noArchive(file, runId)
  return kept
}

const otherFile = ({ path }: LogFile, runId: RunId, cause?: RepriseError): RepriseError =>
  new RepriseError(
    'RUN_MISMATCH',
    `The file ${path} is not the archive of run ${runId} as its log stands${cause === undefined ? '' : ': it holds no whole log'}. The run was not removed, the file not touched. Move the file away, or archive into another folder.`,
    { cause, details: { runId, path } },
  )

const noArchive = ({ path }: LogFile, runId: RunId, cause?: RepriseError): RepriseError =>
  new RepriseError(
    'RUN_MISMATCH',
    `There is no run ${runId}, and the file ${path} ${cause === undefined ? 'is not its archive' : 'holds no whole log'}. Nothing was changed. Check the run id and where the adapter points; the file may be a damaged copy of its archive.`,
    { cause, details: { runId, path } },
  )

const cannotYet = (runId: RunId): RepriseError =>
  new RepriseError('RUN_OPEN', `Run ${runId} has not ended: it is not archived. Complete or fail it first.`, {
    details: { runId },
  })
