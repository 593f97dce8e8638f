// The bytes of a log as Redis gives them: XRANGE in batches, nothing decoded.
import { Redis } from 'ioredis'

/** Entries asked for at once: the fastest that was found. */
const batch = 500

/** @param {import('../place.mjs').Prefixed} place @param {string} runId */
export async function readRaw({ url, prefix }, runId) {
  const redis = new Redis(url)
  await redis.ping()
  const key = `{${prefix}:run:${runId}}:log`
  const start = performance.now()
  let [count, bytes, from] = [0, 0, '-']
  for (;;) {
    const entries = /** @type {[Buffer, Buffer[]][]} */ (
      await redis.callBuffer('XRANGE', key, from, '+', 'COUNT', String(batch))
    )
    for (const [, fields] of entries) for (const field of fields) bytes += field.length
    count += entries.length
    if (entries.length < batch) break
    from = `(${entries.at(-1)?.[0]}`
  }
  const ms = performance.now() - start
  redis.disconnect()
  return { ms, count, bytes }
}
