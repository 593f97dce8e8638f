import { taskIdOf } from '../flow/task-history.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { Cause, Commit, EventType, RunEvent } from '../protocol/events.js'
import type { RunId } from '../protocol/ids.js'
import { commitsFrom } from './commits-from.js'
import { commitAt, findCommit, newestCommit, type RunPoint } from './find-commit.js'

export interface ReadEventsOptions {
  /** Only events of these types. */
  readonly types?: ReadonlySet<EventType> | undefined
  /** Only events about these tasks. */
  readonly tasks?: ReadonlySet<string> | undefined
  /** Begins with the event that is this version, or with the first commit at or behind this time. */
  readonly since?: RunPoint | undefined
  /** Ends with the event that is this version, or before the first commit behind this time. */
  readonly until?: RunPoint | undefined
  /** Only the newest so many of those that are left. They are kept in memory, and read from the end where that is enough. */
  readonly last?: number | undefined
  /** Goes on with later events, until this aborts or the run is closed. */
  readonly follow?: AbortSignal | undefined
}

/** An event, and where it stands. */
export interface LoggedEvent {
  /** The run has so many events with it. */
  readonly version: number
  /** Of its commit. */
  readonly index: number
  readonly at: string
  readonly actor: string
  readonly epoch: number
  readonly type: EventType
  readonly data: RunEvent['data']
  readonly cause: Cause | null
}

/**
 * Events of a run, in order, one after the other: in memory is what was asked for with `last`, and one batch of the log.
 * What is read is checked as `commitsFrom` says; with `since` or `last` reading begins near there. `null` if there is no log.
 */
export async function readEvents(
  log: CommitLog,
  runId: RunId,
  options: ReadEventsOptions = {},
): Promise<AsyncGenerator<LoggedEvent> | null> {
  const { since, last } = options
  if (since === undefined && last === undefined) {
    // Without a look at the head: of a log that is damaged farther behind, everything before the damage is given.
    const first = await commitAt(log, runId, 0)
    return first === null ? null : wanted(log, runId, { from: 0, behind: 0, upTo: Number.POSITIVE_INFINITY }, options)
  }
  const newest = await newestCommit(log, runId)
  if (newest === null) return null
  const from = since === undefined ? 0 : await findCommit(log, runId, newest, since)
  return last === undefined
    ? wanted(log, runId, { from, behind: 0, upTo: Number.POSITIVE_INFINITY }, options)
    : lastWanted(log, runId, { from, newest, last }, options)
}

interface Range {
  /** Index of the first commit that is read. */
  readonly from: number
  /** Versions of the events that are given: later than this, up to that. */
  readonly behind: number
  readonly upTo: number
}

async function* wanted(
  log: CommitLog,
  runId: RunId,
  { from, behind, upTo }: Range,
  { types, tasks, since, until, follow }: ReadEventsOptions,
): AsyncGenerator<LoggedEvent> {
  let isBegun = since === undefined || 'version' in since
  const first = Math.max(behind + 1, since !== undefined && 'version' in since ? since.version : 0)
  const last = Math.min(upTo, until !== undefined && 'version' in until ? until.version : upTo)
  for await (const commit of commitsFrom(log, runId, { fromIndex: from, follow })) {
    isBegun ||= since !== undefined && 'at' in since && commit.at >= since.at
    if (!isBegun) continue
    if (until !== undefined && 'at' in until && commit.at > until.at) return
    let version = commit.version - commit.events.length
    for (const event of commit.events) {
      version++
      if (version < first) continue
      if (version > last) return
      if (types !== undefined && !types.has(event.type)) continue
      if (tasks !== undefined && !isAbout(event, tasks)) continue
      yield logged(event, version, commit)
    }
    if (commit.version >= last) return
  }
}

function isAbout(event: RunEvent, tasks: ReadonlySet<string>): boolean {
  const taskId = taskIdOf(event)
  return taskId !== undefined && tasks.has(taskId)
}

function logged({ type, data, cause }: RunEvent, version: number, commit: Commit): LoggedEvent {
  const { index, at, actor, epoch } = commit
  return { version, index, at, actor, epoch, type, data, cause: cause ?? null }
}

/** Looks at more and more of the end, until enough was found or all was seen. */
async function* lastWanted(
  log: CommitLog,
  runId: RunId,
  { from, newest, last }: { from: number; newest: Commit; last: number },
  options: ReadEventsOptions,
): AsyncGenerator<LoggedEvent> {
  const asItIs = { ...options, follow: undefined }
  let found: LoggedEvent[] = []
  // Every commit holds an event.
  for (let commits = last; ; commits *= 8) {
    const begin = Math.max(from, newest.index + 1 - commits)
    found = []
    for await (const event of wanted(log, runId, { from: begin, behind: 0, upTo: newest.version }, asItIs)) {
      found.push(event)
      if (found.length >= 2 * last) found.splice(0, found.length - last)
    }
    if (found.length >= last || begin === from) break
  }
  yield* found.slice(-last)
  if (options.follow === undefined) return
  yield* wanted(log, runId, { from: newest.index, behind: newest.version, upTo: Number.POSITIVE_INFINITY }, options)
}
