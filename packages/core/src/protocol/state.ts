import type { Mode, Status } from './events.js'
import type { RunId, TaskId } from './ids.js'
import type { Policy } from './policy.js'
import type { Receipt } from './receipt.js'
import type { TaskSpec } from './task.js'

/** `stopped`: expired, rejected or failed, and nothing follows by itself: retry, abandon or cancel it. */
export type TaskPhase = 'planned' | 'out' | 'received' | 'stopped'
export type Outcome = 'accepted' | 'cancelled' | 'abandoned'

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
  /** `received` and, after a failed receipt, `stopped`. */
  receipt: Receipt | null
  /** `stopped`: why. */
  stopReason: string | null
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
  policy: Policy | null
  openedAt: string | null
  /** Number of events folded. */
  version: number
  /** Time of the commit being folded. */
  at: string
  epoch: number
  lock: { readonly holder: { readonly id: string; readonly host: string; readonly pid: number } } | null
  mode: Mode
  status: Status
  pausedReason: string | null
  blockedReason: string | null
  /** Set by `run-completed` and `run-failed`: the summary or the reason. */
  closing: string | null
  /** Epoch whose gates have all passed. */
  resumedEpoch: number
  round: number
  checkpoint: { readonly dueAt: string; readonly note: string } | null
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

const outcomes = ['accepted', 'cancelled', 'abandoned'] as const satisfies Outcome[]

export const packSettled = (outcome: Outcome, depth: number): number => outcomes.indexOf(outcome) + depth * 4
export const settledOutcome = (packed: number): Outcome => outcomes[packed & 3] as Outcome
export const settledDepth = (packed: number): number => packed >> 2
