import { z } from 'zod'
import { type OpenTask, outcomes, type RunState, settledOutcome, taskPhases } from '../protocol/state.js'

const side = z.object({ version: z.number().int(), at: z.string().nullable().describe('time of its commit') })
const value = z.union([z.string(), z.number(), z.null()])
const change = z.object({ name: z.string(), from: value, to: value })
const total = z.number().int().min(0)
const taskState = z.enum([...taskPhases, ...outcomes])

/** What `diffStates` gives. Lists are bounded; `total` says how many there are. */
export const stateDiffSchema = z.object({
  runId: z.string().nullable(),
  from: side,
  to: side,
  fields: z
    .array(change)
    .describe('of the run: status, mode, holder, epoch, round, pausedReason, blockedReason, closing, checkpoint, …'),
  criteria: z.array(
    z.object({
      number: z.number().int(),
      text: z.string(),
      from: z.string().nullable().describe('its evidence; null: not met'),
      to: z.string().nullable(),
    }),
  ),
  counts: z.array(z.object({ name: z.string(), from: z.number(), to: z.number() })),
  spent: z.array(z.object({ name: z.enum(['tokens', 'costUsd']), from: z.number(), to: z.number() })),
  takenIn: z.object({
    total,
    tasks: z.array(z.object({ taskId: z.string(), now: taskState, attempt: z.number().int().nullable() })),
  }),
  changed: z
    .object({ total, tasks: z.array(z.object({ taskId: z.string(), fields: z.array(change) })) })
    .describe('open before and after'),
  settled: z.object({
    total,
    tasks: z.array(z.object({ taskId: z.string(), outcome: z.enum(outcomes), from: z.enum(taskPhases).nullable() })),
  }),
  events: z
    .object({ total, types: z.array(z.object({ type: z.string(), count: total })) })
    .nullable()
    .describe('that lie between, most frequent first; null if only the states were compared'),
})

export type StateDiff = z.output<typeof stateDiffSchema>
type Change = z.output<typeof change>

export interface DiffOptions {
  /** Tasks listed of each kind. Default: 100. */
  readonly listedMax?: number
}

/** What changed between two states of one run, in the words of the library. The states are only read. */
export function diffStates(from: RunState, to: RunState, { listedMax = 100 }: DiffOptions = {}): StateDiff {
  const list = <T>() => new Bounded<T>(listedMax)
  const [takenIn, changed, settled] = [
    list<StateDiff['takenIn']['tasks'][number]>(),
    list<StateDiff['changed']['tasks'][number]>(),
    list<StateDiff['settled']['tasks'][number]>(),
  ]
  for (const [taskId, task] of to.tasks) {
    const before = from.tasks.get(taskId)
    if (before === undefined) takenIn.add(() => ({ taskId, now: task.phase, attempt: task.attempt }))
    else if (before.changedAt !== task.changedAt || before.waitingFor !== task.waitingFor) {
      const fields = changes(taskFacts(before), taskFacts(task))
      if (fields.length > 0) changed.add(() => ({ taskId, fields }))
    }
  }
  for (const [taskId, packed] of to.settled) {
    if (from.settled.has(taskId)) continue
    const outcome = settledOutcome(packed)
    const before = from.tasks.get(taskId)
    settled.add(() => ({ taskId, outcome, from: before?.phase ?? null }))
    if (before === undefined) takenIn.add(() => ({ taskId, now: outcome, attempt: null }))
  }
  return {
    runId: to.runId ?? from.runId,
    from: sideOf(from),
    to: sideOf(to),
    fields: changes(runFacts(from), runFacts(to)),
    criteria: criteriaChanges(from, to),
    counts: numbers(from.counts, to.counts),
    spent: numbers(from.spent, to.spent) as StateDiff['spent'],
    takenIn: { total: takenIn.total, tasks: takenIn.listed },
    changed: { total: changed.total, tasks: changed.listed },
    settled: { total: settled.total, tasks: settled.listed },
    events: null,
  }
}

class Bounded<T> {
  total = 0
  readonly listed: T[] = []

  constructor(private readonly max: number) {}

  add(make: () => T): void {
    if (++this.total <= this.max) this.listed.push(make())
  }
}

const sideOf = ({ version, at }: RunState) => ({ version, at: at === '' ? null : at })

const runFacts = (state: RunState) => ({
  forkedFrom: state.forkedFrom === null ? null : `${state.forkedFrom.runId}@${state.forkedFrom.version}`,
  status: state.status,
  mode: state.mode,
  goal: state.goal,
  holder: state.lock?.holder.id ?? null,
  epoch: state.epoch,
  resumedEpoch: state.resumedEpoch,
  round: state.round,
  pausedReason: state.pausedReason,
  blockedReason: state.blockedReason,
  closing: state.closing,
  checkpoint: state.checkpoint === null ? null : `${state.checkpoint.dueAt}: ${state.checkpoint.note}`,
})

const taskFacts = (task: OpenTask) => ({
  phase: task.phase,
  attempt: task.attempt,
  waitingFor: task.waitingFor,
  notBefore: task.notBefore,
  dispatchedAt: task.dispatchedAt,
  deadlineAt: task.deadlineAt,
  receipt: task.receipt === null ? null : task.receipt.status,
  receiptId: task.receipt?.receiptId ?? null,
  stopReason: task.stopReason,
})

function changes<T extends Record<string, Change['from']>>(from: T, to: T): Change[] {
  return Object.keys(to).flatMap((name) => {
    const [a = null, b = null] = [from[name], to[name]]
    return a === b ? [] : [{ name, from: a, to: b }]
  })
}

const numbers = <T extends object>(from: T, to: T) =>
  changes(from as Record<string, number>, to as Record<string, number>) as StateDiff['counts']

function criteriaChanges(from: RunState, to: RunState): StateDiff['criteria'] {
  return to.successCriteria.flatMap((text, i) => {
    const [a, b] = [from.criteria[i] ?? null, to.criteria[i] ?? null]
    if (a?.version === b?.version) return []
    return [{ number: i + 1, text, from: a?.evidence ?? null, to: b?.evidence ?? null }]
  })
}
