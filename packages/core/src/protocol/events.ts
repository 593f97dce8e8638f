import { z } from 'zod'
import { isoTimeSchema, runIdSchema, sha256Schema, taskIdSchema } from './ids.js'
import { limits } from './limits.js'
import { policySchema } from './policy.js'
import { receiptSchema } from './receipt.js'
import { taskSpecSchema } from './task.js'

export const modes = ['recovering', 'dispatching', 'awaiting', 'evaluating', 'closed'] as const
export type Mode = (typeof modes)[number]

export const statuses = ['running', 'awaiting-result', 'paused', 'blocked', 'complete', 'failed'] as const
export type Status = (typeof statuses)[number]

export const receiptGates = [
  'schema',
  'size',
  'run',
  'known-task',
  'current-attempt',
  'epoch',
  'dispatch-digest',
  'not-duplicate',
  'checksum',
  'signature',
  'artifacts',
  'output-schema',
] as const
export type ReceiptGate = (typeof receiptGates)[number]

export const resumeGates = [
  'log-integrity',
  'upcast',
  'lease',
  'lock',
  'mode',
  'status',
  'outstanding',
  'receipts-pending',
  'budget',
  'state-file',
] as const
export type ResumeGate = (typeof resumeGates)[number]

const text = z.string().max(limits.textMax)
const attempt = z.number().int().min(1)
export const holderSchema = z.strictObject({
  /** Names this incarnation: a coordinator's actor or a worker's id. Two processes never share one. */
  id: z.string().min(1).max(512),
  host: z.string().max(256),
  pid: z.number().int().min(0),
})
/** Who holds, or wants to hold, a lock or lease. */
export type Holder = Readonly<z.output<typeof holderSchema>>

export const checklistItemSchema = z.strictObject({
  item: z.string().max(256),
  pass: z.boolean(),
  evidence: z.string().max(1024),
})
/** One line of what was checked before a run was called complete. */
export type ChecklistItem = Readonly<z.output<typeof checklistItemSchema>>

const criterion = z.number().int().min(1).max(limits.criteriaMax)

const spawnRules = ['tasksMax', 'depthMax', 'tokensMax', 'costUsdMax', 'wallClockMsMax'] as const

