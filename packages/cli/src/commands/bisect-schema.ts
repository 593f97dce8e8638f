import { z } from 'zod'

const briefSchema = z.object({
  version: z.number(),
  status: z.string(),
  mode: z.string(),
  reason: z.string().nullable().describe('why it is paused, blocked or closed'),
  epoch: z.number(),
  round: z.number(),
  counts: z.record(z.string(), z.number()),
  spent: z.object({ tokens: z.number(), costUsd: z.number() }),
})

export const bisectSchema = z.object({
  runId: z.string().nullable(),
  when: z.string().nullable().describe('the expression'),
  invariants: z
    .array(z.object({ name: z.string(), says: z.string(), shows: z.array(z.string()).readonly() }))
    .describe('that were looked at, or that there are'),
  events: z.number().describe('that were looked at'),
  found: z
    .object({
      version: z.number().describe('number of events up to this one'),
      index: z.number().describe('of its commit'),
      at: z.string(),
      actor: z.string(),
      epoch: z.number().describe('of the commit'),
      type: z.string(),
      text: z.string().describe('the event in a sentence'),
      data: z.record(z.string(), z.unknown()),
      cause: z
        .object({ sender: z.string(), seq: z.number(), more: z.literal(true).optional() })
        .nullable()
        .describe('the inbox message that it answers'),
      broken: z.object({ invariant: z.string(), problem: z.string() }).nullable(),
      before: briefSchema,
      after: briefSchema.nullable().describe('null if the event cannot follow what is before it'),
    })
    .nullable(),
  absent: z
    .object({ events: z.number(), first: z.object({ version: z.number(), what: z.string() }) })
    .nullable()
    .describe('events at which the expression asked for something that was not there, and so did not hold'),
})
export type Bisected = z.output<typeof bisectSchema>
