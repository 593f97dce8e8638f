import type { Command } from '../protocol/commands.js'
import type { RunState } from '../protocol/state.js'
import { epochMs, isoTime } from '../protocol/time.js'
import { type DecideContext, type Decision, policyOf } from './decision.js'
import { count } from './next-action.js'
import { brokenBudget, brokenLimit, holdReason } from './spawn-rules.js'

/** Whether a command would be taken now, and why, or why not. */
export interface Permission {
  readonly command: Command['type']
  readonly allowed: boolean
  readonly why: string
}

/** A command about no task in particular, to be tried on a state. */
type Trial = (state: RunState, command: Command, context: DecideContext) => Decision

/**
 * What may be done now and what would be refused, with a context token, by the log alone: a limit on time counts from the
 * newest commit.
 */
export function permissionsOf(state: RunState, decide: Trial): Permission[] {
  const context = { nowMs: epochMs(state.at), now: state.at, holderId: state.lock?.holder.id ?? '' }
  const tried = (command: Command, why: string): Permission => {
    const decision = decide(state, command, context)
    return decision.ok
      ? { command: command.type, allowed: true, why }
      : { command: command.type, allowed: false, why: decision.refusal.message }
  }
  if (state.mode === 'closed' || state.mode === 'recovering' || state.lock === null) {
    return [tried({ type: 'note', text: 'trial' }, 'the run is open')]
  }
  const { received, stopped, tasks } = state
  const reason = 'trial'
  const ofReceipts =
    received.size > 0 ? `${count(received.size, 'receipt')} wait for it` : 'no receipt waits for a decision'
  const ofTasks = tasks.size > 0 ? `${count(tasks.size, 'task')} are open` : 'no task is open'
  return [
    dispatchPermission(state, context),
    { command: 'accept', allowed: received.size > 0, why: ofReceipts },
    { command: 'reject', allowed: received.size > 0, why: ofReceipts },
    {
      command: 'retry',
      allowed: received.size + stopped.size > 0,
      why:
        received.size + stopped.size > 0
          ? 'for what came back or stopped, while attempts are left'
          : 'nothing came back or stopped',
    },
    { command: 'abandon', allowed: tasks.size > 0, why: ofTasks },
    { command: 'cancel', allowed: tasks.size > 0, why: ofTasks },
    tried({ type: 'pause', reason }, 'nothing more goes out; what is out comes back'),
    tried({ type: 'unpause', reason }, 'the run is paused'),
    tried({ type: 'block', reason }, 'as pause, for something outside'),
    tried({ type: 'unblock', reason }, 'the run is blocked'),
    tried(
      { type: 'complete', summary: reason, evidence: [] },
      'everything is settled and every criterion has evidence',
    ),
  ]
}

function dispatchPermission(state: RunState, context: DecideContext): Permission {
  const command = 'dispatch'
  const { received, counts } = state
  if (received.size > 0) {
    return { command, allowed: false, why: `${count(received.size, 'receipt')} must be decided first (EVALUATE_FIRST)` }
  }
  const broken = brokenBudget(state, context) ?? brokenLimit(state, counts.tasks, 0)
  if (broken !== null) {
    return { command, allowed: false, why: `${broken.rule} is ${broken.limit} and the run stands at ${broken.value}` }
  }
  const hold = holdReason(state)
  if (hold !== null)
    return { command, allowed: true, why: `but nothing goes out: the run is ${hold}; tasks are planned` }
  const slots = Math.max(0, policyOf(state).inFlightMax - counts.out)
  return {
    command,
    allowed: true,
    why: slots > 0 ? `${count(slots, 'slot')} free` : 'no slot is free; tasks are planned',
  }
}

/** A limit and how much of it is used; `max: null`: no limit. */
export interface Budget {
  readonly used: number
  readonly max: number | null
}

export interface Budgets {
  readonly tasks: Budget
  readonly inFlight: Budget
  readonly tokens: Budget
  readonly costUsd: Budget
  /** Nothing is dispatched after this time; `null`: no limit. */
  readonly dispatchUntil: string | null
}

export function budgetsOf(state: RunState): Budgets {
  const { tasksMax, inFlightMax, tokensMax, costUsdMax, wallClockMsMax } = policyOf(state)
  const { counts, spent, openedAt } = state
  return {
    tasks: { used: counts.tasks, max: tasksMax },
    inFlight: { used: counts.out, max: inFlightMax },
    tokens: { used: spent.tokens, max: tokensMax },
    costUsd: { used: spent.costUsd, max: costUsdMax },
    dispatchUntil: wallClockMsMax === null || openedAt === null ? null : isoTime(epochMs(openedAt) + wallClockMsMax),
  }
}
