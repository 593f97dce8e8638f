import { statsKeys } from '@reprise/core/replay'
import { z } from 'zod'

const spread = z.object({
  count: z.number().describe('values that are not below 0'),
  min: z.number().nullable(),
  mean: z.number().nullable(),
  p50: z.number().nullable().describe('percentiles are at most 9.1 % too high, never too low'),
  p90: z.number().nullable(),
  p99: z.number().nullable(),
  max: z.number().nullable(),
  buckets: z
    .array(z.object({ from: z.number(), to: z.number().describe('inclusive'), count: z.number() }))
    .readonly()
    .describe('those that are not empty'),
  below: z
    .object({ count: z.number(), most: z.number().describe('the lowest') })
    .nullable()
    .describe('values below 0, which are in nothing else: two clocks do not agree'),
})

const group = z.object({
  name: z
    .string()
    .nullable()
    .describe("'': they have no such name; null: all, or those that were too many to keep apart"),
  attempts: z.number().describe('that have ended'),
  accepted: z.number(),
  failed: z.number().describe('rejected or expired'),
  tokens: z.number(),
  costUsd: z.number(),
  workMs: z.number().describe('that workers say they have spent, summed'),
  toStartMs: spread.describe("from dispatch to start; from the coordinator's clock to the worker's"),
  durationMs: spread.describe("from start to finish, on the worker's clock"),
  toRecordMs: spread.describe(
    "from finish to the commit with the receipt; from the worker's clock to the coordinator's",
  ),
  toDecisionMs: spread.describe('from there to the decision'),
  attemptsPerTask: spread.describe('of settled tasks; empty for single workers'),
})

export const statsSchema = z.object({
  runId: z.string(),
  version: z.number(),
  commits: z.number(),
  from: z.string(),
  to: z.string(),
  durationMs: z.number().describe('from the first commit to the last'),
  tasks: z.object({ accepted: z.number(), cancelled: z.number(), abandoned: z.number(), open: z.number() }),
  acceptedPerMinute: z.number().nullable(),
  receipts: z.object({ completed: z.number(), failed: z.number(), partial: z.number(), refused: z.number() }),
  attempts: z.object({ dispatched: z.number(), rejected: z.number(), expired: z.number() }),
  refusals: z.record(z.string(), z.number()).describe('receipts that a gate refused, by gate'),
  keptOut: z.number().describe('tasks that a limit kept out'),
  takeOvers: z.number(),
  total: group,
  by: z.enum(statsKeys).nullable(),
  groups: z.array(group).readonly().describe('most attempts first'),
  groupsMerged: z.boolean().describe('the last group is of all that were too many to keep apart'),
})
