import { contradiction, unknownRun, upcastCommit } from '../coordinator/load-run.js'
import { type RunStatus, statusOf } from '../coordinator/run-status.js'
import { initialState, reduceEvent } from '../flow/reduce-event.js'
import { ChainReader } from '../log/chain-reader.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { Commit, RunEvent } from '../protocol/events.js'
import type { RunId } from '../protocol/ids.js'
import type { RunState } from '../protocol/state.js'
import { checkIsLogOf } from './check-is-log-of.js'
import type { EventPlace } from './invariants/invariant.js'
import { type InvariantName, invariantNames, invariants } from './invariants.js'

/** Looks at the state behind each event; the state is only lent: read it now, keep nothing of it. */
export type Condition = (state: RunState, event: RunEvent, commit: Commit) => boolean

/** An event at which something holds, or breaks, for the first time. */
export interface FoundEvent {
  /** Number of events up to it. */
  readonly version: number
  /** Of its commit. */
  readonly index: number
  readonly at: string
  readonly actor: string
  readonly epoch: number
  readonly event: RunEvent
  /** Without the event. */
  readonly before: RunStatus
  /** With it; `null` if it cannot be folded. */
  readonly after: RunStatus | null
  /** What it breaks, and how; `null` where a condition was looked for. */
  readonly broken: { readonly invariant: InvariantName; readonly problem: string } | null
}

export interface BisectReport {
  readonly found: FoundEvent | null
  /** Events that were looked at. */
  readonly version: number
  readonly commits: number
}

/**
 * The first event behind which a condition holds. One pass over the log from its start, each event folded once, every
 * commit checked; memory as for one state. Not a search by halves: what once held may not hold at the end. `RUN_UNKNOWN`
 * without a log; `LOG_CORRUPT`, `LOG_TOO_NEW` and `RUN_MISMATCH` as `loadRun`. What the condition throws is passed on.
 */
export const bisect = (log: CommitLog, runId: RunId, condition: Condition): Promise<BisectReport> =>
  firstFound(log, runId, {
    before: () => null,
    after: (state, event, { commit }) => (condition(state, event, commit) ? holds : null),
    unfoldable: (error, { commit }) => {
      throw contradiction(runId, commit.index, error)
    },
  })

/** As `bisect`: the first event that breaks one of these invariants. Default: any of them. */
export function findBroken(
  log: Pick<CommitLog, 'read'>,
  runId: RunId,
  names: readonly InvariantName[] = invariantNames,
): Promise<BisectReport> {
  const checks = names.map((invariant) => ({ invariant, ...invariants[invariant].begin() }) as NamedCheck)
  const early = checks.filter(({ before }) => before !== undefined)
  const late = checks.filter(({ after }) => after !== undefined)
  const first = (among: readonly NamedCheck[], when: 'before' | 'after', ...seen: Parameters<Probe['after']>) => {
    for (const check of among) {
      const problem = check[when]?.(...seen) ?? null
      if (problem !== null) return { invariant: check.invariant, problem }
    }
    return null
  }
  return firstFound(log, runId, {
    before: (...seen) => first(early, 'before', ...seen),
    after: (...seen) => first(late, 'after', ...seen),
    unfoldable: (error, { commit }) => {
      if (!names.includes('can-be-folded')) throw contradiction(runId, commit.index, error)
      return { invariant: 'can-be-folded', problem: error instanceof Error ? error.message : String(error) }
    },
  })
}

type NamedCheck = { readonly invariant: InvariantName } & Partial<Record<'before' | 'after', Look>>
type Look = (state: RunState, event: RunEvent, place: EventPlace) => string | null

const holds = 'holds'
type Found = typeof holds | NonNullable<FoundEvent['broken']>

interface Probe {
  readonly before: (state: RunState, event: RunEvent, place: EventPlace) => Found | null
  readonly after: (state: RunState, event: RunEvent, place: EventPlace) => Found | null
  readonly unfoldable: (error: unknown, place: EventPlace) => Found
}

async function firstFound(log: Pick<CommitLog, 'read'>, runId: RunId, probe: Probe): Promise<BisectReport> {
  const chain = new ChainReader()
  const walk = new EventWalk(probe)
  for await (const lines of log.read(runId)) {
    for (const line of lines) {
      const found = walk.take(upcastCommit(chain.next(line)))
      if (found === null) continue
      // A log that breaks an invariant may do so by whose it says that it is.
      if (found.broken === null) await checkIsLogOf(log, runId, walk.runId)
      return { found, version: found.version, commits: chain.commits }
    }
  }
  if (chain.commits === 0) throw unknownRun(runId)
  await checkIsLogOf(log, runId, walk.runId)
  return { found: null, version: chain.version, commits: chain.commits }
}

/** Folds event by event, and looks on both sides of each. */
class EventWalk {
  private state = initialState()

  constructor(private readonly probe: Probe) {}

  get runId(): RunId | null {
    return this.state.runId
  }

  take(commit: Commit): FoundEvent | null {
    const last = commit.events.length - 1
    for (let i = 0; i <= last; i++) {
      const place = { commit, version: this.state.version + 1, isLast: i === last }
      const found = this.look(commit.events[i] as RunEvent, place)
      if (found !== null) return found
    }
    return null
  }

  private look(event: RunEvent, place: EventPlace): FoundEvent | null {
    const before = statusOf(this.state)
    const early = this.probe.before(this.state, event, place)
    let unfoldable: Found | null = null
    try {
      this.state.at = place.commit.at
      this.state = reduceEvent(this.state, event)
    } catch (error) {
      unfoldable = early ?? this.probe.unfoldable(error, place)
    }
    const found = early ?? unfoldable ?? this.probe.after(this.state, event, place)
    if (found === null) return null
    const { index, at, actor, epoch } = place.commit
    return {
      ...{ version: place.version, index, at, actor, epoch, event, before },
      after: unfoldable === null ? statusOf(this.state) : null,
      broken: found === holds ? null : found,
    }
  }
}
