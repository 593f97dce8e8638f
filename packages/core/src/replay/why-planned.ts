import { policyOf } from '../flow/decision.js'
import { brokenBudget, holdReason } from '../flow/spawn-rules.js'
import type { TaskHistory } from '../flow/task-history.js'
import type { TaskId } from '../protocol/ids.js'
import type { OpenTask } from '../protocol/state.js'
import { type Reason, reason, shown, someOf } from './reason.js'
import { holderReason } from './run-holder.js'
import { whyBudget, whyHeld } from './run-reasons.js'
import type { RunSight } from './see-run.js'

/** Why a planned task that waits for no other task has not gone out, and what keeps it so. */
export function whyPlanned(sight: RunSight, task: OpenTask, history: TaskHistory): Reason[] {
  const { state } = sight
  const { taskId } = task.spec
  const events = [history.attempts.at(-1)?.planned?.version]
  const what = `task ${shown(taskId, 80)} is planned (attempt ${task.attempt})`
  const hold = holdReason(state)
  if (hold !== null) {
    const text = `${what} and waits while ${hold === 'evaluate-first' ? 'a receipt waits for a decision' : `the run is ${hold}`}`
    return [reason('held', { taskId, name: hold, events, text }), ...whyHeld(sight, hold)]
  }
  if (brokenBudget(state, sight) !== null) {
    const text = `${what}, and will be stopped when its turn comes`
    return [reason('turn', { taskId, events, text }), ...whyBudget(sight)]
  }
  const nobody = holderReason(sight)
  const further = nobody === null ? [] : [nobody]
  if (task.notBefore !== null && task.notBefore > sight.now) {
    const text = `${what} and not dispatched before ${task.notBefore}`
    return [reason('time', { taskId, name: 'notBefore', events, text }), ...further]
  }
  const { inFlightMax } = policyOf(state)
  if (state.counts.out >= inFlightMax) return [noSlot(sight, taskId, inFlightMax, events, what)]
  return [reason('turn', { taskId, events, text: `${what}, and the holder of the run dispatches it next` }), ...further]
}

function noSlot(
  { state, histories }: RunSight,
  taskId: TaskId,
  slots: number,
  events: (number | undefined)[],
  what: string,
) {
  const holders = outIds(state.tasks)
  const first = holders[0] === undefined ? undefined : histories.get(holders[0])?.attempts.at(-1)?.dispatched?.version
  return reason('no-slot', {
    ...{ taskId, name: 'inFlightMax', events: [...events, first] },
    text: `${what} and waits for a slot: inFlightMax is ${slots}, and out are ${someOf(holders, state.counts.out)}`,
  })
}

const idsMax = 6

/** Some attempts that are out, in the order in which their tasks came in. */
export function outIds(tasks: ReadonlyMap<TaskId, OpenTask>): TaskId[] {
  const ids: TaskId[] = []
  for (const [taskId, { phase }] of tasks) if (phase === 'out' && ids.push(taskId) === idsMax) break
  return ids
}
