import { readCommit, readRecordShape } from '../log/commit-record.js'
import type { CommitLog } from '../ports/commit-log.js'
import { RepriseError } from '../protocol/errors.js'
import type { RunId } from '../protocol/ids.js'
import { issueToken, readToken } from './context-token.js'
import { type Changes, readChanges } from './read-changes.js'

/** Events that are told of, at most, unless a caller says otherwise: here, and with a refusal. */
export const changesMax = 50

/**
 * What has happened in a run since a context token was issued, for who does not hold the run: `execute` tells it with a
 * refusal, a refused `sendCommand` does not. Reads the first commit and the end of the log. `max`: how many events are told
 * of, the newest, 1 to 1,000. `RUN_UNKNOWN` if there is no such run, `TOKEN_INVALID` if the token is not of this one.
 */
export async function changesSince(
  log: CommitLog,
  runId: RunId,
  token: string,
  options: { readonly max?: number } = {},
): Promise<Changes> {
  return (await standingSince(log, runId, token, options)).changes
}

/** Where a run has got to since a context token was issued. */
export interface StandingSince {
  /** Of the newest commit that was read. */
  readonly version: number
  readonly changes: Changes
  /** For who has read them. */
  readonly token: string
}

/** As `changesSince`, with the version that this leads to and a context token for it. */
export async function standingSince(
  log: CommitLog,
  runId: RunId,
  token: string,
  { max = changesMax }: { readonly max?: number } = {},
): Promise<StandingSince> {
  if (!Number.isInteger(max) || max < 1 || max > 1_000) {
    throw new RepriseError(
      'INVALID_INPUT',
      `The changes of run ${runId} were asked for with a max of ${max}: pass 1 to 1,000.`,
    )
  }
  const head = await log.head(runId)
  const first = head && (await lineAt(log, runId, 0))
  const last = head && (await lineAt(log, runId, head.index))
  if (head === null || first === null || last === null) {
    throw new RepriseError('RUN_UNKNOWN', `There is no run ${runId}. Check the run id and where the adapter points.`, {
      details: { runId },
    })
  }
  readCommit(first, 0)
  const firstHash = readRecordShape(first)?.hash ?? ''
  const { version, epoch, actor: holder } = readCommit(last, head.index)
  const basis = readToken(runId, token, firstHash, { version })
  const changes = await readChanges(log, runId, basis.version, { commits: head.index + 1, version }, max)
  return { version, changes, token: issueToken(runId, { version, epoch, holder }, firstHash) }
}

async function lineAt(log: CommitLog, runId: RunId, index: number): Promise<string | null> {
  for await (const lines of log.read(runId, index)) for (const line of lines) return line
  return null
}
