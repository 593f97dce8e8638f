// One worker process: `node worker.mjs FOLDER`, with REPRISE_SERVER in the environment if there is one. Start as many as
// there is work for, stop or kill them at any time.
import { closeOnSignals, startWorker } from '@reprise/core'
import { measure } from './measure.mjs'
import { openAdapter } from './open-adapter.mjs'
import { measureFile, summariseType, workerIdOf } from './tasks.mjs'

const [dir = '.'] = process.argv.slice(2)
const adapter = await openAdapter(dir, process.env.REPRISE_SERVER)

const worker = await startWorker({
  adapter,
  concurrency: 8,
  // What a dead worker had in its hands goes to others after so long; on files of one machine, at once.
  claimTtlMs: 2_000,
  workerId: workerIdOf(process.pid),
  handlers: [
    measureFile.handle(async ({ path, encoding }, task) => {
      const figures = await measure(Buffer.from(path, encoding), task.signal)
      return { ...figures, deliveries: task.deliveries }
    }),

    summariseType.handle(async (summary, task) => {
      const text = `${JSON.stringify(summary, null, 2)}\n`
      // The coordinator's side reads the artifact again and recomputes its size and sha256 before it takes the receipt.
      const { sha256 } = await task.artifact('summary.json', text, { mediaType: 'application/json' })
      return { artifact: sha256 }
    }),
  ],
})
worker.on('error', (error) => console.error(error))
console.log(`worker ${worker.id} waits for work`)

// SIGTERM lets the files under way end. SIGKILL is fine too: others take over what this worker had in its hands.
closeOnSignals({
  async close() {
    await worker.close({ drainMs: 2_000 })
    await adapter.close()
  },
})
