// `node examples/04-patterns/start.mjs`: each worker pattern once, on real files, while its coordinator is killed with
// SIGKILL in the middle of each. Read on in coordinator.mjs.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFiles } from '@reprise/adapter-fs'
import { readCommits, verifyRun } from '@reprise/core'
import { moments } from './die-at.mjs'
import { runId } from './tasks.mjs'

const dir = mkdtempSync(join(realpathSync(tmpdir()), 'reprise-patterns-'))
/** @type {Set<import('node:child_process').ChildProcess>} */
const children = new Set()
process.on('SIGINT', () => void interrupt(130)).on('SIGTERM', () => void interrupt(143))
// Whatever ends this program ends them, and leaves no folder behind.
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(dir, { recursive: true, force: true })
})

const worker = start('worker')
console.log(`worker ${worker.pid}`)
try {
  for (const moment of Object.keys(moments)) {
    const coordinator = start('coordinator', moment)
    console.log(`coordinator ${coordinator.pid}`)
    const [code, signal] = await once(coordinator, 'exit')
    if (signal !== 'SIGKILL') throw new Error(`the coordinator ended with ${signal ?? code} before it was killed`)
    console.log(`  SIGKILL when ${moment}; the same command again`)
  }
  const last = start('coordinator')
  console.log(`coordinator ${last.pid}`)
  const [code, signal] = await once(last, 'exit')
  if (code !== 0) throw new Error(`the coordinator ended with ${signal ?? code}`)
  process.exitCode = await audit()
} finally {
  if (worker.exitCode === null && worker.kill()) await once(worker, 'exit')
}

/** The same command every time. @param {'coordinator' | 'worker'} role @param {string} moment */
function start(role, moment = '') {
  const child = fork(join(import.meta.dirname, `${role}.mjs`), [dir], {
    env: { ...process.env, DIE_AT: moment },
    execArgv: ['--import', new URL('../01-fleet/stop-with-parent.mjs', import.meta.url).href],
    // Ctrl-C reaches this program, which ends them.
    detached: true,
  })
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

/** @param {number} code */
async function interrupt(code) {
  // Whoever waits for one of them waits on: the show is over.
  for (const child of children) child.removeAllListeners('exit')
  const ends = [...children].map((child) => once(child, 'exit'))
  for (const child of children) child.kill('SIGKILL')
  await Promise.all(ends)
  process.exit(code)
}

/** What the log says, and nothing else. */
async function audit() {
  const adapter = await openFiles({ dir })
  const verdict = await verifyRun(adapter.log, runId)
  /** @type {Record<string, string[]>} */
  const seen = { dispatched: [], 'task-accepted': [], 'task-cancelled': [] }
  let lives = 0
  for await (const { events } of readCommits(adapter.log, runId)) {
    for (const { type, data } of events) {
      if (type === 'lock-acquired') lives++
      if (type === 'dispatched' || type === 'task-accepted' || type === 'task-cancelled') seen[type]?.push(data.taskId)
    }
  }
  await adapter.close()
  const { dispatched = [], 'task-accepted': accepted = [], 'task-cancelled': cancelled = [] } = seen
  const once = [dispatched, accepted].every((ids) => new Set(ids).size === ids.length)
  const whole = once && dispatched.length === accepted.length + cancelled.length
  console.log(`\nthe log   ${verdict.ok ? 'verified' : verdict.message}, ${lives} coordinators`)
  console.log(
    `          ${dispatched.length} tasks dispatched, ${accepted.length} accepted, ${cancelled.length} cancelled`,
  )
  console.log(`          each dispatched once and settled once: ${whole ? 'yes' : 'no'}`)
  return verdict.ok && whole && lives === Object.keys(moments).length + 1 ? 0 : 1
}
