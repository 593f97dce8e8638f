// A worker in a process of its own: tells its parent what it is handed and what becomes of it.
import { setTimeout as sleep } from 'node:timers/promises'
import { openRedis } from '@reprise/adapter-redis'

const { url, prefix, workerId, concurrency, claimTtlMs, task, commandTimeoutMs } = JSON.parse(process.argv[2] ?? '{}')

/**
 * Resolves once the parent can read it, even if this process is killed right then.
 * @param {import('./queue-stage.js').WorkerMessage} message
 */
const tell = (message) => new Promise((resolve) => process.send?.(message, resolve))
const adapter = await openRedis({ url, prefix, commandTimeoutMs })

/**
 * What a task can do, by its name in the options.
 * @type {Record<string, (signal: AbortSignal) => Promise<void>>}
 */
const tasks = {
  nothing: async () => {},
  /** Works on for a while after it was told to stop, and then would settle. */
  stubborn: async (signal) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    await sleep(100)
  },
  forever: () => new Promise(() => {}),
}

const consumer = await adapter.queue.consume(
  'default',
  async ({ offer, deliveries, signal }) => {
    signal.addEventListener('abort', () => tell({ kind: 'aborted', taskId: offer.taskId, code: signal.reason.code }))
    await tell({ kind: 'delivered', taskId: offer.taskId, deliveries })
    await tasks[task]?.(signal)
    // Before it is settled: what is settled and not told would never come again.
    await tell({ kind: 'ended', taskId: offer.taskId })
  },
  { workerId, concurrency, claimTtlMs, onError: (error) => tell({ kind: 'error', code: String(error) }) },
)
process.on('message', async () => {
  await consumer.close()
  await adapter.close()
  // What keeps the process alive now would be ours: it is not ended by force.
  process.disconnect()
})
void tell({ kind: 'ready' })
