import type { RedisConnection } from '../redis-connection.js'
import { asNumber } from '../redis-reply.js'

/** `due`: there may be something to claim. `later`: something will be, at `atMs`. `nothing`: the time is up. */
export type Wake = { readonly kind: 'due' } | { readonly kind: 'nothing' } | { readonly kind: 'later'; atMs: number }

/** A server before 7.0.8 takes less than 2 ms for "wait for ever". Milliseconds. */
const blockMsMin = 5

/**
 * Waits for BullMQ's marker: a sorted set in which each new job puts one member with score 0, and each delayed one a
 * member whose score is its time. Whoever takes the marker looks for jobs, and claiming one puts it back for the next.
 */
export async function waitForMarker(connection: RedisConnection, markerKey: string, blockMs: number): Promise<Wake> {
  const waitMs = Math.max(blockMsMin, blockMs)
  const reply = await connection.call('BZPOPMIN', [markerKey, waitMs / 1000], { blockMs: waitMs })
  if (!Array.isArray(reply)) return { kind: 'nothing' }
  const atMs = asNumber(reply[2])
  return atMs > Date.now() ? { kind: 'later', atMs } : { kind: 'due' }
}
