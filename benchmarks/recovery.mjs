// (e) From SIGKILL of a coordinator to the first result that its replacement accepts, process start included.
// Called with a role it is one of the coordinators.
import { fork } from 'node:child_process'
import { join } from 'node:path'
import { openRun } from '@reprise/core'
import { echo, echoTasks } from './bench-task.mjs'
import { startFleet } from './fleet.mjs'
import { median } from './measure.mjs'
import { decodePlace, encodePlace, inFreshPlace, openPlace } from './place.mjs'
import { writeSampleLog } from './sample-log.mjs'

const runId = 'recovery'

/**
 * @param {import('./place.mjs').Server | { adapter: 'files' }} where
 * @param {{ outstanding: number, logEvents: number, rounds: number }} options `logEvents`: how long the log is before
 */
export async function measureRecovery(where, { outstanding, logEvents, rounds }) {
  const times = []
  for (let round = 0; round < rounds; round++)
    times.push(await inFreshPlace(where, (place) => once(place, outstanding, logEvents)))
  return { medianMs: median(times), worstMs: Math.max(...times), outstanding, logEvents }
}

/** @param {import('./place.mjs').Place} place @param {number} outstanding @param {number} logEvents */
async function once(place, outstanding, logEvents) {
  if (logEvents > 0) await writeSampleLog(place, runId, { events: logEvents, group: 8 })
  // It dispatches and says so; no worker runs yet, so everything is outstanding when it dies.
  const first = start('dispatch', place, outstanding)
  await first.says('dispatched')
  const fleet = await startFleet('bench-worker.mjs', encodePlace(place), { workers: 1, concurrency: 16 })
  // Some receipts wait in the inbox when the replacement comes.
  await first.says('accepted')
  const killed = performance.now()
  first.child.kill('SIGKILL')
  const second = start('resume', place, outstanding)
  await second.says('accepted')
  const ms = performance.now() - killed
  await second.says('done')
  await Promise.all([fleet.stop(), ended(second.child)])
  return ms
}

/** @param {import('node:child_process').ChildProcess} child */
const ended = (child) => (child.exitCode === null ? new Promise((resolve) => child.once('exit', resolve)) : null)

/** @param {string} role @param {import('./place.mjs').Place} place @param {number} outstanding */
function start(role, place, outstanding) {
  const child = fork(join(import.meta.dirname, 'recovery.mjs'), [role, encodePlace(place), String(outstanding)])
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

/** @param {string} role @param {import('./place.mjs').Place} place @param {number} outstanding */
async function coordinate(role, place, outstanding) {
  const adapter = await openPlace(place)
  const policy = { inFlightMax: 1_000_000, tasksMax: 10_000_000 }
  // From another machine nobody can see that the process is gone: without "now" the lease would have to run out first.
  const takeover = place.adapter === 'files' ? 'when-dead' : 'now'
  const run = await openRun({ adapter, runId, goal: 'measure', policy, tasks: [echo], takeover })
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

// Whoever started it is gone.
if (process.send !== undefined) process.on('disconnect', () => setTimeout(() => process.exit(), 5000).unref())
const [role, place, outstanding] = process.argv.slice(2)
if (process.send !== undefined && place !== undefined)
  await coordinate(role ?? '', decodePlace(place), Number(outstanding))
