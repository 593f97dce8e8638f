import { z } from 'zod'
import { isoTimeSchema, runIdSchema, type TaskId, taskIdBytesMax, taskIdSchema } from '../protocol/ids.js'
import { limits } from '../protocol/limits.js'
import { oneLine } from '../protocol/one-line.js'
import { sha256 } from '../protocol/sha256.js'
import { defineTask } from '../worker/define-task.js'

/** Why an attempt counts as stalled. */
export const stallReasons = ['unclaimed', 'silent', 'no-progress', 'missing'] as const
export type StallReason = (typeof stallReasons)[number]

const ofEvery = {
  /** Names this incident for ever: whoever is told twice knows it by this. */
  key: taskIdSchema,
  runId: runIdSchema,
  /** Of the log that it was found by. */
  version: z.number().int().min(0),
  foundAt: isoTimeSchema,
  /** The incident in one line of plain English. */
  message: z.string(),
}
const ofAttempt = { taskId: taskIdSchema, attempt: z.number().int().min(1) }

const incidentSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('coordinator-dead'),
    ...ofEvery,
    epoch: z.number().int().min(1),
    holder: z.strictObject({ id: z.string(), host: z.string(), pid: z.number().int() }),
    /** Attempts that are out. */
    out: z.number().int().min(0),
  }),
  z.strictObject({
    kind: z.literal('attempt-stalled'),
    ...ofEvery,
    ...ofAttempt,
    /** Not claimed; claimed without a heartbeat, or without progress after some; neither in the queue nor in the log. */
    why: z.enum(stallReasons),
    /** Who has claimed it. */
    workerId: z.string().optional(),
  }),
  z.strictObject({ kind: z.literal('attempt-overdue'), ...ofEvery, ...ofAttempt, deadlineAt: isoTimeSchema }),
  z.strictObject({
    kind: z.literal('checkpoint-overdue'),
    ...ofEvery,
    dueAt: isoTimeSchema,
    note: z.string().max(limits.textMax),
  }),
  z.strictObject({
    kind: z.literal('receipts-waiting'),
    ...ofEvery,
    /** The oldest message that waits: a receipt, or a command. */
    oldest: z.strictObject({ kind: z.enum(['receipt', 'command']), sender: z.string() }),
  }),
])
/** Something that the watchdog has found: plain JSON. */
export type Incident = Readonly<z.output<typeof incidentSchema>>
export type IncidentKind = Incident['kind']
/** An incident without what is the same in all of one look. */
export type IncidentFact = Incident extends infer I
  ? I extends Incident
    ? Omit<I, 'key' | 'message' | 'foundAt'>
    : never
  : never

/** Tells one incident: the task of which the watchdog's own run consists. */
export const incidentTask = defineTask('incident', { input: incidentSchema, output: z.null() })

/** The same fact has the same key on every machine, in every life of the watchdog. */
export function factKey(fact: IncidentFact): string {
  switch (fact.kind) {
    case 'coordinator-dead':
      return `${fact.kind}/${fact.runId}/${fact.epoch}`
    case 'attempt-stalled':
    case 'attempt-overdue':
      // Last, because it may hold anything, slashes too.
      return `${fact.kind}/${fact.runId}/${fact.attempt}/${fittingTaskId(fact.taskId)}`
    case 'checkpoint-overdue':
      return `${fact.kind}/${fact.runId}/${fact.dueAt}`
    case 'receipts-waiting':
      return `${fact.kind}/${fact.runId}/${fact.version}`
  }
}

/** The key of the `n`-th time that a fact holds, after it was over untold before. */
export const keyOfTime = (key: string, n: number): TaskId => (n === 1 ? key : `again-${n}/${key}`) as TaskId

/** The key of the fact, from that of any of its times. */
export const factKeyOf = (key: string): string => key.replace(/^again-\d+\//, '')

const wordsMax = 200

export function describeFact(fact: IncidentFact): string {
  const task = 'taskId' in fact ? `Attempt ${fact.attempt} of task ${oneLine(fact.taskId, wordsMax)} in` : ''
  const run = `run ${fact.runId}`
  switch (fact.kind) {
    case 'coordinator-dead':
      return `The coordinator of ${run}, ${oneLine(fact.holder.id, wordsMax)}, gives no sign of life; ${fact.out} attempts are out. Open the run again to go on.`
    case 'attempt-stalled':
      return `${task} ${run} is stalled: ${stallText(fact)}.`
    case 'attempt-overdue':
      return `${task} ${run} was due at ${fact.deadlineAt} and nobody has expired it.`
    case 'checkpoint-overdue':
      return `The checkpoint of ${run} was due at ${fact.dueAt}: ${oneLine(fact.note, wordsMax) || 'no note'}.`
    case 'receipts-waiting':
      return `A ${fact.oldest.kind} waits in the inbox of ${run} and nobody holds the run. Open it to go on.`
  }
}

function stallText({ why, workerId }: { why: StallReason; workerId?: string | undefined }): string {
  const worker = workerId === undefined ? 'its worker' : `worker ${oneLine(workerId, wordsMax)}`
  switch (why) {
    case 'unclaimed':
      return 'no worker has claimed it'
    case 'silent':
      return `${worker} gives no sign of life`
    case 'no-progress':
      return `${worker} is alive and reports no more progress`
    case 'missing':
      return 'the queue does not know it and no receipt has come'
  }
}

/** Room for the longest kind, run id, attempt and `again-n` in front. */
const taskIdRoom = taskIdBytesMax - 200

const fittingTaskId = (taskId: TaskId): string =>
  Buffer.byteLength(taskId) <= taskIdRoom ? taskId : `sha256:${sha256(taskId)}`
