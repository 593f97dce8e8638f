import type { RunEvent } from '../src/protocol/events.js'
import type { Policy } from '../src/protocol/policy.js'
import type { TaskSpec } from '../src/protocol/task.js'
import { epochMs } from '../src/protocol/time.js'
import { readHistory } from './log-history.js'

/** What a run has used, counted from its log without the library's fold. */
interface Used {
  readonly specs: Map<string, TaskSpec>
  readonly out: Set<string>
  readonly offered: Set<string>
  /** Tasks that an accepted or waiting receipt asked for, by who asked. */
  readonly askedBy: Map<string, string>
  tokens: number
  costUsd: number
}

/** Every limit that any prefix of the log exceeds, and every refusal that does not say what it should. */
export function* limitProblems(lines: readonly string[]): Generator<string> {
  const used: Used = { specs: new Map(), out: new Set(), offered: new Set(), askedBy: new Map(), tokens: 0, costUsd: 0 }
  let policy: Policy | null = null
  let openedAt = 0
  for (const { at, events } of readHistory(lines).commits) {
    for (const event of events) {
      if (event.type === 'run-opened') {
        policy = event.data.policy
        openedAt = epochMs(at)
      }
      if (policy === null) continue
      if (event.type === 'planned' || event.type === 'dispatched') {
        yield* entering(event, policy, used, epochMs(at) - openedAt)
      } else if (event.type === 'spawn-refused') {
        yield* refusal(event.data, policy, used, epochMs(at) - openedAt)
      } else returning(event, used)
    }
  }
}

type Entering = Extract<RunEvent, { type: 'planned' | 'dispatched' }>

function* entering({ type, data }: Entering, policy: Policy, used: Used, sinceMs: number): Generator<string> {
  const { taskId, attempt, task } = data
  if (task !== undefined) {
    if (used.specs.has(taskId)) yield `${taskId} was taken in twice`
    used.specs.set(taskId, task)
    yield* descent(task, used)
    if (used.specs.size > policy.tasksMax) yield `${used.specs.size} tasks, tasksMax is ${policy.tasksMax}`
    if (task.depth > policy.depthMax) yield `${taskId} has depth ${task.depth}, depthMax is ${policy.depthMax}`
  }
  const attemptsMax = used.specs.get(taskId)?.attemptsMax ?? policy.attemptsMax
  if (attempt > attemptsMax) yield `${taskId}/${attempt} exceeds attemptsMax ${attemptsMax}`
  if (type === 'dispatched') {
    used.out.add(taskId)
    used.offered.add(taskId)
    if (used.out.size > policy.inFlightMax) yield `${used.out.size} are out, inFlightMax is ${policy.inFlightMax}`
  }
  // A retry may be planned when nothing is left to spend; it does not go out.
  if (type === 'planned' && task === undefined) return
  const { tokensMax, costUsdMax, wallClockMsMax } = policy
  if (tokensMax !== null && used.tokens >= tokensMax) yield `${taskId} after ${used.tokens} of ${tokensMax} tokens`
  if (costUsdMax !== null && used.costUsd >= costUsdMax) yield `${taskId} after ${used.costUsd} of ${costUsdMax} USD`
  if (wallClockMsMax !== null && sinceMs >= wallClockMsMax) yield `${taskId} after ${sinceMs} of ${wallClockMsMax} ms`
}

/** A cascade would show here: a task that nobody's receipt asked for, or one that is deeper than it says. */
function* descent({ taskId, parent, depth }: TaskSpec, used: Used): Generator<string> {
  if (parent === undefined) {
    if (depth !== 0) yield `${taskId} has no parent and depth ${depth}`
    return
  }
  if (used.askedBy.get(taskId) !== parent) yield `no receipt of ${parent} asked for ${taskId}`
  if (depth !== (used.specs.get(parent)?.depth ?? Number.NaN) + 1) yield `${taskId} has depth ${depth} below ${parent}`
}

function returning(event: RunEvent, used: Used): void {
  switch (event.type) {
    case 'receipt-received': {
      const { taskId, usage, spawnRequests = [] } = event.data.receipt
      used.out.delete(taskId)
      used.tokens += usage.tokens ?? 0
      used.costUsd += usage.costUsd ?? 0
      for (const request of spawnRequests) used.askedBy.set(request.taskId, taskId)
      return
    }
    case 'attempt-expired':
    case 'task-cancelled':
    case 'task-abandoned':
      used.out.delete(event.data.taskId)
      return
    default:
  }
}

type RefusalData = Extract<RunEvent, { type: 'spawn-refused' }>['data']

function* refusal({ taskId, rule, limit, value }: RefusalData, policy: Policy, used: Used, sinceMs: number) {
  if (limit !== policy[rule]) yield `the refusal of ${taskId} names ${rule} ${limit}, the policy says ${policy[rule]}`
  const real = { tasksMax: used.specs.size, tokensMax: used.tokens, costUsdMax: used.costUsd }
  const isTrue =
    rule === 'depthMax'
      ? value > limit
      : rule === 'wallClockMsMax'
        ? value >= limit && value >= sinceMs
        : value === real[rule] && value >= limit
  if (!isTrue) yield `the refusal of ${taskId} says ${rule} is ${limit} and the run stands at ${value}`
}
