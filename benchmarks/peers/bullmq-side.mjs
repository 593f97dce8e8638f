// The peer on Redis: raw BullMQ, results by one QueueEvents. Settings as the best that were found; see README.md.
import { Queue, QueueEvents } from 'bullmq'
import { echoInputs } from '../bench-task.mjs'
import { startFleet } from '../fleet.mjs'

/** Larger ones hold the workers back, smaller ones cost trips. */
const bulkSize = 1000
const prefix = 'peer'

/** @param {import('../place.mjs').Server} server @param {import('../fleet.mjs').FleetSize} size @returns {Promise<import('../reprise-side.mjs').Side>} */
export async function openSide({ url }, size) {
  const fleet = await startFleet('peers/bullmq-worker.mjs', url, size)
  const connection = { url }
  const queue = new Queue('echo', {
    connection,
    prefix,
    defaultJobOptions: { removeOnComplete: true },
    // Four events a job: by default only about 10,000 are kept, and a reader that falls behind misses results.
    streams: { events: { maxLen: 100_000 } },
  })
  // From the start: without it, what comes before its first read is missed.
  const events = new QueueEvents('echo', { connection, prefix, lastEventId: '0' })
  /** @type {(n: unknown) => void} */
  let onResult = () => {}
  events.on('completed', ({ returnvalue }) => onResult(/** @type {any} */ (returnvalue).n))
  await Promise.all([queue.waitUntilReady(), events.waitUntilReady()])

  /** @param {number} count @param {(inputs: ReturnType<typeof echoInputs>) => Promise<void>} add */
  const measure = async (count, add) => {
    const inputs = echoInputs(count)
    const seen = new Set()
    const all = new Promise((resolve) => {
      onResult = (n) => seen.add(n).size === count && resolve(undefined)
    })
    const start = performance.now()
    await Promise.all([add(inputs), all])
    return performance.now() - start
  }

  return {
    together: (name, count) =>
      measure(count, async (inputs) => {
        for (let at = 0; at < count; at += bulkSize)
          await queue.addBulk(
            inputs
              .slice(at, at + bulkSize)
              .map((data) => ({ name: 'echo', data, opts: { jobId: `${name}-${data.n}` } })),
          )
      }),
    oneByOne: (name, count) =>
      measure(count, async (inputs) => {
        for (const data of inputs) await queue.add('echo', data, { jobId: `${name}-${data.n}` })
      }),
    async closedLoop(name, count) {
      const latencies = []
      for (const data of echoInputs(count)) {
        const start = performance.now()
        const result = new Promise((resolve) => {
          onResult = resolve
        })
        await Promise.all([queue.add('echo', data, { jobId: `${name}-${data.n}` }), result])
        latencies.push(performance.now() - start)
      }
      return latencies
    },
    async close() {
      await fleet.stop()
      await events.close()
      await queue.close()
    },
  }
}
