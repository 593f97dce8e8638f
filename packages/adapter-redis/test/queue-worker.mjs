// A worker in a process of its own: tells its parent what it is handed and what becomes of it.
import { setTimeout as sleep } from 'node:timers/promises'
import { openRedis } from '@reprise/adapter-redis'

const { url, prefix, workerId, concurrency, claimTtlMs, task } = JSON.parse(process.argv[2] ?? '{}')

/** @param {import('./queue-stage.js').WorkerMessage} message */
const tell = (message) => process.send?.(message)
const adapter = await openRedis({ url, prefix })

/**
 * What a task can do, by its name in the options.
 * @type {Record<string, (ms: number) => Promise<void>>}
 */
const tasks = {
  nothing: async () => {},
  /** Stands still as only a process can: no timer fires, no reply is read. */
  block: async (blockMs) => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, blockMs)
    tell({ kind: 'unblocked' })
    // The heartbeat that was due long ago comes first.
    await sleep(claimTtlMs)
  },
  forever: () => new Promise(() => {}),
}

const consumer = await adapter.queue.consume(
  'default',
  async ({ offer, deliveries, signal }) => {
    signal.addEventListener('abort', () => tell({ kind: 'aborted', taskId: offer.taskId, code: signal.reason.code }))
    tell({ kind: 'delivered', taskId: offer.taskId, deliveries })
    await tasks[task.name]?.(task.ms)
    tell({ kind: 'ended', taskId: offer.taskId })
  },
  { workerId, concurrency, claimTtlMs, onError: (error) => tell({ kind: 'error', code: String(error) }) },
)
process.on('message', async () => {
  await consumer.close()
  await adapter.close()
  // What keeps the process alive now would be ours: it is not ended by force.
  process.disconnect()
})
tell({ kind: 'ready' })
