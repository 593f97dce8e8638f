// (d) Tasks through the whole system: dispatch → worker process → receipt → accepted, every step durable.
import { fork } from 'node:child_process'
import { join } from 'node:path'
import { openFiles } from '@reprise/adapter-fs'
import { openRun } from '@reprise/core'
import { echo, echoTasks } from './bench-task.mjs'
import { inTemporaryFolder, median, percentile } from './measure.mjs'

/** @param {{ tasks: number, workers: number, concurrency: number, rounds: number, loops: number }} options */
export function measureEndToEnd({ tasks, workers, concurrency, rounds, loops }) {
  return inTemporaryFolder(async (dir) => {
    const fleet = await Promise.all(Array.from({ length: workers }, () => startBenchWorker(dir, concurrency)))
    const adapter = await openFiles({ dir })
    const perS = []
    for (let round = 0; round < rounds; round++)
      perS.push((tasks / (await throughput(adapter, `all-${round}`, tasks))) * 1000)
    const latencies = await closedLoop(adapter, 'closed-loop', loops)
    await adapter.close()
    for (const worker of fleet) worker.disconnect()
    await Promise.all(fleet.map((worker) => new Promise((resolve) => worker.once('exit', resolve))))
    return {
      tasksPerS: median(perS),
      firstRound: perS[0],
      best: Math.max(...perS),
      p50Ms: percentile(latencies, 0.5),
      p99Ms: percentile(latencies, 0.99),
    }
  })
}

/** @param {import('@reprise/core').Adapter} adapter @param {string} runId @param {number} count */
async function throughput(adapter, runId, count) {
  const run = await openRun({ adapter, runId, goal: 'measure', tasks: [echo], policy: { inFlightMax: count } })
  const requests = echoTasks(runId, count)
  const start = performance.now()
  const dispatched = run.dispatch(requests)
  await dispatched
  let accepted = 0
  for await (const batch of run.resultBatches()) {
    await Promise.all(batch.map((result) => result.accept()))
    accepted += batch.length
  }
  const ms = performance.now() - start
  if (accepted !== count || run.status.counts.accepted !== count) throw new Error(`${accepted} of ${count} accepted`)
  await run.complete('measured')
  return ms
}

/** @param {import('@reprise/core').Adapter} adapter @param {string} runId @param {number} count */
async function closedLoop(adapter, runId, count) {
  const run = await openRun({ adapter, runId, goal: 'measure', tasks: [echo] })
  const latencies = []
  for (const task of echoTasks(runId, count)) {
    const start = performance.now()
    await run.dispatch(task)
    for await (const result of run.results()) {
      await result.accept()
      break
    }
    latencies.push(performance.now() - start)
  }
  await run.complete('measured')
  // The first ones still compile.
  return latencies.slice(Math.floor(count / 10))
}

/** @param {string} dir @param {number} concurrency @returns {Promise<import('node:child_process').ChildProcess>} */
export function startBenchWorker(dir, concurrency) {
  const child = fork(join(import.meta.dirname, 'bench-worker.mjs'), [dir, String(concurrency)])
  return new Promise((resolve, reject) => {
    child.once('message', () => resolve(child))
    child.once('exit', (code) => reject(new Error(`a worker ended with ${code} before it was ready`)))
  })
}
