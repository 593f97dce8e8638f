// A worker process of raw BullMQ. Arguments: URL, concurrency.
import { Worker } from 'bullmq'

const [url = '', concurrency = '16'] = process.argv.slice(2)
const worker = new Worker('echo', async ({ data }) => ({ n: data.n }), {
  connection: { url },
  prefix: 'peer',
  concurrency: Number(concurrency),
})
await worker.waitUntilReady()
process.send?.('ready')
process.on('disconnect', () => worker.close())
