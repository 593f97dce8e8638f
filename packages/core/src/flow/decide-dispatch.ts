import type { Command } from '../protocol/commands.js'
import type { EventData, RunEvent } from '../protocol/events.js'
import type { TaskId } from '../protocol/ids.js'
import { canonicalJson, exceedsJsonBytes } from '../protocol/json.js'
import { limits } from '../protocol/limits.js'
import { type RunState, settledDepth, settledOutcome } from '../protocol/state.js'
import type { TaskSpec } from '../protocol/task.js'
import { type DecideContext, type Decision, decided, event, policyOf, refuse, type SpawnRefusal } from './decision.js'
import { dueDelays, hasDueDelay } from './delay-heap.js'
import { dispatchAttempt } from './plan-deliveries.js'
import { brokenBudget, brokenLimit, holdReason } from './spawn-rules.js'
import { isWaiting } from './task-phases.js'

type Request = Extract<Command, { type: 'dispatch' }>['tasks'][number]
type PlanReason = EventData<'planned'>['why']

/** A task of this command that is to go out or be planned, in the order of the command. */
interface Candidate {
  readonly spec: TaskSpec
  readonly attempt: number
  readonly isNew: boolean
}

/**
 * Takes tasks in, all or none: what is wrong with one of them refuses the command, so that the caller can mend it
 * and send it again. Limits on spend, count and depth refuse single tasks, on record.
 */
export function decideDispatch(state: RunState, tasks: readonly Request[], context: DecideContext): Decision {
  if (context.evaluateFirst && state.received.size > 0) {
    const some = [...state.received].slice(0, 5)
    return refuse(
      'EVALUATE_FIRST',
      `${state.received.size} receipts of run ${state.runId} wait for a decision (${some.join(', ')}): with a context token, returned work comes before new work. Accept, reject or retry them first, in the same round if you like.`,
      { received: state.received.size, taskIds: some },
    )
  }
  const budget = brokenBudget(state, context)
  const candidates = new Map<TaskId, Candidate>()
  const known: TaskId[] = []
  const refused = new Map<TaskId, SpawnRefusal>()
  let taken = state.counts.tasks
  for (const request of tasks) {
    const twin = candidates.get(request.taskId)?.spec ?? state.tasks.get(request.taskId)?.spec
    if (twin !== undefined && !sameWork(twin, request)) {
      return refuse(
        'TASK_CONFLICT',
        `Task ${request.taskId} is in the run already with another kind or input. A task id stands for one piece of work: choose another id.`,
        { taskId: request.taskId },
      )
    }
    if (candidates.has(request.taskId) || isKnown(state, request.taskId)) {
      known.push(request.taskId)
      continue
    }
    const inherited = refusalInherited(request, refused)
    if (inherited !== null) {
      refused.set(request.taskId, inherited)
      continue
    }
    const spec = twin ?? specOf(state, request, candidates)
    if ('code' in spec) return { ok: false, refusal: spec }
    const broken = budget ?? (twin === undefined ? brokenLimit(state, taken, spec.depth) : null)
    if (broken !== null) {
      refused.set(request.taskId, { taskId: request.taskId, ...broken })
      continue
    }
    const attempt = (state.tasks.get(request.taskId)?.attempt ?? 0) + 1
    candidates.set(request.taskId, { spec, attempt, isNew: twin === undefined })
    if (twin === undefined) taken++
  }
  return emit(state, [...candidates.values()], context, known, [...refused.values()])
}

/** A task that needs one which this command was refused, or descends from it, goes the same way. */
function refusalInherited(request: Request, refused: ReadonlyMap<TaskId, SpawnRefusal>): SpawnRefusal | null {
  if (refused.size === 0) return null
  const { taskId, after, parent } = request
  for (const needed of [taskId, ...after, ...(parent === undefined ? [] : [parent])]) {
    const refusal = refused.get(needed)
    if (refusal !== undefined) return { ...refusal, taskId }
  }
  return null
}

/** In the log, and nothing to do: settled, on its way, or out of attempts. */
function isKnown(state: RunState, taskId: TaskId): boolean {
  if (state.settled.has(taskId)) return true
  const task = state.tasks.get(taskId)
  return task !== undefined && (task.phase !== 'stopped' || task.attempt >= attemptsMax(state, task.spec))
}

export const attemptsMax = (state: RunState, spec: TaskSpec): number => spec.attemptsMax ?? policyOf(state).attemptsMax

const sameWork = (spec: TaskSpec, request: Request): boolean =>
  spec.kind === request.kind && canonicalJson(spec.input) === canonicalJson(request.input)

function specOf(state: RunState, request: Request, candidates: ReadonlyMap<TaskId, Candidate>) {
  const { taskId } = request
  if (exceedsJsonBytes(request.input, limits.inputBytesMax)) {
    return problem(
      'TOO_LARGE',
      `The input of task ${taskId} exceeds ${limits.inputBytesMax} bytes as JSON. Put it into an artifact and pass its path.`,
      taskId,
    )
  }
  let depth = 0
  if (request.parent !== undefined) {
    const parentDepth = depthOf(state, request.parent, candidates)
    if (parentDepth === null) {
      return problem(
        'TASK_UNKNOWN',
        `Task ${taskId} names the parent ${request.parent}, which is not in the run.`,
        taskId,
      )
    }
    depth = parentDepth + 1
  }
  for (const needed of request.after) {
    const packed = state.settled.get(needed)
    if (packed !== undefined && settledOutcome(packed) !== 'accepted') {
      return problem(
        'TASK_SETTLED',
        `Task ${taskId} would wait for ${needed}, which was ${settledOutcome(packed)} and will never be accepted.`,
        taskId,
      )
    }
    if (packed === undefined && !state.tasks.has(needed) && !candidates.has(needed)) {
      return problem(
        'TASK_UNKNOWN',
        `Task ${taskId} would wait for ${needed}, which is neither in the run nor earlier in this command.`,
        taskId,
      )
    }
  }
  return { ...request, depth } satisfies TaskSpec
}

