import { z } from 'zod'
import { checklistItemSchema, holderSchema, modes, statuses } from '../protocol/events.js'
import { policySchema } from '../protocol/policy.js'
import { receiptSchema } from '../protocol/receipt.js'
import { type OpenTask, outcomes, type RunState, settledDepth, settledOutcome, taskPhases } from '../protocol/state.js'
import { taskSpecSchema } from '../protocol/task.js'

const version = z.number().int().min(0)
const count = z.number().int().min(0)
const time = z.string().describe('ISO 8601, UTC')
const taskIds = z.array(z.string()).readonly()

const rememberedSchema = z.object({
  version,
  at: time,
  event: z.object({
    type: z.string(),
    v: z.number().int(),
    data: z.record(z.string(), z.unknown()),
    cause: z
      .object({ sender: z.string(), seq: z.number().int(), more: z.literal(true).optional() })
      .optional()
      .describe('the inbox message that it answers'),
  }),
})

/** A task that is not settled. */
export const openTaskSchema = z.object({
  taskId: z.string(),
  phase: z.enum(taskPhases),
  attempt: z.number().int().min(0).describe('the newest; of a planned task, the one that is planned'),
  spec: taskSpecSchema,
  notBefore: time.nullable().describe('planned: not before this time'),
  waitingFor: count.describe('planned: tasks that must be accepted first, and are not yet'),
  digest: z.string().nullable().describe('the dispatch digest, from the newest dispatch on'),
  epoch: version.describe('of the newest dispatch'),
  deadlineAt: time.nullable(),
  dispatchedAt: time.nullable(),
  changedAt: version.describe('version of the newest event about it'),
  receipt: receiptSchema.nullable(),
  stopReason: z.string().nullable(),
})

/** The state of a run as plain JSON: what `stateJson` gives. */
export const runStateSchema = z.object({
  runId: z.string().nullable(),
  version,
  at: time.nullable().describe('of the newest commit'),
  epoch: version,
  status: z.enum(statuses),
  mode: z.enum(modes),
  goal: z.string(),
  criteria: z.array(
    z.object({
      number: z.number().int().min(1),
      text: z.string(),
      met: z.object({ evidence: z.string(), tasks: taskIds, version, at: time }).nullable(),
    }),
  ),
  policy: policySchema.nullable(),
  openedAt: time.nullable().describe('of a fork: when it was forked'),
  forkedFrom: z
    .object({ runId: z.string(), version, hash: z.string() })
    .nullable()
    .describe('the run whose history up to that version this one goes on from'),
  holder: z.object({ ...holderSchema.shape, since: time }).nullable(),
  pausedReason: z.string().nullable(),
  blockedReason: z.string().nullable(),
  closing: z.string().nullable().describe('summary or reason, once it is complete or failed'),
  checklist: z.array(checklistItemSchema).nullable(),
  resumedEpoch: version.describe('epoch whose resume gates have all passed'),
  round: count,
  checkpoint: z.object({ dueAt: time, note: z.string() }).nullable(),
  statusChangedAt: version,
  resultsChangedAt: version,
  takenInAt: version,
  counts: z.object({
    tasks: count,
    planned: count,
    out: count,
    received: count,
    stopped: count,
    accepted: count,
    cancelled: count,
    abandoned: count,
    attempts: count,
    retries: count,
    expired: count,
    receiptsRejected: count,
    spawnsRefused: count,
    commandsRefused: count,
  }),
  spent: z.object({ tokens: z.number(), costUsd: z.number() }),
  tasks: z.array(openTaskSchema).describe('not settled, in the order in which they came in'),
  settled: z
    .array(z.object({ taskId: z.string(), outcome: z.enum(outcomes), depth: count }))
    .describe('in the order in which they were settled'),
  ready: z
    .array(z.object({ priority: z.number().int(), taskIds }))
    .describe('planned tasks that could go out now, highest priority first, oldest first'),
  delayed: z
    .array(z.object({ notBefore: time, taskId: z.string() }))
    .describe('planned tasks that wait for a time only'),
  dependents: z.array(z.object({ taskId: z.string(), neededBy: taskIds })),
  received: taskIds.describe('in the order of their receipts'),
  stopped: taskIds,
  recent: z
    .object({
      decisions: z.array(rememberedSchema),
      notes: z.array(rememberedSchema),
      settled: z.array(rememberedSchema),
      troubles: z.array(rememberedSchema),
      givenUp: z.array(rememberedSchema),
      refusals: z.array(rememberedSchema),
    })
    .describe('the newest events of each kind, oldest first, a bounded number'),
  senders: z.array(
    z.object({
      sender: z.string(),
      next: z.number().int().describe('every message below this number is decided'),
      ahead: z.array(z.number().int()).describe('and these'),
    }),
  ),
})

