import { z } from 'zod'
import { readCommits, unknownRun } from '../coordinator/load-run.js'
import { attemptsMax } from '../flow/decide-dispatch.js'
import { initialState, reduceEvent } from '../flow/reduce-event.js'
import { TaskHistory, taskIdOf } from '../flow/task-history.js'
import type { Adapter } from '../ports/adapter.js'
import type { RunEvent } from '../protocol/events.js'
import { type RunId, runIdSchema, type TaskId } from '../protocol/ids.js'
import { type OpenTask, type RunState, settledOutcome } from '../protocol/state.js'
import type { TaskSpec } from '../protocol/task.js'
import { checkedId } from './checked-id.js'
import { loadRunAt } from './load-run-at.js'

export const taskPlaces = ['planned', 'out', 'received', 'stopped', 'accepted', 'cancelled', 'abandoned'] as const
const openPlaces: ReadonlySet<string> = new Set(taskPlaces.slice(0, 4))

/** One task of a run. JSON. What a settled one was like stands in the log alone: null if that was not read. */
export const taskRowSchema = z.strictObject({
  taskId: z.string(),
  place: z.enum(taskPlaces).describe('phase of an open task, outcome of a settled one'),
  kind: z.string().nullable(),
  lane: z.string().nullable(),
  priority: z.number().int().nullable(),
  attempt: z.number().int().nullable().describe('the newest, from 1'),
  attemptsMax: z.number().int().nullable(),
  failures: z.number().int().nullable().describe('attempts that failed, expired or were rejected; null: not read'),
  changedAt: z.number().int().nullable().describe('version of the newest event about it'),
  since: z.string().nullable().describe('out: when it went out; settled: when it was'),
  dueAt: z.string().nullable().describe('out: its deadline'),
  notBefore: z.string().nullable(),
  waitingFor: z.number().int().nullable().describe('planned: tasks that must be accepted first'),
  worker: z.string().nullable().describe('of the receipt of its newest attempt, by its own account'),
  reason: z.string().nullable().describe('stopped, cancelled, abandoned: why'),
})
export type TaskRow = Readonly<z.output<typeof taskRowSchema>>

export interface ListTasksOptions {
  readonly adapter: Pick<Adapter, 'log' | 'snapshots' | 'history'>
  readonly runId: string
  /** Default: all. */
  readonly places?: readonly TaskRow['place'][]
  readonly kind?: string
  readonly lane?: string
  /** Only those with an attempt that failed, expired or was rejected, and that are not accepted. */
  readonly failed?: boolean
  /** Reads the whole log, also where the state would do: then nothing is null that the log knows. */
  readonly long?: boolean
}

/**
 * The tasks of a run: those that are settled, in that order, then those that are open, in the order in which they came in.
 * From the state, if that says enough, and else from the log as it is read. In memory: the state, and what the log says of
 * the open tasks. `RUN_UNKNOWN`, `INVALID_ID`, and what the log fails with.
 */
export async function* listTasks(options: ListTasksOptions): AsyncGenerator<TaskRow, void> {
  const runId = checkedId<RunId>(runIdSchema, options.runId, 'run')
  const { places = taskPlaces, kind, lane, failed = false, long = false } = options
  const wanted = new Set(places)
  const wantsSettled = places.some((place) => !openPlaces.has(place))
  const readsLog = long || failed || (wantsSettled && (kind ?? lane) !== undefined)
  for await (const row of readsLog ? rowsOfLog(options.adapter, runId) : rowsOfState(options.adapter, runId, wanted)) {
    if (!wanted.has(row.place)) continue
    if ((kind ?? row.kind) !== row.kind || (lane ?? row.lane) !== row.lane) continue
    if (failed && (row.failures === 0 || row.place === 'accepted')) continue
    yield row
  }
}

type Places = ReadonlySet<TaskRow['place']>

