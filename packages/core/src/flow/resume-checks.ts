import type { Mode } from '../protocol/events.js'
import { limits } from '../protocol/limits.js'
import type { RunState, TaskPhase } from '../protocol/state.js'
import { budgetEvidence } from './decide-lock.js'
import type { DecideContext } from './decision.js'
import { restingMode } from './mode-table.js'
import { planDeliveries } from './plan-deliveries.js'
import { openStatus } from './status-table.js'

/**
 * What a resume gate finds in the state that the log gives. `problem`: the state contradicts itself, which no sequence of
 * decisions leads to, so nothing may be decided on it.
 */
export interface GateFinding {
  readonly evidence: string
  readonly problem: string | null
  /** What differs from the log or from what it supports, and is put right by going on. */
  readonly corrections: readonly string[]
}

const found = (evidence: string, problem: string | null = null, corrections: readonly string[] = []): GateFinding => ({
  evidence,
  problem,
  corrections,
})

const gatesOpen: ReadonlySet<Mode> = new Set(['dispatching', 'awaiting', 'evaluating'])

/** The mode as the log has it before anybody touches it, against what the caller expects and what its tasks support. */
export function checkMode(state: RunState, expected: Mode | null): GateFinding {
  const { mode, status, version, epoch, resumedEpoch, forkedFrom } = state
  if (version === 0) {
    return found('a new run', null, expected === null ? [] : [`mode: the caller expected ${expected}, the run is new`])
  }
  if (mode === 'closed' && status !== 'complete' && status !== 'failed') {
    return found('', `the log says that the run is closed, and has no run-completed or run-failed (it is ${status})`)
  }
  const corrections: string[] = []
  if (expected !== null && expected !== mode) {
    corrections.push(`mode: the caller expected ${expected}, the log says ${mode}; the log is right`)
  }
  if (forkedFrom !== null && version === forkedFrom.version + 1) {
    return found(`a fork of ${forkedFrom.runId}@${forkedFrom.version} that nobody has opened yet`, null, corrections)
  }
  if (mode === 'recovering')
    return found(`the log says recovering: gates of epoch ${epoch} did not all pass`, null, corrections)
  if (gatesOpen.has(mode) && mode !== restingMode(state)) {
    corrections.push(`mode: the log was left ${mode}, what it holds supports ${restingMode(state)}`)
  }
  if (gatesOpen.has(mode) && resumedEpoch !== epoch) {
    corrections.push(`mode: the log was left ${mode} in epoch ${epoch}, whose resume gates never passed`)
  }
  return found(`the log says ${mode}`, null, corrections)
}

/** A status follows from the mode and the reasons; only a fold that is wrong could give another. */
export function checkStatus(state: RunState): GateFinding {
  if (state.version === 0) return found('a new run')
  const { status, mode, pausedReason, blockedReason } = state
  if (mode !== 'closed' && status !== openStatus(state)) {
    return found('', `the status is ${status}, while mode and reasons make it ${openStatus(state)}`)
  }
  const reason = (blockedReason ?? pausedReason)?.slice(0, limits.textMax / 8)
  const both = pausedReason !== null && blockedReason !== null ? ', and paused as well' : ''
  return found(`the log says ${status}${reason === undefined ? '' : ` (${reason})`}${both}`)
}

const phases = ['planned', 'out', 'received', 'stopped'] as const satisfies TaskPhase[]

/** Every open task is counted once, since limits are judged by counts; what is out can be offered again as it was. */
export function checkOutstanding(state: RunState, now: string): GateFinding {
  const counted: Record<TaskPhase, number> = { planned: 0, out: 0, received: 0, stopped: 0 }
  let overdue = 0
  for (const { phase, deadlineAt } of state.tasks.values()) {
    counted[phase]++
    if (phase === 'out' && (deadlineAt ?? now) < now) overdue++
  }
  const { counts } = state
  for (const phase of phases) {
    if (counts[phase] === counted[phase]) continue
    return found('', `the log counts ${counts[phase]} tasks as ${phase}, and there are ${counted[phase]}`)
  }
  const known = state.tasks.size + state.settled.size
  if (counts.tasks !== known)
    return found('', `the log took ${counts.tasks} tasks in, and ${known} are open or settled`)
  const other = redeliveryProblem(state)
  if (other !== null) return found('', other)
  return found(`${counts.out} attempts out, ${overdue} of them overdue; ${counts.planned} tasks planned`)
}

function redeliveryProblem(state: RunState): string | null {
  try {
    planDeliveries(state)
    return null
  } catch (error) {
    return (error as Error).message
  }
}

/** Budgets that are used up stop dispatches, not the resume. A sum that is no number would stop nothing at all. */
export function checkBudget(state: RunState, context: DecideContext): GateFinding {
  const { tokens, costUsd } = state.spent
  for (const [what, sum] of [
    ['tokens', tokens],
    ['costUsd', costUsd],
  ] as const) {
    if (!Number.isFinite(sum) || sum < 0)
      return found('', `what was spent in ${what} is ${String(sum)}, so no limit on it can be kept`)
  }
  return found(budgetEvidence(state, context))
}
