// A worker process for the benchmarks. Arguments: folder, concurrency.
import { openFiles } from '@reprise/adapter-fs'
import { startWorker } from '@reprise/core'
import { echo } from './bench-task.mjs'

const [dir = '.', concurrency = '16'] = process.argv.slice(2)
const adapter = await openFiles({ dir })
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
