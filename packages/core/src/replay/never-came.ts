import type { InboxMessage } from '../ports/inbox.js'
import type { TaskId } from '../protocol/ids.js'
import { type Reason, reason, shown } from './reason.js'
import { holderReason } from './run-holder.js'
import type { RunSight } from './see-run.js'
import type { TaskStory } from './task-story.js'
import { whyOpenTask } from './why-open-task.js'

/** Why a run does not have a task: who wanted it, and what kept it out. */
export function whyNotThere(sight: RunSight, { taskId, keptOut, keptOutWith, askedFor }: TaskStory): Reason[] {
  const name = shown(taskId, 80)
  const message = commandFor(sight, taskId)
  if (message !== null) {
    const text = `a command in the inbox (message ${message.seq} of ${shown(message.sender, 128)}) asks for task ${name}, and is not decided yet`
    const nobody = holderReason(sight)
    return [reason('command-waiting', { taskId, text }), ...(nobody === null ? [] : [nobody])]
  }
  if (keptOut !== null) {
    const { rule, limit, value, version, at } = keptOut
    const text = `task ${name} was kept out at ${at}: ${rule} is ${limit}, and the run stood at ${value}`
    return [reason('kept-out', { taskId, name: rule, events: [version], text })]
  }
  const asked = askedFor.at(-1)
  if (asked !== undefined) {
    const text = `the receipt of task ${shown(asked.parent, 80)} asks for task ${name}, and nobody has dispatched it`
    const parent = sight.state.tasks.get(asked.parent)?.phase === 'received' ? whyOpenTask(sight, asked.parent) : []
    return [reason('asked-for', { taskId, events: [asked.version], text }), ...parent]
  }
  const last = keptOutWith.at(-1)
  if (last !== undefined) {
    const text = `nothing in the log names task ${name}; it may be among the ${last.count - 1} tasks that were kept out with another one at ${last.at} (${last.rule} is ${last.limit})`
    return [reason('kept-out', { taskId, name: last.rule, events: keptOutWith.map(({ version }) => version), text })]
  }
  const refused = sight.state.recent.refusals.findLast(
    ({ event }) => event.type === 'command-refused' && ['dispatch', 'round'].includes(event.data.command),
  )
  const hint =
    refused === undefined ? '' : `; the newest command to dispatch that was refused is event ${refused.version}`
  const text = `nothing in the log or the inbox asks for task ${name}${hint}: check the id`
  return [reason('never-came', { taskId, events: [refused?.version], text })]
}

function commandFor({ waiting }: RunSight, taskId: TaskId): InboxMessage | null {
  if ('why' in waiting) return null
  const needle = JSON.stringify(taskId)
  for (const message of waiting.value.messages) {
    // Read only if it can be the one: a message may have half a megabyte.
    if (message.kind === 'command' && message.body.includes(needle) && dispatches(message.body, taskId)) return message
  }
  return null
}

function dispatches(body: string, taskId: TaskId): boolean {
  try {
    return asks(JSON.parse(body), taskId, 4)
  } catch {
    // Not JSON: whoever takes it in refuses it.
    return false
  }
}

/** Whether a `dispatch` in it names the task, at whatever place a round or an envelope has put it. */
function asks(value: unknown, taskId: TaskId, depth: number): boolean {
  if (typeof value !== 'object' || value === null || depth === 0) return false
  const { type, tasks } = value as { type?: unknown; tasks?: unknown }
  if (type === 'dispatch' && Array.isArray(tasks)) return tasks.some((task) => task?.taskId === taskId)
  return Object.values(value).some((inner) => asks(inner, taskId, depth - 1))
}
