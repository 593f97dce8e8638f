import type { Command } from '../protocol/commands.js'
import type { Mode, Status } from '../protocol/events.js'
import type { Remembered, RunState } from '../protocol/state.js'
import type { DecideContext, Decision } from './decision.js'
import { describeEvent } from './describe-event.js'
import { blockersOf, nextAction } from './next-action.js'
import { type Budgets, budgetsOf, type Permission, permissionsOf } from './permissions.js'
import { viewOf } from './run-view.js'

/** A list of which only some are told. */
export interface Told<T> {
  readonly total: number
  readonly items: readonly T[]
}

export interface BriefedCriterion {
  readonly number: number
  readonly text: string
  /** `null`: open. */
  readonly evidence: string | null
}

export interface BriefedReceipt {
  readonly taskId: string
  readonly kind: string
  readonly owner: string
  readonly attempt: number
  readonly attemptsMax: number
  readonly worker: string
  readonly status: string
  /** JSON text, perhaps cut off. */
  readonly output: string
  readonly artifacts: number
  readonly spawnRequests: number
}

export interface BriefedStop {
  readonly taskId: string
  readonly kind: string
  readonly owner: string
  readonly attempt: number
  readonly attemptsMax: number
  readonly reason: string
  /** By the worker's own account. */
  readonly stoppedAt: string | null
  readonly resumeInstructions: string | null
}

export interface BriefedAttempt {
  readonly taskId: string
  readonly kind: string
  readonly owner: string
  readonly attempt: number
  readonly since: string
  readonly dueAt: string
}

export interface BriefedEvent {
  readonly version: number
  readonly at: string
  readonly text: string
}

/** Where a run stands and what may be done, made from its log alone: the same log gives the same briefing. */
export interface Briefing {
  readonly format: 'reprise-briefing-v1'
  readonly runId: string
  readonly version: number
  readonly epoch: number
  /** Time of the newest commit. */
  readonly at: string
  readonly status: Status
  readonly mode: Mode
  readonly reason: string | null
  readonly round: number
  readonly nextAction: string
  readonly checkpoint: { readonly dueAt: string; readonly note: string } | null
  readonly blockers: readonly string[]
  readonly goal: string
  readonly criteria: readonly BriefedCriterion[]
  readonly received: Told<BriefedReceipt>
  readonly stopped: Told<BriefedStop>
  readonly out: Told<BriefedAttempt>
  readonly planned: Told<{ readonly taskId: string; readonly kind: string; readonly notBefore: string | null }>
  readonly settled: { readonly accepted: number; readonly cancelled: number; readonly abandoned: number }
  readonly lastSettled: Told<BriefedEvent>
  readonly decisions: Told<BriefedEvent>
  readonly troubles: Told<BriefedEvent>
  readonly notes: Told<BriefedEvent>
  readonly budgets: Budgets | null
  readonly may: readonly Permission[]
  /** What was left out or cut off to keep to a token budget, in the order in which it was. */
  readonly dropped: readonly string[]
}

/** Everything that a briefing of this state can tell. See `fitBriefing`. */
export function briefingOf(
  state: RunState,
  decide: (state: RunState, command: Command, context: DecideContext) => Decision,
): Briefing {
  const view = viewOf(state)
  const { accepted, cancelled, abandoned } = state.counts
  const { recent } = state
  return {
    format: 'reprise-briefing-v1',
    runId: view.runId,
    version: view.version,
    epoch: view.epoch,
    at: state.at,
    status: view.status,
    mode: view.mode,
    reason: view.reason,
    round: view.round,
    nextAction: nextAction(state),
    checkpoint: view.checkpoint && { dueAt: view.checkpoint.dueAt, note: view.checkpoint.note },
    blockers: blockersOf(state),
    goal: view.goal,
    criteria: view.criteria.map(({ number, text, met }) => ({ number, text, evidence: met?.evidence ?? null })),
    received: all(
      view.received.map(({ taskId, kind, owner, attempt, attemptsMax, status, receipt }) => ({
        ...{ taskId, kind, owner, attempt, attemptsMax, status },
        worker: receipt.worker.id,
        output: JSON.stringify(receipt.output),
        artifacts: receipt.artifacts.length,
        spawnRequests: receipt.spawnRequests?.length ?? 0,
      })),
    ),
    stopped: all(
      view.stopped.map(({ taskId, kind, owner, attempt, attemptsMax, reason, receipt }) => ({
        ...{ taskId, kind, owner, attempt, attemptsMax, reason },
        stoppedAt: receipt?.error?.stoppedAt ?? null,
        resumeInstructions: receipt?.error?.resumeInstructions ?? null,
      })),
    ),
    out: all(
      view.out.map(({ taskId, kind, owner, attempt, since, dueAt }) => ({
        taskId,
        kind,
        owner,
        attempt,
        since,
        dueAt,
      })),
    ),
    planned: {
      total: state.counts.planned,
      items: view.planned.slice(0, 50).map(({ taskId, kind, notBefore }) => ({ taskId, kind, notBefore })),
    },
    settled: { accepted, cancelled, abandoned },
    lastSettled: eventsOf(recent.settled),
    decisions: eventsOf(recent.decisions),
    troubles: eventsOf(recent.troubles),
    notes: eventsOf(recent.notes),
    budgets: state.policy === null ? null : budgetsOf(state),
    may: permissionsOf(state, decide),
    dropped: [],
  }
}

const all = <T>(items: readonly T[]): Told<T> => ({ total: items.length, items })

const eventsOf = (remembered: readonly Remembered[]): Told<BriefedEvent> =>
  all(remembered.map(({ version, at, event }) => ({ version, at, text: describeEvent(event) })))
