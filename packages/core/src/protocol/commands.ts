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

/** Commands that anybody may send through the inbox, and that the coordinator's own methods issue. */
export const commandSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('dispatch'), tasks: z.array(taskRequestSchema).max(limits.dispatchBatchMax) }),
  z.strictObject({ type: z.literal('accept'), ...ofTask }),
  z.strictObject({ type: z.literal('reject'), ...ofTask, reason }),
  z.strictObject({ type: z.literal('retry'), ...ofTask, reason }),
  z.strictObject({ type: z.literal('cancel'), ...ofTask, reason }),
  z.strictObject({ type: z.literal('abandon'), ...ofTask, reason }),
  z.strictObject({ type: z.literal('pause'), reason }),
  z.strictObject({ type: z.literal('unpause'), reason }),
  z.strictObject({ type: z.literal('block'), reason }),
  z.strictObject({ type: z.literal('unblock'), reason }),
  z.strictObject({ type: z.literal('set-checkpoint'), dueAt: isoTimeSchema, note: z.string().max(limits.textMax) }),
  z.strictObject({ type: z.literal('note'), text: reason }),
  z.strictObject({ type: z.literal('close-round'), summary: reason }),
  z.strictObject({ type: z.literal('complete'), summary: reason }),
  z.strictObject({ type: z.literal('fail'), reason }),
])
/** As a caller writes it: options have defaults. */
export type CommandInput = z.input<typeof commandSchema>
/** As it is decided: parsed. */
export type Command = z.output<typeof commandSchema>
