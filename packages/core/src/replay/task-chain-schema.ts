import { z } from 'zod'
import type { TaskChain } from '../coordinator/task-chain.js'
import { chainLinkNames } from '../flow/chain-links.js'
import { receiptGates } from '../protocol/events.js'

const version = z.number().int()
const placeSchema = z.strictObject({ sender: z.string(), seq: z.number().int() }).describe('a place in the inbox')

const linkSchema = z.strictObject({
  link: z.enum(chainLinkNames),
  state: z.enum(['done', 'missing', 'unknown']),
  at: z.string().nullable(),
  version: version.nullable().describe('of the run with the event that shows it'),
  workerId: z.string().nullable(),
  message: placeSchema.nullable(),
  evidence: z.string(),
})

const earlierSchema = z.strictObject({
  attempt: z.number().int(),
  dispatchedAt: z.string().nullable(),
  workerId: z.string().nullable(),
  status: z.enum(['completed', 'failed', 'partial', 'refused']).nullable(),
  ended: z
    .strictObject({
      version,
      at: z.string(),
      how: z.enum(['rejected', 'expired', 'kept-out']),
      reason: z.string(),
    })
    .nullable(),
})

const refusedSchema = z.strictObject({
  version,
  at: z.string(),
  attempt: z.number().nullable(),
  gate: z.enum(receiptGates),
  evidence: z.string(),
  message: placeSchema.nullable(),
})

/** What `taskChain` returns, as JSON. */
export const taskChainSchema: z.ZodType<Plain<TaskChain>> = z.strictObject({
  format: z.literal('reprise-task-chain-v1'),
  runId: z.string(),
  taskId: z.string(),
  version,
  phase: z.enum(['planned', 'out', 'received', 'stopped', 'accepted', 'cancelled', 'abandoned']),
  attempt: z.number().int().describe('the newest, from 1'),
  links: z.array(linkSchema).readonly().describe('all eight, in order'),
  firstMissing: z
    .strictObject({ link: z.enum(chainLinkNames), state: z.enum(['missing', 'unknown']), text: z.string() })
    .nullable(),
  earlier: z.array(earlierSchema).readonly().describe('at most 16, the newest of them, in order'),
  refused: z
    .strictObject({ total: z.number().int(), newest: z.array(refusedSchema).readonly() })
    .describe('receipts for it, of any attempt, that a gate has stopped'),
})

/** Ids as JSON has them. */
type Plain<T> = Omit<T, 'runId' | 'taskId'> & { readonly runId: string; readonly taskId: string }