async function* rowsOfState(
  adapter: ListTasksOptions['adapter'],
  runId: RunId,
  wanted: Places,
): AsyncGenerator<TaskRow> {
  const { state } = await loadRunAt(adapter.log, runId, { back: 0 }, adapter)
  for (const [taskId, packed] of state.settled) {
    const place = settledOutcome(packed)
    if (wanted.has(place)) yield { ...blank, taskId, place }
  }
  for (const task of state.tasks.values()) yield openRow(state, task, null)
}

async function* rowsOfLog({ log }: ListTasksOptions['adapter'], runId: RunId): AsyncGenerator<TaskRow> {
  let state = initialState()
  const histories = new Map<TaskId, TaskHistory>()
  for await (const { at, events } of readCommits(log, runId)) {
    state.at = at
    for (const event of events) {
      state = reduceEvent(state, event)
      const history = follow(histories, state, event)
      if (history?.settled != null) yield settledRow(state, history, history.settled)
    }
  }
  if (state.version === 0) throw unknownRun(runId)
  for (const task of state.tasks.values()) yield openRow(state, task, histories.get(task.spec.taskId) ?? null)
}

function follow(histories: Map<TaskId, TaskHistory>, state: RunState, event: RunEvent): TaskHistory | null {
  // What was out when a run was forked is so for every task.
  if (event.type === 'run-forked') {
    for (const each of histories.values()) each.fold(event, { version: state.version, at: state.at })
  }
  const taskId = taskIdOf(event) as TaskId | undefined
  if (taskId === undefined) return null
  let history = histories.get(taskId)
  if (history === undefined) {
    // Whoever is refused may name any task.
    if (!state.tasks.has(taskId)) return null
    history = new TaskHistory(taskId)
    histories.set(taskId, history)
  }
  history.fold(event, { version: state.version, at: state.at })
  if (history.settled !== null) histories.delete(taskId)
  return history
}

const blank: Omit<TaskRow, 'taskId' | 'place'> = {
  ...{ kind: null, lane: null, priority: null, attempt: null, attemptsMax: null, failures: null, changedAt: null },
  ...{ since: null, dueAt: null, notBefore: null, waitingFor: null, worker: null, reason: null },
}

function openRow(state: RunState, task: OpenTask, history: TaskHistory | null): TaskRow {
  const { spec, phase, attempt, changedAt, dispatchedAt, deadlineAt, stopReason, receipt } = task
  const isOut = phase === 'out'
  return {
    ...blank,
    ...{ taskId: spec.taskId, place: phase, attempt, changedAt, ...specOf(state, spec) },
    failures: history === null ? null : failuresOf(history),
    since: isOut ? dispatchedAt : null,
    dueAt: isOut ? deadlineAt : null,
    notBefore: task.notBefore,
    waitingFor: phase === 'planned' ? task.waitingFor : null,
    worker: receipt?.worker.id ?? null,
    reason: stopReason,
  }
}

function settledRow(state: RunState, history: TaskHistory, settled: NonNullable<TaskHistory['settled']>): TaskRow {
  const { taskId, spec, attempts } = history
  const newest = attempts.at(-1)
  const { outcome, version, at, reason } = settled
  return {
    ...blank,
    ...{ taskId, place: outcome, changedAt: version, since: at, reason },
    ...(spec === null ? {} : specOf(state, spec)),
    attempt: newest?.attempt ?? null,
    failures: failuresOf(history),
    worker: newest?.recorded?.worker ?? null,
  }
}

const specOf = (state: RunState, spec: TaskSpec) => ({
  ...{ kind: spec.kind, lane: spec.lane, priority: spec.priority, attemptsMax: attemptsMax(state, spec) },
})

/** A receipt that says failed is rejected by the policy in the same commit. */
const failuresOf = ({ attempts }: TaskHistory): number =>
  attempts.filter(({ ended }) => ended !== null && ended.how !== 'kept-out').length