const problem = (code: 'TOO_LARGE' | 'TASK_UNKNOWN' | 'TASK_SETTLED', message: string, taskId: TaskId) => ({
  code,
  message,
  details: { taskId },
})

function depthOf(state: RunState, taskId: TaskId, candidates: ReadonlyMap<TaskId, Candidate>): number | null {
  const packed = state.settled.get(taskId)
  if (packed !== undefined) return settledDepth(packed)
  return (state.tasks.get(taskId)?.spec ?? candidates.get(taskId)?.spec)?.depth ?? null
}

function emit(
  state: RunState,
  candidates: readonly Candidate[],
  context: DecideContext,
  known: TaskId[],
  refused: SpawnRefusal[],
): Decision {
  const events: RunEvent[] = []
  const offers: ReturnType<typeof dispatchAttempt>['offer'][] = []
  const hold = holdReason(state) ?? (context.isCatchingUp ? 'evaluate-first' : null)
  // Whoever waits already comes first; `advance` fills the slots by priority.
  const waiting = state.ready.some((ids) => ids.size > 0) || hasDueDelay(state.delayed, context.now)
  let slots = hold === null && !waiting ? policyOf(state).inFlightMax - state.counts.out : 0
  const byPriority = [...candidates].sort((a, b) => b.spec.priority - a.spec.priority)
  for (const { spec, attempt, isNew } of byPriority) {
    const task = isNew ? { task: spec } : {}
    const why = planReason(state, spec, context, hold, slots)
    if (why === null) {
      const { data, offer } = dispatchAttempt(state, spec, attempt, context)
      if (offers.length === 0 && state.mode !== 'dispatching') events.push(shiftMode(state))
      events.push(event('dispatched', { ...data, ...task }))
      offers.push(offer)
      slots--
    } else {
      const notBefore = why === 'time' && spec.notBefore !== undefined ? { notBefore: spec.notBefore } : {}
      const later = why === 'after' && spec.notBefore !== undefined ? { notBefore: spec.notBefore } : {}
      events.push(event('planned', { taskId: spec.taskId, attempt, why, ...notBefore, ...later, ...task }))
    }
  }
  for (const rule of new Set(refused.map((refusal) => refusal.rule))) {
    const ofRule = refused.filter((refusal) => refusal.rule === rule)
    const [{ taskId, limit, value }] = ofRule as [SpawnRefusal]
    events.push(event('spawn-refused', { taskId, rule, limit, value, count: ofRule.length }))
  }
  return decided(events, { offers, known, refused })
}

const shiftMode = (state: RunState): RunEvent =>
  event('mode-changed', { from: state.mode, to: 'dispatching', reason: 'there are tasks to dispatch' })

function planReason(
  state: RunState,
  spec: TaskSpec,
  context: DecideContext,
  hold: PlanReason | null,
  slots: number,
): PlanReason | null {
  if (spec.after.some((needed) => !state.settled.has(needed))) return 'after'
  if (spec.notBefore !== undefined && spec.notBefore > context.now) return 'time'
  return hold ?? (slots > 0 ? null : 'no-slot')
}

/**
 * Gives free slots to planned tasks whose turn has come, highest priority first, longest waiting first. Planned
 * tasks that a spent budget will never let out are stopped, on record, rather than left waiting for ever.
 */
export function decideAdvance(state: RunState, context: DecideContext): Decision {
  const budget = brokenBudget(state, context)
  if (budget !== null) {
    const stuck = nextInTurn(state, context, Number.POSITIVE_INFINITY)
    return decided(stuck.map((taskId) => event('spawn-refused', { taskId, ...budget, count: 1 })))
  }
  const slots = policyOf(state).inFlightMax - state.counts.out
  if (slots <= 0 || holdReason(state) !== null) return decided([])
  const turn = nextInTurn(state, context, slots)
  if (turn.length === 0) return decided([])
  const events = state.mode === 'dispatching' ? [] : [shiftMode(state)]
  const offers = []
  for (const taskId of turn) {
    const task = state.tasks.get(taskId)
    if (task === undefined) continue
    const { data, offer } = dispatchAttempt(state, task.spec, task.attempt, context)
    events.push(event('dispatched', data))
    offers.push(offer)
  }
  return decided(events, { offers })
}

function nextInTurn(state: RunState, context: DecideContext, slots: number): TaskId[] {
  // The common case, once per commit: nobody waits.
  if (state.counts.planned === 0) return []
  const due: TaskId[][] = Array.from({ length: 10 }, () => [])
  const entries = dueDelays(state.delayed, context.now)
  entries.sort((a, b) => Number(a.notBefore > b.notBefore) - Number(a.notBefore < b.notBefore))
  for (const entry of entries) {
    const task = isWaiting(state, entry) ? state.tasks.get(entry.taskId) : undefined
    if (task !== undefined) due[task.spec.priority]?.push(entry.taskId)
  }
  const turn = new Set<TaskId>()
  for (let priority = 9; priority >= 0; priority--) {
    for (const ids of [due[priority] ?? [], state.ready[priority] ?? []]) {
      for (const id of ids) {
        if (turn.size >= slots) return [...turn]
        turn.add(id)
      }
    }
  }
  return [...turn]
}
