// A worker process for the benchmarks. Arguments: place, concurrency.
import { startWorker } from '@reprise/core'
import { echo } from './bench-task.mjs'
import { decodePlace, openPlace } from './place.mjs'

const [place = '', concurrency = '16'] = process.argv.slice(2)
const adapter = await openPlace(decodePlace(place))
const worker = await startWorker({
  adapter,
  concurrency: Number(concurrency),
  handlers: [echo.handle(async ({ n }) => ({ n }))],
})
process.send?.('ready')
process.on('disconnect', async () => {
  await worker.close({ drainMs: 1000 })
  await adapter.close()
})
