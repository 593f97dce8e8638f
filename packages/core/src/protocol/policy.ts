import { z } from 'zod'

const count = (max: number) => z.number().int().min(1).max(max)
const durationMs = z
  .number()
  .int()
  .min(1)
  .max(366 * 24 * 3600 * 1000)

/** A pinned worker key: receipts must be signed by one of them. */
const workerKeySchema = z.strictObject({
  keyId: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
  /** Ed25519 public key, SPKI DER, base64. */
  publicKey: z.string().min(40).max(200),
})

/** Every limit that a run may choose, with its unit in its name and its default. Fixed when the run opens. */
export const policySchema = z.strictObject({
  /** Attempts out at once. */
  inFlightMax: count(1_000_000).default(256),
  /** Tasks in the whole run. */
  tasksMax: count(10_000_000).default(1_000_000),
  /** Depth of spawned tasks; tasks without a parent have depth 0. */
  depthMax: z.number().int().min(0).max(64).default(4),
  /** Attempts per task, the first included. */
  attemptsMax: count(1_000).default(3),
  /** Times one attempt is handed to a worker before that worker refuses it: each earlier one died or gave it back. */
  deliveriesMax: count(1_000).default(5),
  /** From dispatch to receipt; a task may ask for another. Then the attempt expires and a new one is offered. */
  attemptTimeoutMs: durationMs.default(15 * 60 * 1000),
  /** Wait before attempt 2; doubles with each further one. */
  retryBackoffMs: durationMs.default(1000),
  retryBackoffMaxMs: durationMs.default(60 * 1000),
  /** Spend, summed over receipts. `null`: no limit. */
  tokensMax: z.number().int().min(0).nullable().default(null),
  costUsdMax: z.number().min(0).nullable().default(null),
  /** From the opening of the run to its last dispatch. */
  wallClockMsMax: durationMs.nullable().default(null),
  /** Bytes of one artifact. */
  artifactBytesMax: z
    .number()
    .int()
    .min(0)
    .max(2 ** 50)
    .default(1024 ** 3),
  /** Nothing is dispatched while a received receipt is unsettled. */
  evaluateFirst: z.boolean().default(false),
  /** A coordinator silent for so long may be replaced. */
  leaseTtlMs: z.number().int().min(200).max(3_600_000).default(10_000),
  /** If not empty, receipts must carry a signature by one of these keys. */
  workerKeys: z.array(workerKeySchema).max(64).default([]),
})

export type Policy = Readonly<z.output<typeof policySchema>>
export type PolicyInput = z.input<typeof policySchema>
