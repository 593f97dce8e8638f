import { type CommitRecord, RepriseError, type RunId, versionConflict } from '@reprise/core/adapter'
import { type CommitEntry, commitHeaders, indexAfter, type LogEntry, removalHeaders } from './log-entry.js'
import type { Names } from './names.js'
import type { NatsConnection } from './nats-connection.js'
import { apiCodes, isApiFailure, isNatsFailure, type NatsFailure } from './nats-failure.js'
import type { RunSubjects } from './run-subjects.js'

/** Publishing the same again is harmless: the expected sequence lets it in once. */
const publishesMax = 3
/** In the text of a commit, once before its events. */
const beforePrev = '"prev":"'

/**
 * Compare-and-append: the server takes the message if the newest of the subject has the sequence that we expect. That
 * is a number, and another history has the same numbers: so what it stands for was seen in this very stream, else it is
 * read again before. What an error or a timeout says about the outcome is never believed: the newest message is read
 * back and compared.
 */
export async function appendCommit(
  connection: NatsConnection,
  names: Names,
  runs: RunSubjects,
  runId: RunId,
  record: CommitRecord,
): Promise<void> {
  const doing = `Appending commit ${record.index} of run ${runId}`
  runs.listen()
  const known = runs.trusted(runId)
  let isFresh = known === undefined
  let { age } = runs
  let last: LogEntry | null = known ?? (await runs.newest(runId))?.entry ?? null
  let failure: NatsFailure | null = null
  const giveUpAt = performance.now() + connection.requestTimeoutMs
  for (let published = 0; ; ) {
    const isLate = performance.now() > giveUpAt
    if (record.index === indexAfter(last) && isNextOf(last, record)) {
      if (published === publishesMax || (published > 0 && isLate)) throw failure ?? notLearnt(doing)
      // From here to the moment when it is sent nothing is awaited: it goes to the stream that `last` was seen in.
      if (age !== runs.age) {
        if (isLate) throw failure ?? notLearnt(doing)
        age = runs.age
        last = (await runs.newest(runId))?.entry ?? null
        isFresh = true
        continue
      }
      published++
      const life = last?.kind === 'commit' ? last.life : (last?.seq ?? 0)
      const headers = commitHeaders(runId, record, last?.seq ?? 0, life)
      const stored = await publish(connection, names.logSubject(runId), record.text, { doing, headers })
      if (typeof stored === 'number') {
        const { index, hash } = record
        runs.known.note(runId, { kind: 'commit', seq: stored, index, hash, life }, age)
        return
      }
      failure = stored
    } else if (isFresh) {
      // Too far ahead, or taken: by the same, perhaps.
      if (last?.kind === 'commit' && (await hashAt(runs, runId, record.index, last)) === record.hash) return
      throw versionConflict(runId, record.index, indexAfter(last))
    }
    // Stale, refused or unknown: what is there decides.
    age = runs.age
    last = (await runs.newest(runId))?.entry ?? null
    isFresh = true
  }
}

/** Hides the run behind a removal, as of `last`, which was seen at `age`. `RUN_OPEN` if it has gone on. */
export async function removeRun(
  connection: NatsConnection,
  names: Names,
  runs: RunSubjects,
  runId: RunId,
  last: CommitEntry,
  age: number,
): Promise<void> {
  const doing = `Removing run ${runId}`
  let failure: NatsFailure | null = null
  let seenAt = age
  for (let published = 0; published < publishesMax; published++) {
    // As with an append: it goes to the stream that `last` was seen in.
    if (seenAt === runs.age) {
      const headers = removalHeaders(last.seq)
      const stored = await publish(connection, names.logSubject(runId), '', { doing, headers })
      if (typeof stored === 'number') {
        runs.known.note(runId, { kind: 'removal', seq: stored }, seenAt)
        return
      }
      failure = stored
    }
    seenAt = runs.age
    const entry = (await runs.newest(runId))?.entry
    if (entry?.kind === 'removal') return
    if (entry?.seq !== last.seq) throw wentOn(runId)
  }
  throw failure ?? notLearnt(doing)
}

/** The sequence of the stored message; or why that is not known, `null` if the server says that it had it before. */
async function publish(
  connection: NatsConnection,
  subject: string,
  text: string,
  options: Parameters<NatsConnection['publish']>[2],
): Promise<number | NatsFailure | null> {
  try {
    const { seq, duplicate } = await connection.publish(subject, text, options)
    // Old servers look for duplicates first, and then do not compare: what they had may be removed since.
    return duplicate === true ? null : seq
  } catch (error) {
    if (isNatsFailure(error, 'timeout') || isNatsFailure(error, 'disconnected')) return error
    if (isNatsFailure(error) && isApiFailure(error, apiCodes.wrongLastSequence)) return error
    throw error
  }
}

/** The hash chain, as far as it can be seen without reading: the commit names the one that it was decided on. */
function isNextOf(last: LogEntry | null, { text }: CommitRecord): boolean {
  if (last?.kind !== 'commit') return true
  const at = text.indexOf(beforePrev) + beforePrev.length
  return text.startsWith(last.hash, at)
}

async function hashAt(runs: RunSubjects, runId: RunId, index: number, last: CommitEntry): Promise<string | null> {
  if (index > last.index) return null
  if (index === last.index) return last.hash
  return (await runs.find(runId, index, last))?.entry.hash ?? null
}

const wentOn = (runId: RunId): RepriseError =>
  new RepriseError('RUN_OPEN', `Run ${runId} was written to while it was being removed, and was kept. Try again.`, {
    details: { runId },
  })

const notLearnt = (doing: string): RepriseError =>
  new RepriseError('ADAPTER_UNAVAILABLE', `${doing} failed: its outcome could not be learnt. Call again.`)
