import { neededReason } from '../flow/reduce-event.js'
import type { TaskId } from '../protocol/ids.js'
import { commandLine, type Reason, reason, shown } from './reason.js'
import type { RunSight } from './see-run.js'

const chainMax = 16
const [before = '', behind = ''] = neededReason('\n' as TaskId).split('\n')

/** The task for whose sake another one was cancelled, by the reason that stands in the log. */
const neededIn = (why: string): TaskId | null =>
  why.startsWith(before) && why.endsWith(behind) && why.length > before.length + behind.length
    ? (why.slice(before.length, -behind.length) as TaskId)
    : null

/** Why a task was cancelled or abandoned: down the tasks that needed one another to the one that somebody gave up. */
export function whyGivenUp({ marks, runId }: RunSight, taskId: TaskId): Reason[] {
  const chain: Reason[] = []
  const seen = new Set<TaskId>()
  let skipped = 0
  for (let next: TaskId | null = taskId; next !== null && !seen.has(next); ) {
    seen.add(next)
    const given = marks.givenUp.get(next)
    if (given === undefined) break
    const needed = neededIn(given.reason)
    const goesOn = needed !== null && marks.givenUp.has(needed)
    const others = skipped === 0 ? '' : ` (${skipped} more tasks in between)`
    if (chain.length < chainMax || !goesOn) {
      const text = `task ${shown(next, 80)} was ${given.how}${others} by ${shown(given.by, 128)} at ${given.at}: ${shown(given.reason, 400)}`
      const remedy = next === taskId ? {} : { remedy: commandLine('why', [runId, next]) }
      chain.push(reason(given.how, { taskId: next, events: [given.version], text, ...remedy }))
    } else skipped++
    next = goesOn ? needed : null
  }
  return chain
}
