import { unknownRun } from '../coordinator/load-run.js'
import { readCommit } from '../log/commit-record.js'
import type { CommitLog } from '../ports/commit-log.js'
import { RepriseError } from '../protocol/errors.js'
import type { RunId } from '../protocol/ids.js'
import { readTime, type TimeInput } from '../protocol/time.js'

/**
 * A place in the log of a run. `version`: behind so many events, 0 is before the first. `back`: so many events before the
 * newest, 0 is the head. `at`: behind every commit up to the first one that is later than this time.
 */
export type Where = { readonly version: number } | { readonly back: number } | { readonly at: TimeInput }

/** Where reading stops: `version` may be more than there is. */
export type Stop = { readonly version: number } | { readonly at: string }

/**
 * Reads the newest commit where that is needed. `RUN_UNKNOWN` without one, `VERSION_UNKNOWN` before the first event,
 * `INVALID_INPUT` for what is no place.
 */
export async function stopOf(log: CommitLog, runId: RunId, where: Where): Promise<Stop> {
  if ('at' in where) {
    const at = readTime(where.at)
    if (at === null) throw noPlace('a time must be a Date, or ISO 8601 with its zone')
    return { at }
  }
  const number = 'back' in where ? where.back : where.version
  if (!Number.isSafeInteger(number) || number < 0) throw noPlace('a version must be a whole number from 0')
  if ('version' in where) return where
  if (where.back === 0) return { version: Number.POSITIVE_INFINITY }
  const events = await versionOfHead(log, runId)
  if (events < where.back) throw unknownVersion(runId, `${where.back} events before its head`, events)
  return { version: events - where.back }
}

async function versionOfHead(log: CommitLog, runId: RunId): Promise<number> {
  const head = await log.head(runId)
  if (head === null) throw unknownRun(runId)
  for await (const [line] of log.read(runId, head.index)) {
    if (line !== undefined) return readCommit(line, head.index).version
  }
  throw unknownRun(runId)
}

const noPlace = (why: string): RepriseError =>
  new RepriseError('INVALID_INPUT', `This is no place in a log: ${why}. Nothing was read.`)

export const unknownVersion = (runId: RunId, asked: string, events: number): RepriseError =>
  new RepriseError(
    'VERSION_UNKNOWN',
    `Run ${runId} has no ${asked}: its log has ${events} events. Ask for a version from 0 to ${events}.`,
    { details: { runId, events } },
  )

/** `openedAt`: of its first commit. */
export const beforeOpening = (runId: RunId, at: string, openedAt: string): RepriseError =>
  new RepriseError(
    'VERSION_UNKNOWN',
    `Run ${runId} was not there yet at ${at}: its first commit is of ${openedAt}. Ask for a later time, or a version.`,
    { details: { runId, openedAt } },
  )
