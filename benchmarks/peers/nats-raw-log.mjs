// The bytes of a log as NATS gives them: an ordered consumer over the whole subject, nothing decoded.
import { jetstream } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'

/** Messages asked for ahead: the fastest that was found. */
const ahead = 2000

/** @param {import('../place.mjs').Prefixed} place @param {string} runId */
export async function readRaw({ url, prefix }, runId) {
  const client = await connect({ servers: url })
  const js = jetstream(client)
  const start = performance.now()
  const consumer = await js.consumers.get(`${prefix}-log`, { filter_subjects: `${prefix}.log.${runId}` })
  let [count, bytes] = [0, 0]
  await new Promise((resolve) =>
    consumer.consume({
      max_messages: ahead,
      callback: (message) => {
        count++
        bytes += message.data.length
        if (message.info.pending === 0) resolve(undefined)
      },
    }),
  )
  const ms = performance.now() - start
  await client.close()
  return { ms, count, bytes }
}
