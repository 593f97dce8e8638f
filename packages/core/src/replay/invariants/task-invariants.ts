import { holdReason } from '../../flow/spawn-rules.js'
import { taskIdOf } from '../../flow/task-history.js'
import type { RunEvent } from '../../protocol/events.js'
import type { TaskId } from '../../protocol/ids.js'
import { type OpenTask, type RunState, settledDepth, settledOutcome } from '../../protocol/state.js'
import { dispatchBody, type TaskSpec } from '../../protocol/task.js'
import { as, before, type Invariant } from './invariant.js'

/** What holds of tasks on their way: taken in, planned, dispatched. */
export const taskInvariants = {
  'task-taken-in-once': before(
    'A task comes into the run once, and every event about it comes later.',
    ['I8'],
    (state, event) => {
      const spec = specOf(event)
      if (spec !== undefined) {
        const isKnown = state.tasks.has(spec.taskId) || state.settled.has(spec.taskId)
        return isKnown ? `task ${spec.taskId} is in the run already` : null
      }
      const isAboutKnown = event.type !== 'receipt-rejected' && event.type !== 'spawn-refused'
      const taskId = isAboutKnown ? (taskIdOf(event) as TaskId | undefined) : undefined
      if (taskId === undefined || state.tasks.has(taskId)) return null
      return `task ${taskId} is ${outcomeOf(state, taskId) ?? 'not in the run'}`
    },
  ),

  'depth-follows-parent': before('The depth of a task is one more than that of its parent.', ['P8'], (state, event) => {
    const spec = specOf(event)
    if (spec === undefined) return null
    const parent = spec.parent === undefined ? -1 : depthOf(state, spec.parent)
    // A parent of the same command may stand behind it.
    return parent === null || spec.depth === parent + 1
      ? null
      : `task ${spec.taskId} has depth ${spec.depth}, its parent ${parent}`
  }),

  'attempts-in-order': before(
    'Attempts are numbered from 1 without gaps, and each is dispatched once.',
    ['P3', 'I6'],
    (state, event) => {
      if (event.type !== 'planned' && event.type !== 'dispatched') return null
      const { taskId, attempt } = event.data
      const task = state.tasks.get(taskId)
      if (task === undefined) return attempt === 1 ? null : `task ${taskId} begins with attempt ${attempt}`
      if (task.phase === 'stopped') return attempt === task.attempt + 1 ? null : numbered(task, attempt)
      if (task.phase === 'planned' && event.type === 'dispatched')
        return attempt === task.attempt ? null : numbered(task, attempt)
      return `attempt ${attempt} of task ${taskId} is ${event.type} while attempt ${task.attempt} is ${task.phase}`
    },
  ),

  'after-accepted': before(
    'A task is dispatched only once every task that it needs is accepted.',
    ['P8'],
    (state, event) => {
      const dispatched = as('dispatched', event)
      if (dispatched === null) return null
      const { taskId, task = state.tasks.get(taskId)?.spec } = dispatched.data
      const missing = task?.after.find((needed) => outcomeOf(state, needed) !== 'accepted')
      return missing === undefined
        ? null
        : `task ${taskId} needs ${missing}, which is ${outcomeOf(state, missing) ?? 'not settled'}`
    },
  ),

  'dispatched-while-dispatching': before(
    'Attempts are dispatched in mode dispatching only.',
    ['I11'],
    ({ mode }, { type }) => (type === 'dispatched' && mode !== 'dispatching' ? `the mode is ${mode}` : null),
  ),

  'dispatch-not-held': before(
    'Nothing is dispatched while the run is paused or blocked, or while returned work comes first.',
    ['I11', 'P8'],
    (state, { type }) => {
      const hold = type === 'dispatched' && state.policy !== null ? holdReason(state) : null
      return hold === null
        ? null
        : `the run is ${hold === 'evaluate-first' ? 'to evaluate what came back first' : hold}`
    },
  ),

  'dispatch-digest': before(
    'A dispatch digest is the one of what the log says was handed out.',
    ['I7', 'P3'],
    (state, event, { commit }) => {
      const dispatched = as('dispatched', event)
      if (dispatched === null || state.policy === null || state.runId === null) return null
      const { taskId, attempt, deadlineAt, digest, task = state.tasks.get(taskId)?.spec } = dispatched.data
      if (task === undefined) return null
      const run = { ...state.policy, runId: state.runId }
      const expected = dispatchBody(run, task, attempt, state.epoch, deadlineAt).digest
      return digest === expected ? null : `it is ${digest}, commit ${commit.index} makes it ${expected}`
    },
  ),
} as const satisfies Record<string, Invariant>

const specOf = (event: RunEvent): TaskSpec | undefined =>
  event.type === 'planned' || event.type === 'dispatched' ? event.data.task : undefined

const numbered = ({ spec, attempt: newest }: OpenTask, attempt: number): string =>
  `attempt ${attempt} of task ${spec.taskId} follows attempt ${newest}`

function outcomeOf(state: RunState, taskId: TaskId) {
  const packed = state.settled.get(taskId)
  return packed === undefined ? null : settledOutcome(packed)
}

function depthOf(state: RunState, taskId: TaskId): number | null {
  const packed = state.settled.get(taskId)
  return packed === undefined ? (state.tasks.get(taskId)?.spec.depth ?? null) : settledDepth(packed)
}
