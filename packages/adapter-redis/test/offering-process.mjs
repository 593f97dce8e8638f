// Tells its parent whether BullMQ was loaded after an offer, and once it consumes.
import { createRequire } from 'node:module'
import { openRedis } from '@reprise/adapter-redis'

const [url = '', prefix = ''] = process.argv.slice(2)
const { cache } = createRequire(import.meta.url)
const isLoaded = () => Object.keys(cache).some((path) => /[\\/]bullmq[\\/]/.test(path))

const adapter = await openRedis({ url, prefix, commandTimeoutMs: 30_000 })
const [runId, taskId] = /** @type {any} */ (['run-1', 'offered'])
await adapter.queue.offer([{ runId, taskId, attempt: 1, lane: 'offered', digest: 'ab'.repeat(32), body: '{}' }])
const offering = isLoaded()
const consumer = await adapter.queue.consume('other', async () => {}, {
  ...{ workerId: 'w', concurrency: 1, claimTtlMs: 10_000 },
})
process.send?.({ offering, consuming: isLoaded() })
await consumer.close()
await adapter.close()
process.disconnect()
