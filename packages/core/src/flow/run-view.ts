import type { Mode, Status } from '../protocol/events.js'
import type { TaskId } from '../protocol/ids.js'
import type { JsonValue } from '../protocol/json.js'
import type { Receipt } from '../protocol/receipt.js'
import type { Counts, CriterionEvidence, OpenTask, RunState } from '../protocol/state.js'
import type { TaskRequest, TaskSpec } from '../protocol/task.js'
import { attemptsMax } from './decide-dispatch.js'

/** How many of each a view lists; its `counts` say how many there are. */
const listedMax = {
  received: Number.POSITIVE_INFINITY,
  stopped: Number.POSITIVE_INFINITY,
  out: Number.POSITIVE_INFINITY,
  planned: 1_000,
}

export interface CriterionView {
  /** From 1. */
  readonly number: number
  readonly text: string
  readonly met: CriterionEvidence | null
}

export interface OpenTaskView {
  readonly taskId: TaskId
  readonly kind: string
  readonly input: JsonValue
  /** Who answers for it. */
  readonly owner: string
  /** What was to come back, as whoever dispatched it has said. */
  readonly returns: string | null
  readonly lane: string
  readonly attempt: number
  readonly attemptsMax: number
  /** Version of the newest event about it. */
  readonly changedAt: number
}

export interface OutTaskView extends OpenTaskView {
  readonly since: string
  readonly dueAt: string
}

/** `why`: the time or the tasks that it waits for; a slot, if neither. */
export interface PlannedTaskView extends OpenTaskView {
  readonly notBefore: string | null
  readonly waitingFor: number
}

/** Work that came back and waits for a decision. */
export interface ReceivedTaskView extends OpenTaskView {
  readonly status: Receipt['status']
  readonly output: JsonValue
  readonly receipt: Receipt
  /** Ready to be dispatched: this task is their parent. */
  readonly spawnRequests: readonly TaskRequest[]
}

/** No attempt follows by itself. `receipt`: of the newest attempt, if it came. */
export interface StoppedTaskView extends OpenTaskView {
  readonly reason: string
  readonly receipt: Receipt | null
}

/** A run as its log tells it up to `version`. */
export interface RunView {
  readonly runId: string
  readonly goal: string
  readonly criteria: readonly CriterionView[]
  readonly version: number
  readonly epoch: number
  readonly mode: Mode
  readonly status: Status
  /** Why it is paused, blocked or closed. */
  readonly reason: string | null
  readonly round: number
  readonly checkpoint: RunState['checkpoint']
  readonly counts: Readonly<Counts>
  readonly spent: Readonly<RunState['spent']>
  /** In the order of their receipts. */
  readonly received: readonly ReceivedTaskView[]
  readonly stopped: readonly StoppedTaskView[]
  readonly out: readonly OutTaskView[]
  readonly planned: readonly PlannedTaskView[]
}

/** Who answers for a task: the owner that it names, or else whoever serves its lane. */
export const ownerOf = (spec: TaskSpec): string => spec.owner ?? `workers of lane ${spec.lane}`

/** `max`: lists no more than these; the costs of a view are those of what it lists. */
export function viewOf(state: RunState, max: Readonly<typeof listedMax> = listedMax): RunView {
  const out: OutTaskView[] = []
  const planned: PlannedTaskView[] = []
  for (const task of state.tasks.values()) {
    if (task.phase === 'out' && out.length < max.out) {
      out.push({ ...taskView(state, task), since: task.dispatchedAt ?? '', dueAt: task.deadlineAt ?? '' })
    } else if (task.phase === 'planned' && planned.length < max.planned) {
      planned.push({ ...taskView(state, task), notBefore: task.notBefore, waitingFor: task.waitingFor })
    }
  }
  return {
    runId: state.runId ?? '',
    goal: state.goal,
    criteria: state.successCriteria.map((text, i) => ({ number: i + 1, text, met: state.criteria[i] ?? null })),
    version: state.version,
    epoch: state.epoch,
    mode: state.mode,
    status: state.status,
    reason: state.closing ?? state.blockedReason ?? state.pausedReason,
    round: state.round,
    checkpoint: state.checkpoint,
    counts: { ...state.counts },
    spent: { ...state.spent },
    received: tasksOf(state, state.received, max.received).flatMap((task) => receivedView(state, task)),
    stopped: tasksOf(state, state.stopped, max.stopped).map((task) => ({
      ...taskView(state, task),
      reason: task.stopReason ?? '',
      receipt: task.receipt,
    })),
    out,
    planned,
  }
}

function tasksOf(state: RunState, ids: Iterable<TaskId>, max: number): OpenTask[] {
  const tasks: OpenTask[] = []
  for (const id of ids) {
    if (tasks.length >= max) break
    const task = state.tasks.get(id)
    if (task !== undefined) tasks.push(task)
  }
  return tasks
}

function taskView(state: RunState, { spec, attempt, changedAt }: OpenTask): OpenTaskView {
  const { taskId, kind, input, lane } = spec
  return {
    ...{ taskId, kind, input, owner: ownerOf(spec), returns: spec.returns ?? null, lane, attempt, changedAt },
    attemptsMax: attemptsMax(state, spec),
  }
}

function receivedView(state: RunState, task: OpenTask): ReceivedTaskView[] {
  const { receipt } = task
  if (receipt === null) return []
  const spawnRequests = (receipt.spawnRequests ?? []).map((request) => ({ ...request, parent: task.spec.taskId }))
  return [{ ...taskView(state, task), status: receipt.status, output: receipt.output, receipt, spawnRequests }]
}
