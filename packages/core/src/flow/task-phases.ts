import { assertInvariant } from '../protocol/errors.js'
import type { TaskId } from '../protocol/ids.js'
import { type OpenTask, type Outcome, packSettled, type RunState, type TaskPhase } from '../protocol/state.js'
import type { TaskSpec } from '../protocol/task.js'
import { popDelay, pushDelay } from './delay-heap.js'

// How events move tasks between their phases: the tables and counts of a state, changed in place.

/** Everything that is out, before what has waited behind it. */
export function planAgain(state: RunState): void {
  const waited = state.ready.map((ids) => [...ids])
  for (const ids of state.ready) ids.clear()
  for (const task of state.tasks.values()) {
    if (task.phase !== 'out') continue
    enterPhase(state, task, 'planned')
    enqueue(state, task)
  }
  for (const [priority, ids] of waited.entries()) for (const id of ids) state.ready[priority]?.add(id)
}

export function openTask(state: RunState, taskId: TaskId): OpenTask {
  const task = state.tasks.get(taskId)
  // The text is only made when it is needed: this runs for nearly every event.
  if (task === undefined) assertInvariant(false, `event ${state.version} is about task ${taskId}, which is not open`)
  return task
}

export function addTask(state: RunState, spec: TaskSpec): OpenTask {
  let waitingFor = 0
  for (const needed of spec.after) {
    if (state.settled.has(needed)) continue
    const waiting = state.dependents.get(needed)
    if (waiting === undefined) state.dependents.set(needed, [spec.taskId])
    else waiting.push(spec.taskId)
    waitingFor++
  }
  const task: OpenTask = {
    spec,
    phase: 'planned',
    attempt: 0,
    notBefore: null,
    waitingFor,
    digest: null,
    epoch: 0,
    deadlineAt: null,
    dispatchedAt: null,
    changedAt: state.version,
    receipt: null,
    stopReason: null,
  }
  state.tasks.set(spec.taskId, task)
  state.takenInAt = state.version
  state.counts.tasks++
  state.counts.planned++
  return task
}

/** Somebody tries again what had stopped: whoever believes that it still stands must not replace it. */
export function goOnWith(state: RunState, task: OpenTask): void {
  if (task.phase === 'stopped') state.takenInAt = state.version
}

export function enterPhase(state: RunState, task: OpenTask, phase: TaskPhase): void {
  leavePhase(state, task)
  task.phase = phase
  task.changedAt = state.version
  state.counts[phase]++
  if (phase === 'received') state.received.add(task.spec.taskId)
  else if (phase === 'stopped') state.stopped.add(task.spec.taskId)
}

function leavePhase(state: RunState, task: OpenTask): void {
  const { taskId, priority } = task.spec
  state.counts[task.phase]--
  switch (task.phase) {
    case 'planned':
      ;(state.ready[priority] as Set<TaskId>).delete(taskId)
      task.notBefore = null
      dropStaleDelays(state)
      return
    case 'received':
      state.received.delete(taskId)
      return
    case 'stopped':
      state.stopped.delete(taskId)
      task.stopReason = null
      return
    case 'out':
      return
  }
}

// Entries are left in the heap until they come to its top; one that is not what its task waits for is stale.
function dropStaleDelays(state: RunState): void {
  for (let top = state.delayed[0]; top !== undefined && !isWaiting(state, top); top = state.delayed[0]) {
    popDelay(state.delayed)
  }
}

/** Whether a heap entry is what its task waits for. */
export const isWaiting = (state: RunState, entry: { taskId: TaskId; notBefore: string }): boolean =>
  state.tasks.get(entry.taskId)?.notBefore === entry.notBefore

export function enqueue(state: RunState, task: OpenTask): void {
  const { taskId, priority } = task.spec
  if (task.notBefore === null) (state.ready[priority] as Set<TaskId>).add(taskId)
  else pushDelay(state.delayed, { notBefore: task.notBefore, taskId })
}

export function stop(state: RunState, taskId: TaskId, reason: string): void {
  const task = openTask(state, taskId)
  enterPhase(state, task, 'stopped')
  state.resultsChangedAt = state.version
  task.stopReason = reason
}

export function settle(state: RunState, taskId: TaskId, outcome: Outcome): void {
  const task = openTask(state, taskId)
  leavePhase(state, task)
  state.tasks.delete(taskId)
  state.settled.set(taskId, packSettled(outcome, task.spec.depth))
  state.counts[outcome]++
  const waiting = state.dependents.size === 0 ? undefined : state.dependents.get(taskId)
  if (waiting === undefined) return
  state.dependents.delete(taskId)
  // A task that needs one that will never be accepted is cancelled by an event of its own.
  if (outcome !== 'accepted') return
  for (const id of waiting) {
    const dependent = state.tasks.get(id)
    if (dependent === undefined) continue
    dependent.waitingFor--
    if (dependent.waitingFor === 0 && dependent.phase === 'planned') enqueue(state, dependent)
  }
}
