import type { ChecklistItem, Mode, RunEvent, Status } from './events.js'
import type { RunId, TaskId } from './ids.js'
import type { Policy } from './policy.js'
import type { Receipt } from './receipt.js'
import type { TaskSpec } from './task.js'

export const taskPhases = ['planned', 'out', 'received', 'stopped'] as const
/** `stopped`: expired, rejected or failed, and nothing follows by itself: retry, abandon or cancel it. */
export type TaskPhase = (typeof taskPhases)[number]
export const outcomes = ['accepted', 'cancelled', 'abandoned'] as const
export type Outcome = (typeof outcomes)[number]

/** A task that is not settled. */
export interface OpenTask {
  readonly spec: TaskSpec
  phase: TaskPhase
  /** The newest attempt; for `planned`, the one that is planned. */
  attempt: number
  /** `planned`: not before this time. */
  notBefore: string | null
  /** `planned`: tasks in `spec.after` that are not accepted yet. */
  waitingFor: number
  /** From the newest dispatch on. */
  digest: string | null
  epoch: number
  deadlineAt: string | null
  dispatchedAt: string | null
  /** Version of the newest event about it. */
  changedAt: number
  /** `received` and, after a failed receipt, `stopped`. */
  receipt: Receipt | null
  /** `stopped`: why. */
  stopReason: string | null
}

/** A thing that happened, kept for whoever must be told where the run stands. */
export interface Remembered {
  readonly version: number
  readonly at: string
  readonly event: RunEvent
}

/** The newest events of some kinds, oldest first, a bounded number of each: a briefing needs no second reading. */
export interface RecentEvents {
  /** Decisions that have a reason, and who took the run over. */
  readonly decisions: Remembered[]
  readonly notes: Remembered[]
  readonly settled: Remembered[]
  /** What went wrong by itself. */
  readonly troubles: Remembered[]
  /** Tasks that somebody cancelled or abandoned, with the reason; not those that only needed one of them. */
  readonly givenUp: Remembered[]
  /** Commands that were refused. A list of its own: whoever sends rubbish pushes out nothing else. */
  readonly refusals: Remembered[]
}

/** Evidence for a success criterion. */
export interface CriterionEvidence {
  readonly evidence: string
  readonly tasks: readonly TaskId[]
  readonly version: number
  readonly at: string
}

export interface DelayEntry {
  readonly notBefore: string
  readonly taskId: TaskId
}

export interface Counts {
  /** Tasks ever taken in. */
  tasks: number
  planned: number
  out: number
  received: number
  stopped: number
  accepted: number
  cancelled: number
  abandoned: number
  attempts: number
  retries: number
  expired: number
  receiptsRejected: number
  spawnsRefused: number
  commandsRefused: number
}

/** Where a sender stands: every `seq` below `next` was decided, and those in `ahead`. */
export interface SenderState {
  next: number
  readonly ahead: Set<number>
}

/**
 * What the log says. `reduceEvent` owns it and changes it in place: folding must not copy task tables. Everybody
 * else reads.
 */
export interface RunState {
  runId: RunId | null
  goal: string
  successCriteria: readonly string[]
  /** One per success criterion; `null`: not met yet. */
  criteria: (CriterionEvidence | null)[]
  policy: Policy | null
  /** Of a fork: when it was forked. */
  openedAt: string | null
  /** The run whose history up to that version this one goes on from. */
  forkedFrom: { readonly runId: RunId; readonly version: number; readonly hash: string } | null
  /** Number of events folded. */
  version: number
  /** Time of the commit being folded. */
  at: string
  epoch: number
  lock: {
    readonly holder: { readonly id: string; readonly host: string; readonly pid: number }
    readonly at: string
  } | null
  mode: Mode
  status: Status
  pausedReason: string | null
  blockedReason: string | null
  /** Set by `run-completed` and `run-failed`: the summary or the reason. */
  closing: string | null
  /** Set by `run-completed`: what was checked. */
  checklist: readonly ChecklistItem[] | null
  /** Epoch whose gates have all passed. */
  resumedEpoch: number
  round: number
  checkpoint: { readonly dueAt: string; readonly note: string } | null
  /** Version of the newest event that changed what may be done at all: paused, blocked, a criterion, the lock. */
  statusChangedAt: number
  /** Version of the newest event by which work came back, or stopped. */
  resultsChangedAt: number
  /** Version of the newest event by which a new task came in, or one that had stopped is tried again. */
  takenInAt: number
  recent: RecentEvents
  tasks: Map<TaskId, OpenTask>
  /** Outcome and depth, packed by `packSettled`: a few bytes per settled task. */
  settled: Map<TaskId, number>
  /** Planned tasks that could go out now, per priority 0 to 9, oldest first. */
  ready: readonly Set<TaskId>[]
  /** Planned tasks that wait for a time only: a heap, earliest first. See `flow/delay-heap`. */
  delayed: DelayEntry[]
  /** Unaccepted tasks that others wait for. */
  dependents: Map<TaskId, TaskId[]>
  /** Received and unsettled, in the order of their receipts. */
  received: Set<TaskId>
  stopped: Set<TaskId>
  counts: Counts
  spent: { tokens: number; costUsd: number }
  senders: Map<string, SenderState>
}

export const packSettled = (outcome: Outcome, depth: number): number => outcomes.indexOf(outcome) + depth * 4
export const settledOutcome = (packed: number): Outcome => outcomes[packed & 3] as Outcome
export const settledDepth = (packed: number): number => packed >> 2
