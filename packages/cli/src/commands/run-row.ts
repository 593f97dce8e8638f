import { z } from 'zod'

export const statuses = ['running', 'awaiting-result', 'paused', 'blocked', 'complete', 'failed'] as const
const modes = ['recovering', 'dispatching', 'awaiting', 'evaluating', 'closed'] as const
const count = z.number().int().min(0)

/** Of a run whose log cannot be read, `problem` says why, and all else but its name is null. */
export const runRowSchema = z.strictObject({
  runId: z.string(),
  version: count.nullable().describe('number of events that this is derived from'),
  status: z.enum(statuses).nullable(),
  mode: z.enum(modes).nullable(),
  openTasks: count.nullable().describe('tasks that are not settled'),
  open: z
    .strictObject({ planned: count, out: count, received: count, stopped: count })
    .nullable()
    .describe('the same, by where they are'),
  tasks: count.nullable().describe('tasks ever taken in'),
  accepted: count.nullable().describe('how many of them were accepted'),
  openedAt: z.string().nullable().describe('time of its first commit'),
  at: z.string().nullable().describe('time of its newest commit'),
  holder: z
    .strictObject({
      id: z.string(),
      host: z.string(),
      pid: count,
      live: z.boolean().describe('false: it has the lock by the log, and no lease: killed, or cut off'),
    })
    .nullable()
    .describe('null: nobody'),
  goal: z.string().nullable().describe('its beginning, at most 200 characters'),
  criteria: z.strictObject({ met: count, total: count }).nullable(),
  source: z.enum(['summary', 'log']).describe('whether the summary beside its log was enough, or the log was read'),
  problem: z.strictObject({ code: z.string(), message: z.string() }).nullable().describe('why its log cannot be read'),
})

export type RunRow = z.output<typeof runRowSchema>
