import { z } from 'zod'
import { isoTimeSchema, kindSchema, laneSchema, type RunId, type TaskId, taskIdSchema } from './ids.js'
import { copyJson, type JsonValue } from './json.js'
import { limits } from './limits.js'
import { sha256 } from './sha256.js'

/** A JSON value from outside: copied, and checked for depth, prototypes and what JSON cannot express. */
export const jsonSchema = z.unknown().transform((value, context): JsonValue => {
  const result = copyJson(value)
  if ('copy' in result) return result.copy
  context.issues.push({ code: 'custom', message: result.problem, input: value })
  return z.NEVER
})

export const traceIdSchema = z
  .string()
  .regex(/^[A-Za-z0-9._:@-]{1,128}$/, 'a trace id must be 1 to 128 of A-Z a-z 0-9 . _ : @ -')

const taskOptions = {
  /** Workers consume lanes. */
  lane: laneSchema.default('default'),
  /** 0 to 9, higher first. */
  priority: z.number().int().min(0).max(9).default(5),
  /** Who answers for it, for people who read; default: whoever serves its lane. */
  owner: z.string().min(1).max(limits.ownerMax).optional(),
  /** What must be back for it to count as done, for people who read; default: a receipt that passes every gate. */
  returns: z.string().min(1).max(limits.textMax).optional(),
  /** Tasks that must be accepted before this one is dispatched. */
  after: z.array(taskIdSchema).max(limits.afterMax).default([]),
  /** Not dispatched before this time. */
  notBefore: isoTimeSchema.optional(),
  /** Milliseconds from dispatch to receipt; default `policy.attemptTimeoutMs`. */
  timeoutMs: z
    .number()
    .int()
    .min(1)
    .max(366 * 24 * 3600 * 1000)
    .optional(),
  /** Attempts for this task; default `policy.attemptsMax`. */
  attemptsMax: z.number().int().min(1).max(1000).optional(),
  /** Ties tasks of several runs together; default: the run's id. */
  traceId: traceIdSchema.optional(),
}

/** What a caller asks for. */
export const taskRequestSchema = z.strictObject({
  taskId: taskIdSchema,
  kind: kindSchema,
  input: jsonSchema,
  ...taskOptions,
  /** The task whose receipt asked for this one. */
  parent: taskIdSchema.optional(),
})
export type TaskRequest = z.input<typeof taskRequestSchema>

/**
 * What a worker asks for in its receipt: the coordinator decides. Defaults are filled in when it is dispatched, not
 * here: a receipt stands in the log as it came.
 */
export const spawnRequestSchema = taskRequestSchema.omit({ parent: true }).extend({
  lane: taskOptions.lane.unwrap().optional(),
  priority: taskOptions.priority.unwrap().optional(),
  after: taskOptions.after.unwrap().optional(),
})

/** A task as the log holds it: everything that a dispatch needs. */
export const taskSpecSchema = z.strictObject({
  ...taskRequestSchema.shape,
  lane: laneSchema,
  priority: z.number().int().min(0).max(9),
  after: z.array(taskIdSchema).max(limits.afterMax),
  depth: z.number().int().min(0),
})
export type TaskSpec = Readonly<z.output<typeof taskSpecSchema>>

/** What a worker is handed, as an object. Its JSON text is sealed by the dispatch digest. */
export interface Dispatch {
  readonly v: 1
  readonly runId: RunId
  readonly taskId: TaskId
  readonly attempt: number
  readonly epoch: number
  readonly kind: string
  readonly input: JsonValue
  readonly deadlineAt: string
  readonly deliveriesMax: number
  readonly artifactBytesMax: number
  readonly parent: TaskId | null
  readonly depth: number
  readonly traceId: string
  /** Version of the receipt schema that is expected back. */
  readonly receipt: 1
  /** What the coordinator does when it is back, for whoever reads the log. */
  readonly returnTo: { readonly mode: 'evaluating'; readonly nextAction: string }
}

/** One attempt on its way to a worker. */
export interface Offer {
  readonly runId: RunId
  readonly taskId: TaskId
  readonly attempt: number
  readonly lane: string
  /** The dispatch digest: sha256 of `body`. */
  readonly digest: string
  /** JSON text of a `Dispatch`. */
  readonly body: string
}

/**
 * The text handed out for one attempt. The same log gives the same text for ever, so a redelivery has the digest
 * that the log holds: never change what version 1 builds, add a version 2.
 */
export function dispatchBody(
  run: { readonly runId: RunId; readonly deliveriesMax: number; readonly artifactBytesMax: number },
  task: TaskSpec,
  attempt: number,
  epoch: number,
  deadlineAt: string,
): { body: string; digest: string } {
  const dispatch: Dispatch = {
    v: 1,
    runId: run.runId,
    taskId: task.taskId,
    attempt,
    epoch,
    kind: task.kind,
    input: task.input,
    deadlineAt,
    deliveriesMax: run.deliveriesMax,
    artifactBytesMax: run.artifactBytesMax,
    parent: task.parent ?? null,
    depth: task.depth,
    traceId: task.traceId ?? run.runId,
    receipt: 1,
    returnTo: { mode: 'evaluating', nextAction: 'check the receipt, then accept, reject or retry' },
  }
  const body = JSON.stringify(dispatch)
  return { body, digest: sha256(body) }
}
