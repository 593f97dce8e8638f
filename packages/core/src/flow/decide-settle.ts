import type { RunEvent } from '../protocol/events.js'
import type { TaskId } from '../protocol/ids.js'
import { type OpenTask, type RunState, settledOutcome } from '../protocol/state.js'
import { epochMs, isoTime } from '../protocol/time.js'
import { attemptsMax } from './decide-dispatch.js'
import {
  type DecideContext,
  type Decision,
  decided,
  event,
  policyOf,
  type Refusal,
  refuse,
  type Withdrawal,
} from './decision.js'
import { neededReason } from './reduce-event.js'

interface OfAttempt {
  readonly taskId: TaskId
  readonly attempt?: number | undefined
}

export function decideAccept(state: RunState, command: OfAttempt): Decision {
  const task = receivedTask(state, command, 'accept')
  if ('code' in task) return { ok: false, refusal: task }
  const status = task.receipt?.status
  // Its rejection by the policy stands in the same commit. A log without it must not make a failure a success.
  if (status === 'failed' || status === 'refused') {
    const { taskId } = command
    return refuse(
      'RECEIPT_NOT_ACCEPTABLE',
      `The receipt of attempt ${task.attempt} of task ${taskId} says ${status}. Reject it, retry it or abandon the task.`,
      { taskId, attempt: task.attempt },
    )
  }
  return decided([event('task-accepted', { taskId: command.taskId, attempt: task.attempt })])
}

export function decideReject(state: RunState, command: OfAttempt & { reason: string }): Decision {
  const task = receivedTask(state, command, 'reject')
  if ('code' in task) return { ok: false, refusal: task }
  const { taskId, reason } = command
  return decided([event('task-rejected', { taskId, attempt: task.attempt, reason, by: 'evaluator' })])
}

/** Plans one more attempt of a task whose receipt is here, or that has stopped. */
export function decideRetry(
  state: RunState,
  command: OfAttempt & { reason: string },
  context: DecideContext,
): Decision {
  const { taskId, reason } = command
  const open = state.tasks.get(taskId)
  const isStopped = open?.phase === 'stopped' && (command.attempt ?? open.attempt) === open.attempt
  const task = isStopped ? open : receivedTask(state, command, 'retry')
  if ('code' in task) return { ok: false, refusal: task }
  if (task.attempt >= attemptsMax(state, task.spec)) {
    return refuse(
      'ATTEMPTS_EXHAUSTED',
      `Task ${taskId} has used its ${task.attempt} attempts. Abandon it, or dispatch the work under another task id.`,
      { taskId, attempt: task.attempt },
    )
  }
  // The reason stands in one of the two: in the rejection, if there is a receipt to reject.
  if (task.phase !== 'received') return decided([planRetry(state, task, context, reason)])
  const rejected = event('task-rejected', { taskId, attempt: task.attempt, reason, by: 'evaluator' })
  return decided([rejected, planRetry(state, task, context)])
}

/** The next attempt of a task, after a wait that doubles with each attempt. */
export function planRetry(state: RunState, task: OpenTask, context: DecideContext, reason?: string): RunEvent {
  const { retryBackoffMs, retryBackoffMaxMs } = policyOf(state)
  const waitMs = Math.min(retryBackoffMs * 2 ** Math.min(task.attempt - 1, 30), retryBackoffMaxMs)
  return event('planned', {
    taskId: task.spec.taskId,
    attempt: task.attempt + 1,
    why: 'retry',
    notBefore: isoTime(epochMs(context.now) + waitMs),
    ...(reason !== undefined && { reason }),
  })
}

export function decideExpire(state: RunState, context: DecideContext, except?: ReadonlySet<TaskId>): Decision {
  const events: RunEvent[] = []
  const withdrawals: Withdrawal[] = []
  for (const task of state.tasks.values()) {
    if (task.phase !== 'out' || task.deadlineAt === null || task.deadlineAt > context.now) continue
    const { taskId } = task.spec
    if (except?.has(taskId)) continue
    events.push(event('attempt-expired', { taskId, attempt: task.attempt, deadlineAt: task.deadlineAt }))
    if (task.attempt < attemptsMax(state, task.spec)) events.push(planRetry(state, task, context))
    withdrawals.push({ taskId, attempt: task.attempt })
  }
  return decided(events, { withdrawals })
}

