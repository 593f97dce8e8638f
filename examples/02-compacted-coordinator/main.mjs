// `node examples/02-compacted-coordinator/start.mjs`: a coordinator that forgets everything between its rounds, since each is
// another process, brings a task to its end. Read on in round.mjs and decide.mjs.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { openFiles } from '@reprise/adapter-fs'
import { loadRun } from '@reprise/core'
import { auditLog, recount } from './audit.mjs'
import { runId } from './tasks.mjs'
import { makeWorkFolder } from './work-folder.mjs'

const help = `A coordinator that remembers nothing between its rounds counts words.

Usage: node examples/02-compacted-coordinator/start.mjs [options]

  --dir PATH     the folder whose documents are counted (default: this repository)
  --budget N     tokens of a briefing (default 4000)
  --keep         keep the run's folder
  --help         this text

Exit code: 0 if the run is complete and everything agrees, 1 if not.
`
const roundsMax = 200
const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: resolve(import.meta.dirname, '../..') },
    budget: { type: 'string', default: '4000' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  process.stdout.write(help)
  process.exit(0)
}

if (!/^[1-9]\d{0,8}$/.test(values.budget)) {
  console.error(`--budget takes a number of tokens, not ${JSON.stringify(values.budget)}; --help lists the options`)
  process.exit(2)
}

const dir = makeWorkFolder()
const root = resolve(values.dir)
/** @type {Set<import('node:child_process').ChildProcess>} */
const children = new Set()
let interrupted = false
process.on('SIGINT', () => void interrupt(130)).on('SIGTERM', () => void interrupt(143))
// Whatever ends this program ends them.
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
  if (!values.keep) rmSync(dir, { recursive: true, force: true })
})

const worker = start('worker', [dir, root])
const adapter = await openFiles({ dir })
try {
  process.exitCode = (await playRounds()) ? 0 : 1
} catch (error) {
  if (!interrupted) console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
if (worker.exitCode === null && worker.signalCode === null) {
  worker.kill('SIGTERM')
  await once(worker, 'exit')
}
await adapter.close()

/** @param {number} code */
async function interrupt(code) {
  interrupted = true
  const ends = [...children].map((child) => once(child, 'exit'))
  for (const child of children) child.kill('SIGKILL')
  await Promise.all(ends)
  process.exit(code)
}

/** Starts one coordinator after the other until the run has ended. Resolves to whether everything agrees. */
async function playRounds() {
  let rounds = 0
  for (;;) {
    const { state } = await loadRun(adapter.log, runId)
    if (state.mode === 'closed') return report(state, rounds)
    if (++rounds > roundsMax) throw new Error(`The run is not over after ${roundsMax} rounds.`)
    // In its second round the coordinator takes so long to decide that something comes back meanwhile.
    const round = start('round', [dir, values.budget, ...(rounds === 2 ? ['think'] : [])])
    console.log(`round ${rounds}, process ${round.pid}`)
    const [code] = await once(round, 'exit')
    if (code !== 0) throw new Error(`Round ${rounds} ended with ${code}: what it said is above.`)
  }
}

/** @param {import('@reprise/core').RunState} state @param {number} rounds */
async function report({ status, closing, criteria }, rounds) {
  const { coordinators, counts, more } = await auditLog(adapter.log)
  const different = await recount(counts, root)
  const isLongest = closing?.endsWith(` with ${Math.max(...counts.values())} words`) ?? false
  console.log(`
${status}: ${closing}
  rounds, each another process     ${rounds}, ${coordinators.size} coordinators in the log
  documents counted                ${counts.size}
  accepted or dispatched twice     ${more.join(', ') || 'nothing'}
  another count by this program    ${different.join(', ') || 'agrees'}
  no document is longer            ${isLongest ? 'true' : 'false'}
  criteria                         ${criteria.map((met) => met?.evidence ?? 'OPEN').join('; ')}`)
  if (values.keep) console.log(`\nThe log: ${join(dir, 'runs', runId, 'log.jsonl')}`)
  return status === 'complete' && isLongest && more.length + different.length === 0 && coordinators.size === rounds
}

/** @param {'worker' | 'round'} role @param {string[]} args */
function start(role, args) {
  const child = fork(join(import.meta.dirname, `${role}.mjs`), args, {
    execArgv: ['--import', new URL('../01-fleet/stop-with-parent.mjs', import.meta.url).href],
  })
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}
