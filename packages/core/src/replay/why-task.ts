import { z } from 'zod'
import { type TaskChain, taskChains } from '../coordinator/task-chain.js'
import type { Adapter } from '../ports/adapter.js'
import type { Runtime } from '../ports/runtime.js'
import { type RunId, runIdSchema, type TaskId, taskIdSchema } from '../protocol/ids.js'
import { settledOutcome } from '../protocol/state.js'
import { systemRuntime } from '../runtime/system-runtime.js'
import { PortAsker } from './ask-port.js'
import { checkedId } from './checked-id.js'
import { whyGivenUp } from './given-up.js'
import { whyNotThere } from './never-came.js'
import { type Reason, reason, reasonSchema, shown } from './reason.js'
import { whyClosed } from './run-reasons.js'
import { type RunSight, seeRun, unlearnt } from './see-run.js'
import { taskChainSchema } from './task-chain-schema.js'
import type { TaskStory } from './task-story.js'
import { whyOpenTask } from './why-open-task.js'

const phases = ['planned', 'out', 'received', 'stopped', 'accepted', 'cancelled', 'abandoned', 'not-there'] as const
export type TaskPlace = (typeof phases)[number]

const momentSchema = z.strictObject({
  version: z.number().int().describe('of the run with this event'),
  at: z.string(),
  by: z.string().describe('the sender of the message that it answers, or who wrote the commit'),
  type: z.string().describe('of the event'),
  text: z.string().describe('the event in a sentence; texts in it come from outside'),
})

/** Why a task is where it is. JSON. */
export const taskWhySchema = z.strictObject({
  format: z.literal('reprise-why-task-v1'),
  runId: z.string(),
  taskId: z.string(),
  version: z.number().int().describe('events of the run that it was derived from'),
  place: z.enum(phases).describe('its phase or outcome; not-there: the run has no such task'),
  verdict: z.enum(['act', 'wait', 'settled', 'not-there']),
  chain: z.array(reasonSchema).readonly().describe('each reason follows from the next one'),
  moments: z
    .strictObject({ total: z.number().int(), told: z.array(momentSchema).readonly() })
    .describe('events about it; told are at most 64, the first and the newest'),
  acknowledgement: taskChainSchema.nullable().describe('how far its newest attempt has come, as `taskChain` says it'),
  unlearnt: z.array(z.string()).readonly().describe('what could not be asked, and why'),
})
export type TaskWhy = Readonly<z.output<typeof taskWhySchema>>

export interface WhyTaskOptions {
  readonly adapter: Pick<Adapter, 'log' | 'leases' | 'queue' | 'inbox'>
  readonly runId: string
  readonly taskId: string
  readonly runtime?: Runtime
  /** Ends waiting for the adapter's answers: `ABORTED`. */
  readonly signal?: AbortSignal
}

/**
 * Why a task is where it is: its history, what it waits for, why it was given up, or why the run does not have it. From
 * the log, which is read whole, and what the adapter says at this moment, for at most 30 s. It changes nothing.
 * `RUN_UNKNOWN`, `INVALID_ID`, `ABORTED`, and what the log fails with; a task that there is not is no error.
 */
export async function whyTask({ adapter, runtime = systemRuntime, ...ids }: WhyTaskOptions): Promise<TaskWhy> {
  return (await seeTask({ adapter, runtime, ...ids })).why
}

/** The log may go on between two readings: then they are made again, so often. */
const looksMax = 3

/** `whyTask`, and what it was made from. */
export async function seeTask({ adapter, runtime, signal, ...ids }: WhyTaskOptions & { readonly runtime: Runtime }) {
  const runId = checkedId<RunId>(runIdSchema, ids.runId, 'run')
  const taskId = checkedId<TaskId>(taskIdSchema, ids.taskId, 'task')
  for (let look = 1; ; look++) {
    const sight = await seeRun({ adapter, runId, runtime, taskId, signal })
    const story = sight.story as TaskStory
    const isThere = story.history.attempts.length > 0
    const asker = new PortAsker(runtime, signal)
    const [chain = null] = isThere ? await taskChains(boundedPorts(adapter, asker), runId, [taskId]) : []
    asker.assertWanted()
    if (chain === null || chain.version === sight.state.version || look === looksMax) {
      return { sight, story, why: whyOfTask(sight, story, chain) }
    }
  }
}

/** An adapter that answers in a bounded time, or not. */
const boundedPorts = ({ log, queue, inbox }: WhyTaskOptions['adapter'], asker: PortAsker) => ({
  log,
  queue: {
    locate: (runId: RunId, taskId: TaskId, attempt: number) =>
      asker.within('The queue', () => queue.locate(runId, taskId, attempt)),
  },
  inbox: { peek: (runId: RunId, max: number) => asker.within('The inbox', () => inbox.peek(runId, max)) },
})

function whyOfTask(sight: RunSight, story: TaskStory, acknowledgement: TaskChain | null): TaskWhy {
  const { state, runId } = sight
  const { taskId } = story
  const place = placeOf(sight, taskId)
  const chain = chainOf(sight, story, place)
  const isOpen = state.tasks.has(taskId)
  const acts = chain.some(({ needs }) => needs === 'act')
  const verdict =
    place === 'not-there' ? 'not-there' : !isOpen || state.mode === 'closed' ? 'settled' : acts ? 'act' : 'wait'
  return {
    format: 'reprise-why-task-v1',
    ...{ runId, taskId, version: state.version, place, verdict, chain },
    moments: { total: story.moments, told: story.told },
    ...{ acknowledgement, unlearnt: unlearnt(sight) },
  }
}

function placeOf({ state }: RunSight, taskId: TaskId): TaskPlace {
  const packed = state.settled.get(taskId)
  return packed === undefined ? (state.tasks.get(taskId)?.phase ?? 'not-there') : settledOutcome(packed)
}

function chainOf(sight: RunSight, story: TaskStory, place: TaskPlace): Reason[] {
  const { taskId, history } = story
  const newest = history.attempts.at(-1)
  switch (place) {
    case 'not-there':
      return whyNotThere(sight, story)
    case 'accepted': {
      const { version, at } = history.settled ?? {}
      const by = newest?.recorded == null ? '' : `, from worker ${shown(newest.recorded.worker, 128)}`
      const text = `task ${shown(taskId, 80)} was accepted at ${at} with the receipt of attempt ${newest?.attempt}${by}`
      return [reason('accepted', { taskId, events: [newest?.recorded?.version, version], text })]
    }
    case 'cancelled':
    case 'abandoned':
      return [...whyGivenUp(sight, taskId), ...whyItFailed(story)]
    default:
      return sight.state.mode === 'closed' ? [whyClosed(sight)] : whyOpenTask(sight, taskId)
  }
}

/** What had become of the newest attempt of a task that somebody gave up. */
function whyItFailed({ taskId, history }: TaskStory): Reason[] {
  const newest = history.attempts.at(-1)
  if (newest?.ended == null) return []
  const { version, how, reason: why } = newest.ended
  const text = `its newest attempt, ${newest.attempt}, had ended (${how}): ${shown(why, 400)}`
  const events = [newest.dispatched?.version, newest.recorded?.version, version]
  return [reason('stopped', { taskId, name: how, events, text, needs: 'nothing' })]
}
