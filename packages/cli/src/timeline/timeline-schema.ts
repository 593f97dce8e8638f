import { z } from 'zod'

const mark = z.object({ version: z.number(), at: z.string() })
const stretch = { from: mark, to: mark.nullable().describe('null: it still holds') }

const attempt = z.object({
  taskId: z.string(),
  attempt: z.number(),
  kind: z.string(),
  lane: z.string().describe('of the queue'),
  owner: z.string().nullable(),
  dispatched: mark,
  worker: z.string().nullable().describe('who sent the receipt that was recorded'),
  startedAt: z.string().nullable().describe("on the worker's clock"),
  finishedAt: z.string().nullable().describe("on the worker's clock"),
  recorded: mark.nullable(),
  status: z.enum(['completed', 'failed', 'partial', 'refused']).nullable().describe('of the receipt'),
  ended: mark.extend({ how: z.enum(['accepted', 'rejected', 'expired', 'cancelled', 'abandoned']) }).nullable(),
  refused: z.number().describe('receipts for it that a gate has refused'),
})

export const timelineSchema = z.object({
  runId: z.string(),
  from: mark.describe('the first event that it is about'),
  to: mark.describe('the last event that it is about'),
  closed: z.enum(['complete', 'failed']).nullable(),
  lanes: z
    .array(
      z.object({
        worker: z.string().nullable().describe('null: attempts that nobody has answered'),
        attempts: z.array(attempt).readonly(),
      }),
    )
    .readonly(),
  coordinators: z.array(z.object({ id: z.string(), epoch: z.number(), reason: z.string(), ...stretch })).readonly(),
  modes: z
    .array(z.object({ mode: z.enum(['recovering', 'dispatching', 'awaiting', 'evaluating', 'closed']), ...stretch }))
    .readonly(),
  holds: z.array(z.object({ kind: z.enum(['paused', 'blocked']), reason: z.string(), ...stretch })).readonly(),
  leftOut: z
    .object({
      attempts: z.number(),
      lanes: z.number(),
      coordinators: z.number(),
      modes: z.number(),
      holds: z.number(),
    })
    .describe('what there was too much of'),
  skewed: z.number().describe("attempts with a time on the worker's clock that cannot be right on the coordinator's"),
  files: z.array(z.string()).describe('that were written'),
})
