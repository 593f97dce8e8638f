// (e) From SIGKILL of a coordinator to the first result that its replacement accepts, process start included.
// Called with a role it is one of the coordinators.
import { fork } from 'node:child_process'
import { join } from 'node:path'
import { openFiles } from '@reprise/adapter-fs'
import { openRun } from '@reprise/core'
import { echo, echoTasks } from './bench-task.mjs'
import { startBenchWorker } from './end-to-end.mjs'
import { inTemporaryFolder, median } from './measure.mjs'
import { writeSampleLog } from './sample-log.mjs'

const runId = 'recovery'

/** @param {{ outstanding: number, logEvents: number, rounds: number }} options `logEvents`: how long the log is before */
export async function measureRecovery({ outstanding, logEvents, rounds }) {
  const times = []
  for (let round = 0; round < rounds; round++) times.push(await once(outstanding, logEvents))
  return { medianMs: median(times), worstMs: Math.max(...times), outstanding, logEvents }
}

/** @param {number} outstanding @param {number} logEvents */
function once(outstanding, logEvents) {
  return inTemporaryFolder(async (dir) => {
    if (logEvents > 0) writeSampleLog(join(dir, 'runs', runId, 'log.jsonl'), runId, { events: logEvents, group: 8 })
    // It dispatches and says so; no worker runs yet, so everything is outstanding when it dies.
    const first = start('dispatch', dir, outstanding)
    await first.says('dispatched')
    const worker = await startBenchWorker(dir, 16)
    // Some receipts wait in the inbox when the replacement comes.
    await first.says('accepted')
    const killed = performance.now()
    first.child.kill('SIGKILL')
    const second = start('resume', dir, outstanding)
    await second.says('accepted')
    const ms = performance.now() - killed
    await second.says('done')
    worker.disconnect()
    await Promise.all([ended(worker), ended(second.child)])
    return ms
  })
}

/** @param {import('node:child_process').ChildProcess} child */
const ended = (child) => (child.exitCode === null ? new Promise((resolve) => child.once('exit', resolve)) : null)

/** @param {string} role @param {string} dir @param {number} outstanding */
function start(role, dir, outstanding) {
  const child = fork(join(import.meta.dirname, 'recovery.mjs'), [role, dir, String(outstanding)])
  /** @type {Set<unknown>} */
  const said = new Set()
  child.on('message', (text) => said.add(text))
  /** @param {string} wanted @returns {Promise<void>} */
  const says = (wanted) =>
    new Promise((resolve, reject) => {
      const look = () => said.has(wanted) && resolve()
      child.on('message', look)
      child.once('exit', (code, signal) =>
        reject(new Error(`a coordinator ended with ${code ?? signal} before "${wanted}"`)),
      )
      look()
    })
  return { child, says }
}

/** @param {string} role @param {string} dir @param {number} outstanding */
async function coordinate(role, dir, outstanding) {
  const adapter = await openFiles({ dir })
  const policy = { inFlightMax: 1_000_000, tasksMax: 10_000_000 }
  const run = await openRun({ adapter, runId, goal: 'measure', policy, tasks: [echo] })
  if (role === 'dispatch') {
    await run.dispatch(echoTasks('open', outstanding))
    process.send?.('dispatched')
  }
  let accepted = 0
  for await (const batch of run.resultBatches()) {
    await Promise.all(batch.map((result) => result.accept()))
    if (accepted === 0) process.send?.('accepted')
    accepted += batch.length
    // The first coordinator stops deciding after its first group, so that work is left for the second.
    if (role === 'dispatch') await new Promise(() => setInterval(() => {}, 1000))
  }
  process.send?.('done')
  process.disconnect()
  await run.close()
  await adapter.close()
}

const [role, dir, outstanding] = process.argv.slice(2)
if (process.send !== undefined && dir !== undefined) await coordinate(role ?? '', dir, Number(outstanding))
