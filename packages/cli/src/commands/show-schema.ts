import { openTaskSchema, runStateSchema } from '@reprise/core/replay'
import { z } from 'zod'

export const shownSchema = z.object({
  runId: z.string(),
  version: z.number().describe('number of events'),
  commit: z
    .object({
      index: z.number(),
      version: z.number().describe('number of events up to its last one'),
      at: z.string(),
      actor: z.string(),
      epoch: z.number(),
      folded: z.number().describe('of its events, so many are in the state'),
      events: z.number(),
    })
    .nullable()
    .describe('the newest one of which something is in the state; null at version 0'),
  read: z.object({
    snapshotCommits: z.number().describe('commits that a snapshot stands for; 0: every commit was read and checked'),
    snapshotVersion: z.number(),
    dropped: z.string().nullable().describe('why a snapshot that is there was left aside'),
  }),
  nextAction: z.string(),
  state: runStateSchema.nullable().describe('null with --task'),
  task: z
    .object({
      taskId: z.string(),
      open: openTaskSchema.nullable(),
      settled: z.object({ outcome: z.enum(['accepted', 'cancelled', 'abandoned']), depth: z.number() }).nullable(),
    })
    .nullable()
    .describe('with --task: that task, open or settled'),
})
export type Shown = z.output<typeof shownSchema>
