// The coordinator: `node coordinator.mjs FOLDER`, with REPRISE_SERVER in the environment if there is one. Killed at any point, it is started again by the same command, and
// goes on where the log says the run is. That is why nothing below asks whether this is the first start.
import { closeOnSignals, isRepriseError, openRun } from '@reprise/core'
import { openAdapter } from './open-adapter.mjs'
import { readOrder } from './order.mjs'
import { summariseTypes } from './summarise-types.mjs'
import { isPlausible, measureFile, runId, summariseType } from './tasks.mjs'

const [dir = '.'] = process.argv.slice(2)
const { files, ...opening } = await readOrder(dir)
const adapter = await openAdapter(dir, process.env.REPRISE_SERVER)
const run = await openRun({ adapter, runId, ...opening, tasks: [measureFile, summariseType], waitForMs: 15_000 })
closeOnSignals(run)
console.log(`coordinator ${process.pid} holds run ${run.id}: epoch ${run.status.epoch}, version ${run.status.version}`)

try {
  // At once: results that wait from an earlier life should not have to wait until everything is handed out again.
  await Promise.all([dispatchFiles(), settleAll()])
  await settleAll()

  // The second stage follows from the first, as the log has it.
  const summaries = await summariseTypes(adapter.log, files)
  await run.dispatch(summaries.map(({ taskId, summary }) => summariseType.task(taskId, summary)))
  await settleAll()

  const { accepted, abandoned } = run.status.counts
  const { checklist } = await run.complete(`${accepted} tasks accepted, ${abandoned} abandoned`, {
    evidence: [
      { criterion: 1, evidence: `${files.length} files and ${summaries.length} summaries, each settled once` },
    ],
  })
  for (const { item, pass, evidence } of checklist) console.log(`${pass ? 'checked' : 'not so'}: ${item} (${evidence})`)
} catch (error) {
  // A signal closed the run: the next start goes on from here.
  if (!isRepriseError(error, 'CLOSED')) throw error
}
await adapter.close()

/** Tasks that are in the log already are not dispatched again. */
async function dispatchFiles() {
  for (let at = 0; at < files.length; at += 500) {
    const batch = files.slice(at, at + 500)
    await run.dispatch(batch.map(({ taskId, path, encoding }) => measureFile.task(taskId, { path, encoding })))
  }
}

async function settleAll() {
  for await (const batch of run.resultBatches()) await Promise.all(batch.map(settle))
}

/** The gates have passed. Whether the result makes sense is for us to say. @param {import('@reprise/core').TaskResult} result */
function settle(result) {
  if (result.status !== 'completed') return result.abandon(result.reason ?? 'its worker did not finish it')
  if (result.kind === measureFile.kind && !isPlausible(measureFile.parseOutput(result.output))) {
    // It comes back as stopped, and is abandoned then.
    return result.reject('no file can have such figures')
  }
  return result.accept()
}