/** The data of every event, version 1. A new event: see CONTRIBUTING.md. */
export const eventDataSchemas = {
  'run-opened': z.strictObject({
    runId: runIdSchema,
    goal: text,
    successCriteria: z.array(text).max(limits.criteriaMax),
    policy: policySchema,
  }),
  'round-closed': z.strictObject({ round: z.number().int().min(1), summary: text }),
  'run-completed': z.strictObject({
    summary: text,
    /** What was checked, each with its evidence. Absent in logs from before there was one. */
    checklist: z
      .array(checklistItemSchema)
      .max(limits.criteriaMax + 8)
      .optional(),
  }),
  'run-failed': z.strictObject({ reason: text }),
  /** Everything before it is the history of another run up to `version`; from here on the log is that of `runId`. */
  'run-forked': z.strictObject({
    runId: runIdSchema,
    from: z.strictObject({
      runId: runIdSchema,
      version: z.number().int().min(1),
      /** Of the commit of that run which holds the event of that version. */
      hash: sha256Schema,
    }),
  }),
  'lock-acquired': z.strictObject({
    holder: holderSchema,
    reason: z.enum(['opened', 'free', 'lease-expired', 'process-gone', 'forced']),
    /** Who held the lock before, if it was not released. */
    takenFrom: holderSchema.optional(),
  }),
  'lock-released': z.strictObject({ reason: text }),
  'mode-changed': z.strictObject({ from: z.enum(modes), to: z.enum(modes), reason: text }),
  resumed: z.strictObject({
    gates: z.array(z.strictObject({ gate: z.enum(resumeGates), pass: z.boolean(), evidence: text })).max(16),
    corrections: z.array(text).max(16),
    /** Attempts that were out and are offered again, idempotently. */
    redelivered: z.number().int().min(0),
  }),
  planned: z.strictObject({
    taskId: taskIdSchema,
    /** The attempt that this plans. */
    attempt,
    notBefore: isoTimeSchema.optional(),
    why: z.enum(['no-slot', 'time', 'after', 'paused', 'blocked', 'evaluate-first', 'retry']),
    /** Why somebody wants one more attempt of a task that had stopped. */
    reason: text.optional(),
    /** The task itself, the first time it appears in the log. */
    task: taskSpecSchema.optional(),
  }),
  dispatched: z.strictObject({
    taskId: taskIdSchema,
    attempt,
    deadlineAt: isoTimeSchema,
    /** The dispatch digest. */
    digest: sha256Schema,
    task: taskSpecSchema.optional(),
  }),
  'receipt-received': z.strictObject({
    receipt: receiptSchema,
    /** What the coordinator's side read itself. */
    verified: z.strictObject({ artifacts: z.number().int().min(0), bytes: z.number().int().min(0) }),
  }),
  'receipt-rejected': z.strictObject({
    gate: z.enum(receiptGates),
    evidence: z.string().max(limits.evidenceBytesMax),
    taskId: z.string().max(512).optional(),
    attempt: z.number().optional(),
    receiptId: z.string().max(64).optional(),
  }),
  'task-accepted': z.strictObject({ taskId: taskIdSchema, attempt }),
  'task-rejected': z.strictObject({
    taskId: taskIdSchema,
    attempt,
    reason: text,
    by: z.enum(['evaluator', 'policy']),
  }),
  'attempt-expired': z.strictObject({ taskId: taskIdSchema, attempt, deadlineAt: isoTimeSchema }),
  'task-cancelled': z.strictObject({ taskId: taskIdSchema, reason: text }),
  'task-abandoned': z.strictObject({ taskId: taskIdSchema, reason: text }),
  'spawn-refused': z.strictObject({
    taskId: taskIdSchema,
    rule: z.enum(spawnRules),
    limit: z.number(),
    value: z.number(),
    /** Tasks of the same command that this rule refused: this one and those after it. */
    count: z.number().int().min(1),
  }),
  paused: z.strictObject({ reason: text }),
  unpaused: z.strictObject({ reason: text }),
  blocked: z.strictObject({ reason: text }),
  unblocked: z.strictObject({ reason: text }),
  'checkpoint-set': z.strictObject({ dueAt: isoTimeSchema, note: text }),
  /** Evidence for a success criterion, counted from 1; it replaces what was there. `tasks`: accepted ones that show it. */
  'criterion-met': z.strictObject({
    criterion,
    evidence: text,
    tasks: z.array(taskIdSchema).max(limits.evidenceTasksMax),
  }),
  'criterion-reopened': z.strictObject({ criterion, reason: text }),
  'note-added': z.strictObject({ text }),
  'command-refused': z.strictObject({ command: z.string().max(64), code: z.string().max(64), message: text }),
} as const

export type EventType = keyof typeof eventDataSchemas
export type EventData<T extends EventType> = Readonly<z.output<(typeof eventDataSchemas)[T]>>

/** The inbox message that an event answers. */
export interface Cause {
  readonly sender: string
  readonly seq: number
  /** Further events of the same decision follow, perhaps in a later commit: the message is not decided yet. */
  readonly more?: true
}

export type EventOf<T extends EventType> = {
  readonly type: T
  /** Schema version of `data`. */
  readonly v: 1
  readonly data: EventData<T>
  readonly cause?: Cause
}
/** A fact, as it stands in a commit. */
export type RunEvent = { [T in EventType]: EventOf<T> }[EventType]

/** The events appended at once, with who did it, when, and under which fencing token. */
export interface Commit {
  /** Position in the run, from 0. */
  readonly index: number
  /** Number of events in the run, these included. */
  readonly version: number
  /** Version of the `lock-acquired` in force, one in this commit included. */
  readonly epoch: number
  readonly at: string
  readonly actor: string
  /** Hash of the previous commit; 64 zeros for the first. */
  readonly prev: string
  readonly events: readonly RunEvent[]
}
