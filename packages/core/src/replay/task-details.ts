import { z } from 'zod'
import { attemptsMax } from '../flow/decide-dispatch.js'
import type { AttemptFacts } from '../flow/task-history.js'
import { RepriseError } from '../protocol/errors.js'
import type { TaskId } from '../protocol/ids.js'
import type { Receipt } from '../protocol/receipt.js'
import { type RunState, settledOutcome } from '../protocol/state.js'
import type { TaskSpec } from '../protocol/task.js'
import { systemRuntime } from '../runtime/system-runtime.js'
import { commandLine } from './reason.js'
import { seeTask, taskWhySchema, type WhyTaskOptions } from './why-task.js'

const version = z.number().int()
const markSchema = z.strictObject({ version, at: z.string() })

const specSchema = z.strictObject({
  kind: z.string(),
  input: z.unknown().describe('JSON'),
  lane: z.string(),
  priority: z.number().int(),
  owner: z.string().nullable(),
  returns: z.string().nullable().describe('what is to come back, as whoever dispatched it has said'),
  after: z
    .array(z.strictObject({ taskId: z.string(), place: z.string().describe('where that task is') }))
    .readonly()
    .describe('tasks that must be accepted first'),
  notBefore: z.string().nullable(),
  timeoutMs: z.number().int().nullable().describe('from dispatch to receipt; null: that of the policy'),
  attemptsMax: z.number().int(),
  parent: z.string().nullable().describe('the task whose receipt asked for it'),
  depth: z.number().int(),
  traceId: z.string().nullable().describe('null: the id of the run'),
})

const attemptSchema = z.strictObject({
  attempt: z.number().int(),
  planned: markSchema.nullable(),
  dispatched: markSchema.extend({ deadlineAt: z.string() }).nullable(),
  receipt: markSchema
    .extend({ worker: z.string(), status: z.string(), finishedAt: z.string() })
    .nullable()
    .describe('as the log has recorded it'),
  ended: markSchema.extend({ how: z.string(), reason: z.string() }).nullable(),
  refused: markSchema
    .extend({ gate: z.string(), evidence: z.string() })
    .nullable()
    .describe('the newest receipt of it that a gate has stopped'),
})

const receiptSchema = z.strictObject({
  receiptId: z.string(),
  attempt: z.number().int(),
  status: z.string(),
  worker: z.strictObject({ id: z.string(), host: z.string(), pid: z.number().int() }),
  output: z.unknown().describe('JSON'),
  artifacts: z
    .array(
      z.strictObject({
        ...{ name: z.string(), path: z.string(), sha256: z.string(), bytes: z.number().int() },
        mediaType: z.string().nullable(),
      }),
    )
    .readonly(),
  usage: z.strictObject({ tokens: z.number().nullable(), costUsd: z.number().nullable(), durationMs: z.number() }),
  error: z
    .strictObject({
      message: z.string(),
      code: z.string().nullable(),
      retryable: z.boolean().nullable(),
      stoppedAt: z.string().nullable(),
      resumeInstructions: z.string().nullable(),
    })
    .nullable(),
  spawnRequests: z.array(z.strictObject({ taskId: z.string(), kind: z.string() })).readonly(),
  startedAt: z.string(),
  finishedAt: z.string(),
  signedBy: z.string().nullable().describe('id of the key'),
})

/** Everything about one task. JSON. */
export const taskDetailsSchema = z.strictObject({
  ...taskWhySchema.shape,
  format: z.literal('reprise-task-v1'),
  spec: specSchema,
  attempts: z.array(attemptSchema).readonly().describe('in order; the last is the newest'),
  receipt: receiptSchema.nullable().describe('the newest that was recorded; texts in it come from its worker'),
})
export type TaskDetails = Readonly<z.output<typeof taskDetailsSchema>>

/**
 * Everything about one task: what it is, its attempts, its newest receipt, and what `whyTask` says. It changes nothing.
 * `TASK_UNKNOWN`, and what `whyTask` fails with.
 */
export async function taskDetails({ runtime = systemRuntime, ...options }: WhyTaskOptions): Promise<TaskDetails> {
  const { sight, story, why } = await seeTask({ ...options, runtime })
  const { spec, attempts } = story.history
  if (spec === null || attempts.length === 0) {
    const { runId, taskId } = why
    throw new RepriseError(
      'TASK_UNKNOWN',
      `There is no task ${taskId} in run ${runId}. Why not, if anything asked for it, says: ${commandLine('why', [runId, taskId])}`,
      { details: { runId, taskId } },
    )
  }
  return {
    ...why,
    format: 'reprise-task-v1',
    spec: toldSpec(sight.state, spec),
    attempts: attempts.map(toldAttempt),
    receipt: story.receipt === null ? null : toldReceipt(story.receipt),
  }
}

function toldSpec(state: RunState, spec: TaskSpec): TaskDetails['spec'] {
  const { kind, input, lane, priority, after, depth } = spec
  return {
    ...{ kind, input, lane, priority, depth, attemptsMax: attemptsMax(state, spec) },
    owner: spec.owner ?? null,
    returns: spec.returns ?? null,
    after: after.map((taskId) => ({ taskId, place: placeOf(state, taskId) })),
    notBefore: spec.notBefore ?? null,
    timeoutMs: spec.timeoutMs ?? null,
    parent: spec.parent ?? null,
    traceId: spec.traceId ?? null,
  }
}

function placeOf({ settled, tasks }: RunState, taskId: TaskId): string {
  const packed = settled.get(taskId)
  return packed === undefined ? (tasks.get(taskId)?.phase ?? 'not-there') : settledOutcome(packed)
}

function toldAttempt({
  attempt,
  planned,
  dispatched,
  recorded,
  ended,
  refused,
}: AttemptFacts): TaskDetails['attempts'][number] {
  const markOf = ({ version, at }: { version: number; at: string }) => ({ version, at })
  return {
    attempt,
    planned: planned && markOf(planned),
    dispatched: dispatched && { ...markOf(dispatched), deadlineAt: dispatched.deadlineAt },
    receipt: recorded && {
      ...markOf(recorded),
      ...{ worker: recorded.worker, status: recorded.status, finishedAt: recorded.finishedAt },
    },
    ended: ended && { ...markOf(ended), how: ended.how, reason: ended.reason },
    refused: refused && { ...markOf(refused), gate: refused.gate, evidence: refused.evidence },
  }
}

function toldReceipt(receipt: Receipt): NonNullable<TaskDetails['receipt']> {
  const { receiptId, attempt, status, worker, output, usage, error, startedAt, finishedAt } = receipt
  return {
    ...{ receiptId, attempt, status, output, startedAt, finishedAt },
    worker: { id: worker.id, host: worker.host, pid: worker.pid },
    artifacts: receipt.artifacts.map(({ name, path, sha256, bytes, mediaType = null }) => ({
      ...{ name, path, sha256, bytes, mediaType },
    })),
    usage: { tokens: usage.tokens ?? null, costUsd: usage.costUsd ?? null, durationMs: usage.durationMs },
    error:
      error === undefined
        ? null
        : {
            ...{ message: error.message, code: error.code ?? null, retryable: error.retryable ?? null },
            ...{ stoppedAt: error.stoppedAt ?? null, resumeInstructions: error.resumeInstructions ?? null },
          },
    spawnRequests: (receipt.spawnRequests ?? []).map(({ taskId, kind }) => ({ taskId, kind })),
    signedBy: receipt.signature?.keyId ?? null,
  }
}
