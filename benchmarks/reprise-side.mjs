// (d) Tasks through the whole of Reprise: dispatch → worker process → receipt → accepted, every step durable.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { openRun } from '@reprise/core'
import { echo, echoTasks } from './bench-task.mjs'
import { startFleet } from './fleet.mjs'
import { encodePlace, openPlace } from './place.mjs'

/**
 * One of the sides of a comparison: a way to have tasks done by a fleet.
 * @typedef {object} Side
 * @property {(name: string, count: number) => Promise<number>} together all tasks handed over at once; milliseconds until the last result
 * @property {(name: string, count: number) => Promise<number>} oneByOne each task handed over when the one before is durable
 * @property {(name: string, count: number) => Promise<number[]>} closedLoop each task after the result of the one before; milliseconds each
 * @property {() => Promise<void>} close
 */

/** @param {import('./place.mjs').Place} place @param {import('./fleet.mjs').FleetSize} size @returns {Promise<Side>} */
export async function openSide(place, size) {
  // The first to open it makes what all share.
  const adapter = await openPlace(place)
  const fleet = await startFleet('bench-worker.mjs', encodePlace(place), size)
  return {
    together: (name, count) => measure(adapter, name, count, (run, tasks) => run.dispatch(tasks)),
    oneByOne: (name, count) =>
      measure(adapter, name, count, async (run, tasks) => {
        for (const task of tasks) await run.dispatch(task)
      }),
    closedLoop: (name, count) => closedLoop(adapter, name, count),
    async close() {
      await adapter.close()
      await fleet.stop()
    },
  }
}

/**
 * @param {import('@reprise/core').Adapter} adapter @param {string} runId @param {number} count
 * @param {(run: import('@reprise/core').Run, tasks: ReturnType<typeof echoTasks>) => Promise<unknown>} dispatch
 */
async function measure(adapter, runId, count, dispatch) {
  const run = await openRun({ adapter, runId, goal: 'measure', tasks: [echo], policy: { inFlightMax: count } })
  const tasks = echoTasks(runId, count)
  const start = performance.now()
  let isDispatched = false
  const dispatched = dispatch(run, tasks).then(() => {
    isDispatched = true
  })
  let accepted = 0
  // Results end when nothing is out at the moment: while tasks still come, there will be more.
  do {
    await nextTurn()
    for await (const batch of run.resultBatches()) {
      await Promise.all(batch.map((result) => result.accept()))
      accepted += batch.length
    }
  } while (!isDispatched || accepted < count)
  const ms = performance.now() - start
  await dispatched
  if (run.status.counts.accepted !== count) throw new Error(`${run.status.counts.accepted} of ${count} accepted`)
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
  return latencies
}
