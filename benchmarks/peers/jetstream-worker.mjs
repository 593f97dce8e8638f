// A worker process of raw JetStream: pulls, publishes the reply, acknowledges once that is durable. Arguments: URL,
// concurrency.
import { jetstream } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'

const [url = '', concurrency = '16'] = process.argv.slice(2)
const client = await connect({ servers: url })
const js = jetstream(client)
const consumer = await js.consumers.get('peer-tasks', 'workers')
const messages = await consumer.consume({
  // Asked for ahead, so that no slot waits for the next request.
  max_messages: Number(concurrency) * 2,
  callback: (message) => void handle(message),
})
/** @param {import('@nats-io/jetstream').JsMsg} message */
async function handle(message) {
  const { n } = /** @type {{ n: number }} */ (message.json())
  await js.publish('peer.replies', JSON.stringify({ n }))
  message.ack()
}

process.send?.('ready')
process.on('disconnect', async () => {
  await messages.close()
  await client.close()
})
