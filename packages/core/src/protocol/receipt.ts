import { z } from 'zod'
import { isoTimeSchema, runIdSchema, sha256Schema, taskIdSchema, workerIdSchema } from './ids.js'
import { canonicalJson } from './json.js'
import { limits } from './limits.js'
import { sha256 } from './sha256.js'
import { jsonSchema, spawnRequestSchema } from './task.js'

export const artifactSchema = z.strictObject({
  /** What the worker calls it. */
  name: z.string().min(1).max(256),
  /** Where it is, relative to the adapter's artifact root. */
  path: z.string().min(1).max(1024),
  sha256: sha256Schema,
  bytes: z.number().int().min(0),
  mediaType: z.string().max(256).optional(),
})
export type Artifact = Readonly<z.output<typeof artifactSchema>>

/** Why an attempt failed, where the worker stopped, and how to go on. */
export const attemptErrorSchema = z.strictObject({
  message: z.string().max(limits.textMax),
  code: z.string().max(128).optional(),
  /** `false`: another attempt would fail the same way; it is not made. Absent: it may help. */
  retryable: z.boolean().optional(),
  /** The last point that was reached. */
  stoppedAt: z.string().max(limits.textMax).optional(),
  resumeInstructions: z.string().max(limits.textMax).optional(),
})

export const usageSchema = z.strictObject({
  tokens: z.number().int().min(0).optional(),
  costUsd: z.number().min(0).max(limits.receiptCostUsdMax).optional(),
  durationMs: z.number().min(0),
})

/** What a worker returns for one attempt, version 1. Published as JSON Schema at `@reprise/core/receipt.schema.json`. */
export const receiptSchema = z.strictObject({
  v: z.literal(1),
  receiptId: z.string().regex(/^[A-Za-z0-9-]{8,64}$/),
  runId: runIdSchema,
  taskId: taskIdSchema,
  attempt: z.number().int().min(1),
  /** The fencing token of the dispatch. */
  epoch: z.number().int().min(1),
  dispatchDigest: sha256Schema,
  worker: z.strictObject({ id: workerIdSchema, host: z.string().max(256), pid: z.number().int().min(0) }),
  status: z.enum(['completed', 'failed', 'partial', 'refused']),
  /** At most `limits.outputBytesMax` as JSON. */
  output: jsonSchema,
  artifacts: z.array(artifactSchema).max(limits.artifactsMax),
  usage: usageSchema,
  spawnRequests: z.array(spawnRequestSchema).max(limits.spawnRequestsMax).optional(),
  error: attemptErrorSchema.optional(),
  startedAt: isoTimeSchema,
  finishedAt: isoTimeSchema,
  /** sha256 of the RFC 8785 text of the receipt without `checksum` and `signature`. */
  checksum: sha256Schema,
  /** Ed25519 over `signedBytes`. */
  signature: z.strictObject({ keyId: z.string().max(64), value: z.string().max(128) }).optional(),
})
export type Receipt = Readonly<z.output<typeof receiptSchema>>
export type ReceiptStatus = Receipt['status']

/** What a receipt's checksum covers: its RFC 8785 text without `checksum` and `signature`. */
export function receiptContent(receipt: object): string {
  const { checksum: _checksum, signature: _signature, ...content } = receipt as Record<string, unknown>
  return canonicalJson(content)
}

/** The checksum that a receipt must carry. */
export const receiptChecksum = (receipt: object): string => sha256(receiptContent(receipt))

/** What a worker signs. The checksum covers run, task, attempt, epoch, dispatch digest and artifact digests. */
export const signedBytes = (keyId: string, checksum: string): Buffer =>
  Buffer.from(`reprise-receipt-v1\n${keyId}\n${checksum}\n`)
