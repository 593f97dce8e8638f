import type { Mode, Status } from '../protocol/events.js'
import type { JsonValue } from '../protocol/json.js'
import { beginning, quotedLine } from '../protocol/one-line.js'
import type { Receipt } from '../protocol/receipt.js'
import type { Remembered, RunState } from '../protocol/state.js'
import { describeEvent } from './describe-event.js'
import { blockersOf, nextAction } from './next-action.js'
import { type Budgets, budgetsOf, type Decide, type Permission, permissionsOf } from './permissions.js'
import { type ReceivedTaskView, type RunView, type StoppedTaskView, viewOf } from './run-view.js'

/** What a briefing lists at most, whatever its budget: `RunView` has all. Longer texts than a reader takes in are cut off. */
const listedMax = { received: 100, stopped: 100, out: 200, planned: 50 }
const namesMax = 10
const outputMax = 4_000
const inputMax = 500

/** A list of which only some are told. */
export interface Told<T> {
  readonly total: number
  readonly items: readonly T[]
}

/** The beginning of a JSON text, and how long the whole is: all of it, if that is as long. */
export interface Excerpt {
  readonly json: string
  readonly length: number
}

export interface BriefedCriterion {
  readonly number: number
  readonly text: string
  /** `null`: open. */
  readonly evidence: string | null
}

/** By the worker's own account. */
interface WorkerAccount {
  readonly stoppedAt: string | null
  readonly resumeInstructions: string | null
}

interface BriefedTask {
  readonly taskId: string
  readonly kind: string
  /** Who answers for it. */
  readonly owner: string
  readonly attempt: number
}

interface BriefedReturn extends BriefedTask, WorkerAccount {
  readonly attemptsMax: number
  readonly input: Excerpt
}

export interface BriefedReceipt extends BriefedReturn {
  /** What was to come back, as whoever dispatched it has said. */
  readonly returns: string | null
  readonly worker: string
  readonly status: Receipt['status']
  readonly error: string | null
  readonly output: Excerpt
  readonly artifacts: Told<{ readonly name: string; readonly bytes: number }>
  /** What the worker asks for: `RunView` has them ready to dispatch. */
  readonly spawnRequests: Told<{ readonly taskId: string; readonly kind: string }>
}

export interface BriefedStop extends BriefedReturn {
  readonly reason: string
}

export interface BriefedAttempt extends BriefedTask {
  readonly since: string
  readonly dueAt: string
}

export interface BriefedPlan {
  readonly taskId: string
  readonly kind: string
  readonly notBefore: string | null
  /** Tasks that must be accepted first. */
  readonly waitingFor: number
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
  /** Who holds the run, by the log: whether that process is alive is not in it. */
  readonly holder: { readonly id: string; readonly since: string } | null
  readonly status: Status
  readonly mode: Mode
  readonly reason: string | null
  readonly round: number
  readonly nextAction: string
  readonly checkpoint: { readonly dueAt: string; readonly note: string } | null
  readonly blockers: readonly string[]
  readonly goal: string
  /** The run whose history up to that version this one goes on from. */
  readonly forkedFrom: { readonly runId: string; readonly version: number } | null
  readonly criteria: readonly BriefedCriterion[]
  readonly received: Told<BriefedReceipt>
  readonly stopped: Told<BriefedStop>
  readonly out: Told<BriefedAttempt>
  readonly planned: Told<BriefedPlan>
  readonly settled: { readonly accepted: number; readonly cancelled: number; readonly abandoned: number }
  /** How many were refused at a gate. They changed nothing; the log has each with its gate. */
  readonly receiptsRefused: number
  readonly lastAccepted: Told<BriefedEvent>
  /** What was decided, and why: newest last, as the lists below. */
  readonly decisions: Told<BriefedEvent>
  /** What went wrong by itself. */
  readonly troubles: Told<BriefedEvent>
  /** Commands from elsewhere that were refused. */
  readonly refusals: Told<BriefedEvent>
  readonly notes: Told<BriefedEvent>
  readonly budgets: Budgets | null
  readonly may: readonly Permission[]
  /** What was left out or cut off to keep to a token budget, each with its last step, in the order of these. */
  readonly dropped: readonly string[]
}

