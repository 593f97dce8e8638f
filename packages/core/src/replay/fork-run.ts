import { unknownRun, upcastCommit, verifyRun } from '../coordinator/load-run.js'
import { initialState } from '../flow/reduce-event.js'
import { ChainReader } from '../log/chain-reader.js'
import { type CommitRecord, encodeCommit, readCommit } from '../log/commit-record.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { Runtime } from '../ports/runtime.js'
import { isRepriseError, RepriseError } from '../protocol/errors.js'
import type { EventData } from '../protocol/events.js'
import { type RunId, runIdSchema } from '../protocol/ids.js'
import { isoTime } from '../protocol/time.js'
import { systemRuntime } from '../runtime/system-runtime.js'
import { checkIsLogOf } from './check-is-log-of.js'
import { FoldTo, type LastCommit } from './fold-to.js'
import { LogCopy, linesOf, otherLog, recordOf, stopIfAborted } from './log-copy.js'
import { beforeOpening, stopOf, unknownVersion, type Where } from './where.js'

export interface ForkOptions {
  readonly signal?: AbortSignal | undefined
  readonly runtime?: Runtime
}

/** What a fork was made of, and where it stands. */
export interface ForkReport {
  readonly runId: RunId
  /** `hash`: of the commit of the original that holds the event of that version. */
  readonly from: EventData<'run-forked'>['from']
  /** Commits of the new log that are those of the original, byte by byte. */
  readonly shared: number
  /** Of the new log, `run-forked` included. */
  readonly commits: number
  readonly version: number
  readonly head: string
  /** It had been made before, and was only found. */
  readonly already: boolean
}

/** Where in the original the fork begins. */
interface Place {
  readonly last: LastCommit
  readonly from: ForkReport['from']
  /** Of the lock in force there. */
  readonly epoch: number
}

/**
 * A new run that goes on from any version of another one, of a finished one too; nothing of that one changes. The new log
 * begins with the commits of the original, byte by byte; of one that the version lies inside, with its first events, under
 * its time and actor. Then `run-forked` stands in a commit of its own. The new run is open, nobody holds it, and it hands
 * out itself what was out. Killed in the middle, the same call goes on; until then the new run cannot be opened. Once it is
 * made, the same call finds it: name a version for that, the head of an open run moves.
 *
 * `RUN_UNKNOWN`, `VERSION_UNKNOWN`; `RUN_MISMATCH` if there is another run of the new name; `INVALID_ID`, `INVALID_INPUT`;
 * `ABORTED`; what `loadRun` says of the original.
 */
export async function forkRun(
  log: CommitLog,
  runId: RunId,
  where: Where,
  newId: string,
  { signal, runtime = systemRuntime }: ForkOptions = {},
): Promise<ForkReport> {
  const to = checkNewId(runId, newId)
  const place = await findPlace(log, runId, where)
  const { last, from, epoch } = place
  const copy = new LogCopy(log, to)
  try {
    let prev = ''
    for await (const record of sharedRecords(log, runId, place)) {
      stopIfAborted(signal, `Forking run ${runId}`)
      await copy.take(record)
      prev = record.hash
    }
    const actor = `fork:${runtime.host}:${runtime.pid}:${runtime.randomId()}`
    const at = isoTime(runtime.now())
    const header = { index: last.index + 1, version: from.version + 1, epoch, at, actor, prev }
    const event = JSON.stringify({ type: 'run-forked', v: 1, data: { runId: to, from } })
    const already = await putMark(log, copy, encodeCommit(header, [event]), to, from)
    const shared = last.folded === last.events ? last.index + 1 : last.index
    return { runId: to, from, shared, ...(await verified(log, to)), already }
  } finally {
    await copy.close()
  }
}

function checkNewId(runId: RunId, newId: string): RunId {
  const parsed = runIdSchema.safeParse(newId)
  if (!parsed.success) {
    throw new RepriseError('INVALID_ID', `${newId} is not a run id: ${parsed.error.issues[0]?.message}.`)
  }
  if (parsed.data !== runId) return parsed.data
  throw new RepriseError('INVALID_INPUT', `Run ${runId} cannot be forked into itself: give the new run another id.`)
}

/** Reads and checks the original up to there, before anything is written. */
async function findPlace(log: CommitLog, runId: RunId, where: Where): Promise<Place> {
  const stop = await stopOf(log, runId, where)
  const fold = new FoldTo(stop, initialState())
  const chain = new ChainReader()
  let hash = ''
  for await (const line of linesOf(log, runId)) {
    const commit = upcastCommit(chain.next(line))
    const mayFollow = fold.take(commit)
    if (fold.foldedOf(commit) > 0) hash = chain.head
    if (!mayFollow) break
  }
  if (chain.commits === 0) throw unknownRun(runId)
  if (fold.openedLater !== null && 'at' in stop) throw beforeOpening(runId, stop.at, fold.openedLater)
  const { state, last } = fold
  const { version, epoch } = state
  const isThere = !('version' in stop) || stop.version === Number.POSITIVE_INFINITY || stop.version === version
  if (!isThere) throw unknownVersion(runId, `version ${stop.version}`, version)
  if (last === null) {
    const message = `A fork of run ${runId} has to begin behind its first event: ask for version 1 or a later one.`
    throw new RepriseError('INVALID_INPUT', message, { details: { runId } })
  }
  await checkIsLogOf(log, runId, state.runId)
  return { last, from: { runId, version, hash }, epoch }
}

/** The commits that the fork shares, the last one perhaps shortened. */
async function* sharedRecords(
  log: CommitLog,
  runId: RunId,
  { last, from, epoch }: Place,
): AsyncGenerator<CommitRecord> {
  for await (const line of linesOf(log, runId)) {
    const record = recordOf(line)
    const isLast = record.index === last.index
    if (isLast && last.folded < last.events) {
      const { events, at, actor, prev, index } = readCommit(line, record.index)
      const texts = events.slice(0, last.folded).map((event) => JSON.stringify(event))
      yield encodeCommit({ index, version: from.version, epoch, at, actor, prev }, texts)
    } else yield record
    if (isLast) return
  }
}

/** The commit that makes it another run. Whether it stood there. */
async function putMark(
  log: CommitLog,
  copy: LogCopy,
  record: CommitRecord,
  to: RunId,
  from: ForkReport['from'],
): Promise<boolean> {
  const isMark = (line: string | null): boolean => {
    const event = line === null ? undefined : readCommit(line, record.index).events[0]
    if (event?.type !== 'run-forked' || event.data.runId !== to) return false
    return event.data.from.runId === from.runId && event.data.from.version === from.version
  }
  const there = await copy.nextThere()
  if (there === null) {
    try {
      await copy.append(record)
      return false
    } catch (error) {
      if (!isRepriseError(error, 'VERSION_CONFLICT')) throw error
      // Somebody made the same fork at the same time, or another one.
      for await (const line of linesOf(log, to, record.index)) {
        if (isMark(line)) return true
        break
      }
    }
  } else if (isMark(there)) return true
  throw otherLog(to, record.index)
}

async function verified(log: CommitLog, to: RunId): Promise<Pick<ForkReport, 'commits' | 'version' | 'head'>> {
  const verdict = await verifyRun(log, to)
  if (!verdict.ok)
    throw new RepriseError('LOG_CORRUPT', verdict.message, { details: { index: verdict.firstBadCommit } })
  const { commits, version, head } = verdict
  return { commits, version, head }
}
