// The peer on NATS: raw JetStream, a work-queue stream out and a reply stream back. Settings as the best that were
// found; see README.md.
import { AckPolicy, jetstream, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { echoInputs } from '../bench-task.mjs'
import { startFleet } from '../fleet.mjs'

/** Publishes whose acknowledgements are awaited together. */
const publishBatch = 500
/** Replies asked for ahead. */
const repliesAhead = 1000

/** @param {import('../place.mjs').Server} server @param {import('../fleet.mjs').FleetSize} size @returns {Promise<import('../reprise-side.mjs').Side>} */
export async function openSide({ url }, size) {
  const client = await connect({ servers: url })
  await prepare(client)
  const js = jetstream(client)
  const fleet = await startFleet('peers/jetstream-worker.mjs', url, size)
  const consumer = await js.consumers.get('peer-replies', 'counter')
  /** @type {(n: number) => void} */
  let onResult = () => {}
  const replies = await consumer.consume({
    max_messages: repliesAhead,
    callback: (message) => {
      const { n } = /** @type {{ n: number }} */ (message.json())
      message.ack()
      onResult(n)
    },
  })

  /** @param {number} count @param {(inputs: ReturnType<typeof echoInputs>) => Promise<void>} publish */
  const measure = async (count, publish) => {
    const inputs = echoInputs(count)
    const seen = new Set()
    const all = new Promise((resolve) => {
      onResult = (n) => seen.add(n).size === count && resolve(undefined)
    })
    const start = performance.now()
    await Promise.all([publish(inputs), all])
    return performance.now() - start
  }
  /** @param {object} input */
  const send = (input) => js.publish('peer.tasks', JSON.stringify(input))

  return {
    together: (_name, count) =>
      measure(count, async (inputs) => {
        for (let at = 0; at < count; at += publishBatch)
          await Promise.all(inputs.slice(at, at + publishBatch).map(send))
      }),
    oneByOne: (_name, count) =>
      measure(count, async (inputs) => {
        for (const input of inputs) await send(input)
      }),
    async closedLoop(_name, count) {
      const latencies = []
      for (const input of echoInputs(count)) {
        const start = performance.now()
        const result = new Promise((resolve) => {
          onResult = resolve
        })
        await Promise.all([send(input), result])
        latencies.push(performance.now() - start)
      }
      return latencies
    },
    async close() {
      await fleet.stop()
      await replies.close()
      await client.close()
    },
  }
}

/** @param {import('@nats-io/transport-node').NatsConnection} client */
async function prepare(client) {
  const { consumers, streams } = await jetstreamManager(client)
  const stream = { storage: StorageType.File, retention: RetentionPolicy.Workqueue }
  await streams.add({ ...stream, name: 'peer-tasks', subjects: ['peer.tasks'] })
  await streams.add({ ...stream, name: 'peer-replies', subjects: ['peer.replies'] })
  await consumers.add('peer-tasks', {
    durable_name: 'workers',
    ack_policy: AckPolicy.Explicit,
    max_ack_pending: 10_000,
  })
  await consumers.add('peer-replies', {
    durable_name: 'counter',
    ack_policy: AckPolicy.Explicit,
    max_ack_pending: 10_000,
  })
}
