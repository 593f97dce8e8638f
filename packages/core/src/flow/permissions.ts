import { type Command, commandSchema } from '../protocol/commands.js'
import type { TaskId } from '../protocol/ids.js'
import type { RunState } from '../protocol/state.js'
import { epochMs, isoTime } from '../protocol/time.js'
import { type DecideContext, type Decision, policyOf } from './decision.js'
import { count } from './next-action.js'
import { brokenBudget, brokenLimit, holdReason } from './spawn-rules.js'

/** Whether a command would be taken now, and why, or why not. */
export interface Permission {
  /** `any`: whatever it is. */
  readonly command: Command['type'] | 'any'
  readonly allowed: boolean
  readonly why: string
}

/** `decideCommand`. */
export type Decide = (state: RunState, command: Command, context: DecideContext) => Decision

/**
 * What may be done now and what would be refused to somebody with a context token, by the log alone: a limit on time
 * counts from the newest commit. A command about a task is allowed if there is a task for which it is.
 */
export function permissionsOf(state: RunState, decide: Decide): Permission[] {
  const context = { nowMs: epochMs(state.at), now: state.at, holderId: state.lock?.holder.id ?? '' }
  if (state.mode === 'closed') return [nothing(`the run is ${state.status}; open a new one`)]
  if (state.lock === null) return [nothing('nobody holds the run: open it, then ask for a new briefing')]
  if (state.mode === 'recovering') {
    return [nothing('the resume gates have not passed yet: open the run, then ask for a new briefing')]
  }
  const trial = { state, decide, context }
  const reason = 'trial'
  const { received, stopped, tasks, criteria, pausedReason, blockedReason } = state
  const comesBack = 'nothing more goes out; what is out comes back'
  return [
    dispatchPermission(state, context),
    ofTasks(trial, received, (taskId) => ({ type: 'accept', taskId }), 'no receipt waits for a decision'),
    ofTasks(trial, received, (taskId) => ({ type: 'reject', taskId, reason }), 'no receipt waits for a decision'),
    ofTasks(trial, either(received, stopped), (taskId) => ({ type: 'retry', taskId, reason }), 'nothing to try again'),
    ofTasks(trial, tasks.keys(), (taskId) => ({ type: 'cancel', taskId, reason }), 'no task is open'),
    ofTasks(trial, tasks.keys(), (taskId) => ({ type: 'abandon', taskId, reason }), 'no task is open'),
    tried(trial, { type: 'pause', reason }, comesBack),
    tried(trial, { type: 'unpause', reason }, `the run is ${pausedReason === null ? 'not ' : ''}paused`),
    tried(trial, { type: 'block', reason }, `for something outside that must be mended; ${comesBack}`),
    tried(trial, { type: 'unblock', reason }, `the run is ${blockedReason === null ? 'not ' : ''}blocked`),
    tried(trial, { type: 'meet-criterion', criterion: 1, evidence: reason, tasks: [] }, 'with evidence'),
    tried(
      trial,
      { type: 'reopen-criterion', criterion: 1 + Math.max(0, criteria.findIndex(Boolean)), reason },
      'takes its evidence back',
    ),
    tried(trial, commandSchema.parse({ type: 'complete', summary: reason }), 'all is settled and shown'),
    tried(trial, { type: 'fail', reason }, 'ends the run without success'),
    tried(trial, { type: 'set-checkpoint', dueAt: state.at, note: reason }, 'when somebody should look again'),
    tried(trial, { type: 'note', text: reason }, 'for whoever reads the log'),
    tried(trial, { type: 'close-round', summary: reason }, 'says what was done'),
    { command: 'round', allowed: true, why: 'several of the above in one commit, if one of them changes something' },
  ]
}

interface Trial {
  readonly state: RunState
  readonly decide: Decide
  readonly context: DecideContext
}

const nothing = (why: string): Permission => ({ command: 'any', allowed: false, why })

function tried({ state, decide, context }: Trial, command: Command, why: string): Permission {
  const decision = decide(state, command, context)
  return { command: command.type, allowed: decision.ok, why: decision.ok ? why : decision.refusal.message }
}

/** Of the first of these tasks for which it is allowed, or why it is not for the first of all. */
function ofTasks(
  { state, decide, context }: Trial,
  taskIds: Iterable<TaskId>,
  commandFor: (taskId: TaskId) => Command,
  none: string,
): Permission {
  const command = commandFor('trial' as TaskId).type
  let why = none
  for (const taskId of taskIds) {
    const decision = decide(state, commandFor(taskId), context)
    if (decision.ok) return { command, allowed: true, why: taskWhy[command] ?? '' }
    if (why === none) why = decision.refusal.message
  }
  return { command, allowed: false, why }
}

const taskWhy: Partial<Record<Command['type'], string>> = {
  accept: 'what came back and is as it should be',
  reject: 'what came back and is not; it then waits as stopped',
  retry: 'what came back or stopped, while attempts are left',
  cancel: 'what is not wanted any more, with the tasks that need it',
  abandon: 'what cannot be done, with the tasks that need it',
}

function* either(...sets: readonly ReadonlySet<TaskId>[]): Generator<TaskId> {
  for (const set of sets) yield* set
}

function dispatchPermission(state: RunState, context: DecideContext): Permission {
  const command = 'dispatch'
  const { received, counts } = state
  if (received.size > 0) {
    return {
      command,
      allowed: false,
      why: `${count(received.size, 'receipt')} must be decided first, or in the same round (EVALUATE_FIRST)`,
    }
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
