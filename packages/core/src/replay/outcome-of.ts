import { upcastCommit } from '../coordinator/load-run.js'
import { initialState } from '../flow/reduce-event.js'
import { ChainReader } from '../log/chain-reader.js'
import { RepriseError } from '../protocol/errors.js'
import type { Mode, Status } from '../protocol/events.js'
import type { RunId } from '../protocol/ids.js'
import { sha256 } from '../protocol/sha256.js'
import { type Counts, type Outcome, type RunState, settledOutcome, type TaskPhase } from '../protocol/state.js'
import { findBroken } from './bisect.js'
import { FoldTo } from './fold-to.js'
import type { InvariantName } from './invariants.js'

/** What a log, or its beginning, comes to: plain data, and the same for the same lines in every later version. */
export interface LogOutcome {
  readonly runId: string
  readonly commits: number
  readonly version: number
  /** Hash of the commit that holds the event of that version. */
  readonly head: string
  readonly status: Status
  readonly mode: Mode
  /** The summary or the reason with which it ended. */
  readonly closing: string | null
  readonly pausedReason: string | null
  readonly blockedReason: string | null
  readonly round: number
  /** Numbers of the success criteria that are met, from 1. */
  readonly criteriaMet: readonly number[]
  readonly counts: Readonly<Counts>
  readonly spent: { readonly tokens: number; readonly costUsd: number }
  /** Every task with its outcome, or the phase that it is in and its attempt; by id. */
  readonly tasks: readonly (readonly [taskId: string, outcome: Outcome | `${TaskPhase} ${number}`])[]
  /** sha256 of `tasks` as JSON. */
  readonly tasksDigest: string
}

/**
 * Checks the hash chain of these lines and folds them, up to `version` if it is given. `LOG_CORRUPT` at the first bad
 * commit, `LOG_TOO_NEW`; `VERSION_UNKNOWN` if the lines do not reach that version.
 */
export function outcomeOf(lines: Iterable<string>, { version }: { readonly version?: number } = {}): LogOutcome {
  const fold = new FoldTo({ version: version ?? Number.POSITIVE_INFINITY }, initialState())
  const chain = new ChainReader()
  for (const line of lines) if (!fold.take(upcastCommit(chain.next(line)))) break
  const { state } = fold
  if (version !== undefined && state.version !== version) {
    throw new RepriseError('VERSION_UNKNOWN', `The lines end at version ${state.version}, before version ${version}.`)
  }
  const { status, mode, closing, pausedReason, blockedReason, round, criteria, counts, spent } = state
  const tasks = tasksOf(state)
  return {
    ...{ runId: state.runId ?? '', commits: chain.commits, version: state.version, head: chain.head },
    ...{ status, mode, closing, pausedReason, blockedReason, round },
    criteriaMet: criteria.flatMap((met, i) => (met === null ? [] : [i + 1])),
    counts: { ...counts },
    spent: { ...spent },
    tasks,
    tasksDigest: sha256(JSON.stringify(tasks)),
  }
}

/** The first invariant that these lines break, up to `version`. */
export interface BrokenInvariant {
  readonly invariant: InvariantName
  /** Of the run with the event that breaks it. */
  readonly version: number
  readonly problem: string
}

/** `null` if the lines, up to `version` if it is given, keep every invariant. Fails as `outcomeOf`. */
export async function brokenIn(
  lines: readonly string[],
  { version = Number.POSITIVE_INFINITY }: { readonly version?: number } = {},
): Promise<BrokenInvariant | null> {
  const read = async function* (): AsyncGenerator<string[], void> {
    yield [...lines]
  }
  const { runId } = outcomeOf(lines)
  const { found } = await findBroken({ read }, runId as RunId)
  if (found === null || found.broken === null || found.version > version) return null
  const { invariant, problem } = found.broken
  return { invariant, version: found.version, problem }
}

function tasksOf({ tasks, settled }: RunState): LogOutcome['tasks'] {
  const all: [string, LogOutcome['tasks'][number][1]][] = []
  for (const [taskId, packed] of settled) all.push([taskId, settledOutcome(packed)])
  for (const [taskId, { phase, attempt }] of tasks) all.push([taskId, `${phase} ${attempt}`])
  return all.sort(([a], [b]) => (a < b ? -1 : 1))
}
