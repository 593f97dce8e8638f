// A coordinator that opens a run with some tasks, and holds it until it is killed.
import { openFiles } from '@reprise/adapter-fs'
import { openRun } from '@reprise/core'

const [dir = '', runId = ''] = process.argv.slice(2)
const adapter = await openFiles({ dir })
const run = await openRun({ adapter, runId, goal: 'be killed' })
await run.dispatch([1, 2, 3].map((n) => ({ taskId: `t${n}`, kind: 'wait', input: null })))
console.log('held')
setInterval(() => {}, 60_000)