/**
 * Settles a task without a result, and cancels those that wait for it, and those that wait for them. These come first:
 * wherever a crash cuts the decision off, no task waits for one that is gone, and the same command does the rest.
 */
export function decideGiveUp(
  state: RunState,
  command: OfAttempt & { readonly type: 'cancel' | 'abandon'; readonly reason: string },
): Decision {
  const { type, taskId, reason } = command
  const task = currentTask(state, command, type)
  if ('code' in task) return { ok: false, refusal: task }
  const withdrawals = task.phase === 'out' ? [{ taskId, attempt: task.attempt }] : []
  const events = cancelDependents(state, taskId)
  events.push(event(type === 'cancel' ? 'task-cancelled' : 'task-abandoned', { taskId, reason }))
  return decided(events, { withdrawals })
}

/** Each before what it waits for. Without recursion: a chain may be as long as the run has tasks. */
function cancelDependents(state: RunState, taskId: TaskId): RunEvent[] {
  const events: RunEvent[] = []
  const seen = new Set([taskId])
  const path = [{ taskId, next: 0 }]
  for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
    const dependent = state.dependents.get(top.taskId)?.[top.next++]
    if (dependent !== undefined) {
      if (seen.has(dependent) || !state.tasks.has(dependent)) continue
      seen.add(dependent)
      path.push({ taskId: dependent, next: 0 })
      continue
    }
    path.pop()
    const needed = path.at(-1)?.taskId
    if (needed === undefined) continue
    events.push(event('task-cancelled', { taskId: top.taskId, reason: neededReason(needed) }))
  }
  return events
}

/** The open task that a command is about, at the attempt that it names, if it names one. */
function currentTask(state: RunState, command: OfAttempt, verb: string): OpenTask | Refusal {
  const { taskId, attempt } = command
  const task = state.tasks.get(taskId)
  if (task === undefined) return notOpen(state, taskId)
  if (attempt !== undefined && attempt !== task.attempt) {
    return {
      code: 'ATTEMPT_SUPERSEDED',
      message: `Attempt ${attempt} of task ${taskId} is not the current one: attempt ${task.attempt} is ${task.phase}. Look at the task again before you ${verb}.`,
      details: { taskId, attempt: task.attempt },
    }
  }
  return task
}

function receivedTask(state: RunState, command: OfAttempt, verb: string): OpenTask | Refusal {
  const task = currentTask(state, command, verb)
  if ('code' in task || task.phase === 'received') return task
  const { taskId } = command
  if (task.phase === 'stopped') {
    return {
      code: 'RECEIPT_NOT_ACCEPTABLE',
      message: `Task ${taskId} has stopped after attempt ${task.attempt} (${task.stopReason}): there is nothing to ${verb}. Retry it, abandon it or cancel it.`,
      details: { taskId, attempt: task.attempt },
    }
  }
  return {
    code: 'NO_RECEIPT',
    message: `Task ${taskId} is ${task.phase === 'out' ? `out with attempt ${task.attempt}` : 'planned'} and has no receipt to ${verb}. Wait for it.`,
    details: { taskId, attempt: task.attempt },
  }
}

function notOpen(state: RunState, taskId: TaskId): Refusal {
  const packed = state.settled.get(taskId)
  if (packed === undefined) {
    return { code: 'TASK_UNKNOWN', message: `There is no task ${taskId} in run ${state.runId}.`, details: { taskId } }
  }
  const outcome = settledOutcome(packed)
  return {
    code: 'TASK_SETTLED',
    message: `Task ${taskId} was ${outcome} before; that is final. New work needs a new task id.`,
    details: { taskId, outcome },
  }
}