export type OpenTaskJson = z.output<typeof openTaskSchema>
export type RunStateJson = z.output<typeof runStateSchema>

/**
 * A state as plain JSON: no maps, no sets. Nothing of it changes when the state is folded further; inputs, outputs and
 * receipts are shared with it, so leave them as they are. The same log gives the same lists in the same order, whether or
 * not it was read from a snapshot.
 */
export function stateJson(state: RunState): RunStateJson {
  const { runId, version, epoch, status, mode, goal, policy, openedAt, forkedFrom, lock } = state
  const { pausedReason, blockedReason, closing, checklist, resumedEpoch, round, checkpoint } = state
  const { statusChangedAt, resultsChangedAt, takenInAt } = state
  return {
    ...{ runId, version, at: state.at === '' ? null : state.at, epoch, status, mode, goal },
    criteria: state.successCriteria.map((text, i) => ({ number: i + 1, text, met: state.criteria[i] ?? null })),
    policy,
    openedAt,
    forkedFrom: forkedFrom && { ...forkedFrom },
    holder: lock === null ? null : { ...lock.holder, since: lock.at },
    ...{
      pausedReason,
      blockedReason,
      closing,
      checklist: checklist === null ? null : [...checklist],
      resumedEpoch,
      round,
    },
    checkpoint,
    ...{ statusChangedAt, resultsChangedAt, takenInAt },
    counts: { ...state.counts },
    spent: { ...state.spent },
    tasks: Array.from(state.tasks.values(), openTaskJson),
    settled: Array.from(state.settled, ([taskId, packed]) => ({
      taskId,
      outcome: settledOutcome(packed),
      depth: settledDepth(packed),
    })),
    ready: state.ready.flatMap((ids, priority) => (ids.size === 0 ? [] : [{ priority, taskIds: [...ids] }])).reverse(),
    delayed: state.delayed.map(({ notBefore, taskId }) => ({ notBefore, taskId })).sort(byTime),
    dependents: Array.from(state.dependents, ([taskId, neededBy]) => ({ taskId, neededBy: [...neededBy] })),
    received: [...state.received],
    stopped: [...state.stopped],
    recent: recentJson(state),
    senders: Array.from(state.senders, ([sender, { next, ahead }]) => ({ sender, next, ahead: sorted(ahead) })),
  }
}

/** One open task as plain JSON. */
export function openTaskJson(task: OpenTask): OpenTaskJson {
  const { spec, phase, attempt, notBefore, waitingFor, digest, epoch } = task
  const { deadlineAt, dispatchedAt, changedAt, receipt, stopReason } = task
  return {
    ...{ taskId: spec.taskId, phase, attempt, spec, notBefore, waitingFor, digest, epoch },
    ...{ deadlineAt, dispatchedAt, changedAt, receipt, stopReason },
  }
}

function recentJson({ recent }: RunState): RunStateJson['recent'] {
  const { decisions, notes, settled, troubles, givenUp, refusals } = recent
  return {
    ...{ decisions: [...decisions], notes: [...notes], settled: [...settled] },
    ...{ troubles: [...troubles], givenUp: [...givenUp], refusals: [...refusals] },
  }
}

const byTime = (a: { notBefore: string; taskId: string }, b: { notBefore: string; taskId: string }): number =>
  a.notBefore === b.notBefore ? (a.taskId < b.taskId ? -1 : 1) : a.notBefore < b.notBefore ? -1 : 1

const sorted = (numbers: Iterable<number>): number[] => [...numbers].sort((a, b) => a - b)
