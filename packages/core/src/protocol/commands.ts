import { z } from 'zod'
import { isoTimeSchema, taskIdSchema } from './ids.js'
import { limits } from './limits.js'
import { taskRequestSchema } from './task.js'

const reason = z.string().min(1).max(limits.textMax)
const ofTask = {
  taskId: taskIdSchema,
  /** If given, must be the newest: else `ATTEMPT_SUPERSEDED`. */
  attempt: z.number().int().min(1).optional(),
}

/** A success criterion: its number, from 1, or its text. */
const criterion = z.union([z.number().int().min(1).max(limits.criteriaMax), z.string().min(1).max(limits.textMax)])
const criterionEvidence = {
  criterion,
  evidence: reason,
  /** Accepted tasks that show it. */
  tasks: z.array(taskIdSchema).max(limits.evidenceTasksMax).default([]),
}

/** What brings a run in order again, and starts nothing. */
const recoverCommands = [
  z.strictObject({ type: z.literal('reject'), ...ofTask, reason }),
  z.strictObject({ type: z.literal('retry'), ...ofTask, reason }),
  z.strictObject({ type: z.literal('cancel'), ...ofTask, reason }),
  z.strictObject({ type: z.literal('abandon'), ...ofTask, reason }),
  z.strictObject({ type: z.literal('pause'), reason }),
  z.strictObject({ type: z.literal('unpause'), reason }),
  z.strictObject({ type: z.literal('block'), reason }),
  z.strictObject({ type: z.literal('unblock'), reason }),
  z.strictObject({ type: z.literal('note'), text: reason }),
] as const

const decideCommands = [
  ...recoverCommands,
  z.strictObject({ type: z.literal('dispatch'), tasks: z.array(taskRequestSchema).max(limits.dispatchBatchMax) }),
  z.strictObject({ type: z.literal('accept'), ...ofTask }),
  z.strictObject({ type: z.literal('set-checkpoint'), dueAt: isoTimeSchema, note: z.string().max(limits.textMax) }),
  z.strictObject({ type: z.literal('meet-criterion'), ...criterionEvidence }),
  z.strictObject({ type: z.literal('reopen-criterion'), criterion, reason }),
  z.strictObject({
    type: z.literal('complete'),
    summary: reason,
    /** For criteria that have none yet, or better one. */
    evidence: z.array(z.strictObject(criterionEvidence)).max(limits.criteriaMax).default([]),
  }),
  z.strictObject({ type: z.literal('fail'), reason }),
] as const

const recoverCommandSchema = z.discriminatedUnion('type', recoverCommands)
const decideCommandSchema = z.discriminatedUnion('type', decideCommands)

/** Commands that anybody may send through the inbox, and that the coordinator's own methods issue. */
export const commandSchema = z.discriminatedUnion('type', [
  ...decideCommands,
  z.strictObject({ type: z.literal('close-round'), summary: reason }),
  /** All of it in one commit, in this order, or none of it. */
  z.strictObject({
    type: z.literal('round'),
    recover: z.array(recoverCommandSchema).max(limits.roundCommandsMax).default([]),
    decide: z.array(decideCommandSchema).max(limits.roundCommandsMax).default([]),
    summary: reason,
  }),
])
/** What `recover` of a round may return. */
export type RecoverCommand = z.input<typeof recoverCommandSchema>
/** What `decide` of a round may return. */
export type RoundCommand = z.input<typeof decideCommandSchema>
/** One command of a round, parsed. */
export type PlainCommand = z.output<typeof decideCommandSchema>
/** As a caller writes it: options have defaults. */
export type CommandInput = z.input<typeof commandSchema>
/** As it is decided: parsed. */
export type Command = z.output<typeof commandSchema>

/** Whether it is a command of one of these types, or a round that has one. */
export const asksFor = (command: Command, types: readonly Command['type'][]): boolean =>
  types.includes(command.type) || (command.type === 'round' && command.decide.some(({ type }) => types.includes(type)))
