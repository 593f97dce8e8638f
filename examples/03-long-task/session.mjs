// One session of the coordinator: `node session.mjs FOLDER ROOT`. It takes the run up, waits for what is out, makes one round
// and lets the run go. It knows nothing but what the log says; killed at any point, the next session goes on from there.
import { join } from 'node:path'
import { openFiles } from '@reprise/adapter-fs'
import { acceptedReceipts, openRun } from '@reprise/core'
import { decideNext, recover } from './decide-next.mjs'
import { listDocuments, openingOf, readDocument, runId, taskIdOf, writeIndex } from './tasks.mjs'

const [dir = '.', root = '.', ...flags] = process.argv.slice(2)
const adapter = await openFiles({ dir: join(dir, 'reprise') })
const opening = openingOf(root, join(dir, 'docs', 'long-task-state.md'))
const run = await openRun({ adapter, ...opening, tasks: [listDocuments, readDocument, writeIndex], waitForMs: 15_000 })
const { version, epoch, mode } = run.status
console.log(`took the run up at version ${version}, epoch ${epoch}, ${mode}`)
console.log(`state file: ${run.gates.at(-1)?.evidence}`)

if (flags.includes('hasty')) {
  const claim = await run.execute({ type: 'complete', summary: 'looks done to me' })
  console.log(`claimed to be done: ${claim.ok ? 'believed' : `refused, ${claim.code}`}`)
}
await nothingOut()
await stopHereFor('before')

const report = await run.round({
  recover,
  decide: async (view) => decideNext(view, ...(await settledBefore()), root),
})
console.log(report.progress ? `round ${report.round}: ${report.summary}` : `no progress: ${report.message}`)
await stopHereFor('after')

if (report.status.status === 'complete') {
  const { checklist } = await run.complete('asked again, for the checklist')
  for (const { item, evidence } of checklist) console.log(`checked: ${item}: ${evidence}`)
}
if (report.status.status === 'failed') console.log(`the run has failed: ${report.status.reason}`)
await run.close()
await adapter.close()

/** Outputs of accepted tasks, and ids of those that were given up, from the log. @returns {Promise<[Map<string, unknown>, string[]]>} */
async function settledBefore() {
  const outputs = new Map()
  for await (const { taskId, output } of acceptedReceipts(adapter.log, runId)) outputs.set(taskId, output)
  const { paths } = outputs.has('list') ? listDocuments.parseOutput(outputs.get('list')) : { paths: [] }
  const outcomes = await run.outcomes(['list', 'index', ...paths.map(taskIdOf)])
  return [outputs, [...outcomes].flatMap(([taskId, outcome]) => (outcome === 'abandoned' ? [taskId] : []))]
}

/** Whatever was handed out, by this session or an earlier one, has come back or has stopped. */
function nothingOut() {
  return /** @type {Promise<void>} */ (
    new Promise((resolve, reject) => {
      const look = () => {
        const { out, planned } = run.status.counts
        if (out + planned === 0) resolve()
      }
      run.on('commit', look).on('stopped', reject)
      look()
    })
  )
}

/** Where the show kills this process: it tells, and waits for it. @param {'before' | 'after'} point */
async function stopHereFor(point) {
  if (!flags.includes(`killed-${point}`)) return
  console.log(`is ${point} its round`)
  await new Promise(() => {})
}