/** Everything that a briefing of this state can tell. See `fitBriefing`. */
export function briefingOf(state: RunState, decide: Decide): Briefing {
  const view = viewOf(state, listedMax)
  const { recent, counts, lock } = state
  const { accepted, cancelled, abandoned } = counts
  const accepts = recent.settled.filter(({ event }) => event.type === 'task-accepted')
  return {
    format: 'reprise-briefing-v1',
    ...headOf(view, state),
    holder: lock && { id: lock.holder.id, since: lock.at },
    nextAction: nextAction(state, quotedLine),
    checkpoint: view.checkpoint && { dueAt: view.checkpoint.dueAt, note: view.checkpoint.note },
    blockers: blockersOf(state),
    goal: view.goal,
    forkedFrom: state.forkedFrom && { runId: state.forkedFrom.runId, version: state.forkedFrom.version },
    criteria: view.criteria.map(({ number, text, met }) => ({ number, text, evidence: met?.evidence ?? null })),
    received: told(counts.received, view.received, briefedReceipt),
    stopped: told(counts.stopped, view.stopped, briefedStop),
    out: told(counts.out, view.out, ({ taskId, kind, owner, attempt, since, dueAt }) => {
      return { taskId, kind, owner, attempt, since, dueAt }
    }),
    planned: told(counts.planned, view.planned, ({ taskId, kind, notBefore, waitingFor }) => {
      return { taskId, kind, notBefore, waitingFor }
    }),
    settled: { accepted, cancelled, abandoned },
    receiptsRefused: counts.receiptsRejected,
    lastAccepted: eventsOf(accepts, accepted),
    decisions: eventsOf([...recent.decisions, ...recent.givenUp].sort((a, b) => a.version - b.version)),
    troubles: eventsOf(recent.troubles),
    refusals: eventsOf(recent.refusals, counts.commandsRefused),
    notes: eventsOf(recent.notes),
    budgets: state.policy === null ? null : budgetsOf(state),
    may: permissionsOf(state, decide),
    dropped: [],
  }
}

const headOf = ({ runId, version, epoch, status, mode, reason, round }: RunView, { at }: RunState) => {
  return { runId, version, epoch, at, status, mode, reason, round }
}

function briefedReceipt(task: ReceivedTaskView): BriefedReceipt {
  const { worker, status, error, artifacts } = task.receipt
  return {
    ...briefedReturn(task, task.receipt),
    returns: task.returns,
    worker: worker.id,
    status,
    error: error?.message ?? null,
    output: excerpt(task.output, outputMax),
    artifacts: told(artifacts.length, artifacts.slice(0, namesMax), ({ name, bytes }) => ({ name, bytes })),
    spawnRequests: told(task.spawnRequests.length, task.spawnRequests.slice(0, namesMax), ({ taskId, kind }) => ({
      taskId,
      kind,
    })),
  }
}

const briefedStop = (task: StoppedTaskView): BriefedStop => ({
  ...briefedReturn(task, task.receipt),
  reason: task.reason,
})

const briefedReturn = (
  { taskId, kind, owner, attempt, attemptsMax, input }: ReceivedTaskView | StoppedTaskView,
  receipt: Receipt | null,
): BriefedReturn => ({
  ...{ taskId, kind, owner, attempt, attemptsMax, input: excerpt(input, inputMax) },
  stoppedAt: receipt?.error?.stoppedAt ?? null,
  resumeInstructions: receipt?.error?.resumeInstructions ?? null,
})

function excerpt(value: JsonValue, charactersMax: number): Excerpt {
  const json = JSON.stringify(value)
  return { json: beginning(json, charactersMax), length: json.length }
}

const told = <T, U>(total: number, items: readonly T[], tell: (item: T) => U): Told<U> => ({
  total,
  items: items.map(tell),
})

/** `total`: how many there ever were, if that is known. */
const eventsOf = (remembered: readonly Remembered[], total = remembered.length): Told<BriefedEvent> => ({
  total,
  items: remembered.map(({ version, at, event }) => ({ version, at, text: describeEvent(event) })),
})
