import { attemptsMax } from '../../flow/decide-dispatch.js'
import { brokenBudget } from '../../flow/spawn-rules.js'
import type { RunEvent } from '../../protocol/events.js'
import type { OpenTask, RunState } from '../../protocol/state.js'
import { settledOutcome } from '../../protocol/state.js'
import { epochMs } from '../../protocol/time.js'
import { after, as, before, type Invariant } from './invariant.js'

/** The limits of the policy, and what must be there before the run is called complete. */
export const limitInvariants = {
  'tasks-within-limit': after('No more tasks come in than policy.tasksMax.', ['P8', 'I12'], ({ counts, policy }) =>
    policy !== null && counts.tasks > policy.tasksMax
      ? `${counts.tasks} tasks came in, the limit is ${policy.tasksMax}`
      : null,
  ),

  'depth-within-limit': after('No task is deeper than policy.depthMax.', ['P8', 'I12'], (state, event) => {
    const task = taskOf(state, event)
    const depthMax = state.policy?.depthMax ?? 0
    return task === undefined || task.spec.depth <= depthMax
      ? null
      : `task ${task.spec.taskId} has depth ${task.spec.depth}, the limit is ${depthMax}`
  }),

  'attempts-within-limit': after(
    'No task has more attempts than it or the policy allows.',
    ['P8', 'I12'],
    (state, event) => {
      const task = taskOf(state, event)
      if (task === undefined || state.policy === null) return null
      const most = attemptsMax(state, task.spec)
      return task.attempt <= most
        ? null
        : `task ${task.spec.taskId} is at attempt ${task.attempt}, the limit is ${most}`
    },
  ),

  'in-flight-within-limit': after(
    'No more attempts are out at once than policy.inFlightMax.',
    ['P8', 'I12'],
    ({ counts, policy }) =>
      policy !== null && counts.out > policy.inFlightMax
        ? `${counts.out} attempts are out, the limit is ${policy.inFlightMax}`
        : null,
  ),

  'spend-within-limit': before(
    'Nothing is dispatched once tokensMax, costUsdMax or wallClockMsMax of the policy is used up.',
    ['P8', 'I12'],
    (state, { type }, { commit }) => {
      if (type !== 'dispatched' || state.policy === null) return null
      const broken = brokenBudget(state, { nowMs: epochMs(commit.at) })
      return broken === null ? null : `${broken.rule} is ${broken.limit}, the run stands at ${broken.value}`
    },
  ),

  'evidence-accepted': before('The evidence for a success criterion names accepted tasks.', ['P5'], (state, event) => {
    const met = as('criterion-met', event)
    if (met === null) return null
    const { criterion, tasks } = met.data
    if (criterion > state.successCriteria.length) return `there is no success criterion ${criterion}`
    const other = tasks.find((taskId) => {
      const packed = state.settled.get(taskId)
      return packed === undefined || settledOutcome(packed) !== 'accepted'
    })
    return other === undefined ? null : `task ${other} is not accepted`
  }),

  'complete-when-settled': before(
    'A run is complete only when every task is settled and, since there is a checklist, every criterion is met.',
    ['P5', 'I8'],
    (state, event) => {
      const completed = as('run-completed', event)
      if (completed === null) return null
      const [open] = state.tasks.keys()
      if (open !== undefined) return `task ${open} is not settled`
      const unmet = completed.data.checklist === undefined ? -1 : state.criteria.indexOf(null)
      return unmet === -1 ? null : `success criterion ${unmet + 1} is not met`
    },
  ),
} as const satisfies Record<string, Invariant>

/** The task that an event plans or dispatches. */
const taskOf = (state: RunState, event: RunEvent): OpenTask | undefined =>
  event.type === 'planned' || event.type === 'dispatched' ? state.tasks.get(event.data.taskId) : undefined
