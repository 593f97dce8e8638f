import { type RedisConnection as BullConnection, QueueKeys, RedisQueueBackend } from 'bullmq'
import { type LaneKeys, queueName } from './lane-keys.js'

/** What BullMQ calls the options of a worker. Milliseconds. */
export interface ClaimOptions {
  /** BullMQ notes it in the job with each claim. */
  readonly name: string
  readonly lockDuration: number
  /** Of all workers of a lane together one looks for dead ones in this time. */
  readonly stalledInterval: number
  readonly maxStalledCount: number
}

/** Deliveries are counted in the log, and limited there. */
export const unlimited = Number.MAX_SAFE_INTEGER

/**
 * BullMQ's operations on one lane. Its classes Queue and Worker are built on the same ones, and our own loop replaces
 * them for what they cannot do: give back at once what a consumer that closes holds, tell a lost claim from a failure
 * of the transport, fill many slots at once, stop within a time while the server is away.
 */
export function laneBackend(
  connection: BullConnection,
  { prefix }: LaneKeys,
  options?: ClaimOptions,
): RedisQueueBackend {
  const names = new QueueKeys(prefix)
  const settings = { connection: {}, prefix, ...options }
  const toKey = (type: string): string => names.toKey(queueName, type)
  return new RedisQueueBackend(connection, queueName, names.getKeys(queueName), toKey, settings, undefined, false)
}

/** BullMQ's error codes for a job that is not ours to move any more: gone, without lock, not active, somebody else's. */
export const isNotOurs = (error: unknown): boolean =>
  error instanceof Error && [-1, -2, -3, -6].includes((error as Error & { code?: unknown }).code as number)

/** A job that BullMQ has made ours, with what is to be read of its hash. */
export interface ClaimedJob {
  readonly id: string
  readonly name: unknown
  readonly data: unknown
  readonly deliveries: number
  /** Oldest first; `null` where BullMQ has claimed it, which does not tell. */
  readonly earlierWorkers: readonly string[] | null
}

/** BullMQ's answer to "move to active" and to "finish and fetch the next". */
export interface Fetched {
  readonly job: ClaimedJob | null
  /** When the next delayed job is due, by the clock of the machine that delayed it. Milliseconds. */
  readonly dueAtMs: number
}

/** `undefined` and `[]`: nothing was asked for, or there is nothing. */
export function readFetched(answer: unknown): Fetched {
  const [json, id, , dueAtMs] = (Array.isArray(answer) ? answer : []) as readonly unknown[]
  const due = Number(dueAtMs ?? 0)
  if (typeof json !== 'object' || json === null || typeof id !== 'string') return { job: null, dueAtMs: due }
  const { name, data, attemptsStarted } = json as Record<string, unknown>
  return { job: { id, name, data, deliveries: Number(attemptsStarted), earlierWorkers: null }, dueAtMs: due }
}
