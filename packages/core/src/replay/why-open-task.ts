import { attemptsMax } from '../flow/decide-dispatch.js'
import { TaskHistory } from '../flow/task-history.js'
import type { TaskId } from '../protocol/ids.js'
import type { OpenTask } from '../protocol/state.js'
import { epochMs } from '../protocol/time.js'
import { commandLine, type Reason, reason, shown, someOf } from './reason.js'
import { holdingOf } from './run-holder.js'
import { whyBudget } from './run-reasons.js'
import type { RunSight } from './see-run.js'
import { freshMs, whyOut } from './why-out.js'
import { outIds, whyPlanned } from './why-planned.js'

/** Links of a chain that are told: the first ones, and the last. */
const chainMax = 16

/** Why an open task is where it is: from itself down to what the chain of reasons ends in. */
export function whyOpenTask(sight: RunSight, taskId: TaskId): Reason[] {
  const path: OpenTask[] = []
  const seen = new Set<TaskId>()
  let task = sight.state.tasks.get(taskId)
  while (task !== undefined && !seen.has(task.spec.taskId)) {
    seen.add(task.spec.taskId)
    path.push(task)
    task = task.phase === 'planned' && task.waitingFor > 0 ? nextNeeded(sight, task) : undefined
  }
  const root = path.pop()
  if (root === undefined) return []
  const [near, far] = path.length <= chainMax ? [path, []] : [path.slice(0, chainMax - 1), path.slice(chainMax - 1)]
  const links = near.map((one) => whyAfter(sight, one))
  const last = links.at(-1)
  if (last !== undefined && far.length > 0) {
    links[links.length - 1] = {
      ...last,
      text: `${last.text}; ${far.length} further tasks wait for one another below it`,
    }
  }
  return [...links, ...whyRoot(sight, root)]
}

function whyRoot(sight: RunSight, task: OpenTask): Reason[] {
  const history = sight.histories.get(task.spec.taskId) ?? new TaskHistory(task.spec.taskId)
  switch (task.phase) {
    case 'received':
      return [whyReceived(sight, task, history)]
    case 'stopped':
      return whyStopped(sight, task, history)
    case 'out':
      return whyOut(sight, task, history)
    case 'planned': {
      const reasons = whyPlanned(sight, task, history)
      // What has the slots is what it waits for.
      const [slot] = reasons.at(-1)?.code === 'no-slot' ? outIds(sight.state.tasks) : []
      return slot === undefined ? reasons : [...reasons, ...whyOpenTask(sight, slot)]
    }
  }
}

/** Of the tasks that it needs, the one that a person would have to see to first. */
const phaseRank = { stopped: 0, received: 1, out: 2, planned: 3 } as const

function nextNeeded({ state }: RunSight, { spec }: OpenTask): OpenTask | undefined {
  let next: OpenTask | undefined
  for (const needed of spec.after) {
    const task = state.tasks.get(needed)
    if (task !== undefined && (next === undefined || phaseRank[task.phase] < phaseRank[next.phase])) next = task
  }
  return next
}

function whyAfter({ state, histories }: RunSight, { spec, waitingFor }: OpenTask): Reason {
  const { taskId, after } = spec
  const needed = after.filter((id) => !state.settled.has(id))
  return reason('after', {
    taskId,
    name: 'after',
    events: [histories.get(taskId)?.attempts.at(-1)?.planned?.version],
    text: `task ${shown(taskId, 80)} is planned and waits for ${waitingFor === 1 ? 'task' : `${waitingFor} tasks:`} ${someOf(needed, waitingFor)}`,
  })
}

function whyReceived(sight: RunSight, { spec, attempt, receipt }: OpenTask, history: TaskHistory): Reason {
  const { taskId } = spec
  const recorded = history.attempts.at(-1)?.recorded
  const isFresh = recorded != null && sight.nowMs - epochMs(recorded.at) < freshMs
  const live = holdingOf(sight.state, sight.lease, sight.isMoving) === 'live'
  return reason('received', {
    taskId,
    name: 'settled',
    events: [recorded?.version],
    text: `the receipt of attempt ${attempt} of task ${shown(taskId, 80)} (${receipt?.status}, from worker ${shown(receipt?.worker.id ?? '', 128)}) waits for a decision: accept, reject or retry it`,
    remedy: commandLine('accept', [sight.runId, taskId]),
    needs: live && isFresh ? 'wait' : 'act',
  })
}

function whyStopped(sight: RunSight, task: OpenTask, history: TaskHistory): Reason[] {
  const { state, runId } = sight
  const { spec, attempt, changedAt, stopReason } = task
  const { taskId } = spec
  const facts = history.attempts.at(-1)
  const most = attemptsMax(state, spec)
  const budget = whyBudget(sight)
  const canRetry = attempt < most && budget.length === 0
  const left = attempt >= most ? `all ${most} attempts are used` : `${most - attempt} of ${most} attempts are left`
  const choices = canRetry ? 'retry, abandon or cancel it' : 'abandon or cancel it'
  const stopped = reason('stopped', {
    taskId,
    name: facts?.ended?.how ?? 'stopped',
    events: [facts?.dispatched?.version, facts?.recorded?.version, facts?.ended?.version ?? changedAt],
    text: `attempt ${attempt} of task ${shown(taskId, 80)} has stopped (${shown(stopReason ?? '', 400)}); ${left}: ${choices}`,
    remedy: commandLine(canRetry ? 'retry' : 'abandon', [runId, taskId], '--reason TEXT'),
  })
  return [stopped, ...budget]
}
