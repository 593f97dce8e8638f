import { type EventData, type Holder, type RunEvent, resumeGates } from '../protocol/events.js'
import type { RunId } from '../protocol/ids.js'
import type { Policy } from '../protocol/policy.js'
import type { RunState } from '../protocol/state.js'
import { type DecideContext, type Decision, decided, event, refuse } from './decision.js'
import { restingMode } from './mode-table.js'
import { planDeliveries } from './plan-deliveries.js'
import type { GateResult } from './resume-gates.js'
import { brokenBudget } from './spawn-rules.js'

export interface OpenCommand {
  readonly type: 'open'
  readonly runId: RunId
  readonly goal: string
  readonly successCriteria: readonly string[]
  readonly policy: Policy
  readonly holder: Holder
}

export interface TakeOverCommand {
  readonly type: 'take-over'
  readonly holder: Holder
  readonly reason: EventData<'lock-acquired'>['reason']
}

export interface FinishResumeCommand {
  readonly type: 'finish-resume'
  readonly gates: readonly GateResult[]
  readonly corrections: readonly string[]
  readonly redelivered: number
}

/** The first commit of a run. Its index is its fence: of two openers one gets it. */
export function decideOpen(state: RunState, command: OpenCommand): Decision {
  if (state.version > 0) return refuse('RUN_OPEN', `Run ${state.runId} exists already: take it over.`)
  const { runId, goal, policy, holder } = command
  return decided([
    event('run-opened', { runId, goal, successCriteria: [...command.successCriteria], policy }),
    event('lock-acquired', { holder, reason: 'opened' }),
  ])
}

/** Appending this at the head is the takeover: whoever held the run before cannot append any more. */
export function decideTakeOver(state: RunState, command: TakeOverCommand): Decision {
  const { holder, reason } = command
  const takenFrom = state.lock === null ? {} : { takenFrom: state.lock.holder }
  const events: RunEvent[] = [event('lock-acquired', { holder, reason, ...takenFrom })]
  if (state.mode !== 'recovering') {
    events.push(
      event('mode-changed', { from: state.mode, to: 'recovering', reason: 'a coordinator takes the run up again' }),
    )
  }
  return decided(events)
}

/**
 * All gates have passed: the run goes on in the mode that the log supports, and what is out is offered again. A failed
 * gate is recorded and stops it.
 */
export function decideFinishResume(state: RunState, command: FinishResumeCommand): Decision {
  const { gates, corrections, redelivered } = command
  const failed = gates.some((gate) => !gate.pass)
  if (!failed && resumeGates.some((gate, i) => gates[i]?.gate !== gate)) {
    return refuse(
      'GATE_FAILED',
      `Run ${state.runId} has not passed all ${resumeGates.length} resume gates in their order. Open the run again.`,
    )
  }
  const events: RunEvent[] = [event('resumed', { gates: [...gates], corrections: [...corrections], redelivered })]
  if (failed) return decided(events)
  events.push(rest(state, 'every resume gate has passed'))
  return decided(events, { offers: planDeliveries(state) })
}

/** Leaves the mode that the next reader finds: what there is to do. Part of a commit that changed it. */
export function decideRest(state: RunState): Decision {
  if (state.mode === 'recovering' || state.mode === 'closed' || state.mode === restingMode(state)) return decided([])
  return decided([rest(state, restReason(state))])
}

const rest = (state: RunState, reason: string): RunEvent =>
  event('mode-changed', { from: state.mode, to: restingMode(state), reason })

function restReason(state: RunState): string {
  if (state.received.size > 0) return 'there are receipts to evaluate'
  return state.counts.out + state.counts.planned > 0 ? 'there is nothing to do but wait' : 'nothing is out'
}

/** What is left of the budgets, for the resume gate and reports. */
export function budgetEvidence(state: RunState, context: DecideContext): string {
  const broken = brokenBudget(state, context)
  if (broken !== null)
    return `${broken.rule} is used up (${broken.value} of ${broken.limit}): nothing more is dispatched`
  const { tokens, costUsd } = state.spent
  return `${state.counts.tasks} tasks, ${tokens} tokens, ${costUsd} USD so far: within every limit`
}
