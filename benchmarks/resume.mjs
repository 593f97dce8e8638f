// (g) Opening a long run in a fresh process, from its snapshot and from its whole log, and what keeping a snapshot costs.
// Called with a role it is one of these processes.
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { openRun } from '@reprise/core'
import { echoTasks } from './bench-task.mjs'
import { inOwnProcess, median, send } from './measure.mjs'
import { decodePlace, encodePlace, inFreshPlace, openPlace } from './place.mjs'
import { writeSampleLog } from './sample-log.mjs'

const runId = 'resume'

/** @typedef {{ openMs: number, startMs: number }} Opening `startMs`: since the process began */

/**
 * On files.
 * @param {{ events: number, open: number, rounds: number }} size
 */
export function measureResume({ events, open, rounds }) {
  return inFreshPlace({ adapter: 'files' }, async (place) => {
    await writeSampleLog(place, runId, { events, group: 16 })
    const ask = (/** @type {string} */ role) => inOwnProcess('resume.mjs', [role, encodePlace(place), String(open)])
    const keep = await ask('keep')
    /** @type {Record<'newest' | 'whole', Opening[]>} */
    const seen = { newest: [], whole: [] }
    for (let round = 0; round < rounds; round++) {
      seen.newest.push(await ask('newest'))
      seen.whole.push(await ask('whole'))
    }
    const medians = (/** @type {Opening[]} */ all) => ({
      openMs: median(all.map(({ openMs }) => openMs)),
      startMs: median(all.map(({ startMs }) => startMs)),
    })
    return { events, open, keep, newest: medians(seen.newest), whole: medians(seen.whole) }
  })
}

/** @param {import('./place.mjs').Place} place @param {'newest' | 'whole'} replay */
async function open(place, replay) {
  const adapter = await openPlace(place)
  const start = performance.now()
  const run = await openRun({ adapter, runId, replay, snapshotEveryEvents: 0 })
  const [openMs, startMs] = [performance.now() - start, performance.now()]
  const { evidence } = run.gates[0] ?? {}
  if ((replay === 'newest') !== evidence?.includes('a snapshot stands for')) throw new Error(`${replay}: ${evidence}`)
  return { openMs, startMs }
}

/** Closing keeps a snapshot. @param {import('./place.mjs').Place} place @param {number} tasks to leave open */
async function keep(place, tasks) {
  const adapter = await openPlace(place)
  const run = await openRun({ adapter, runId, replay: 'whole', snapshotEveryEvents: 10_000_000 })
  await run.dispatch(echoTasks('open', tasks))
  // What the opening left to do must not count.
  await new Promise((resolve) => setTimeout(resolve, 500))
  let [pauseMs, last, isOver] = [0, performance.now(), false]
  const look = () => {
    const now = performance.now()
    pauseMs = Math.max(pauseMs, now - last)
    last = now
    if (!isOver) setImmediate(look)
  }
  look()
  const start = performance.now()
  await run.close()
  const ms = performance.now() - start
  isOver = true
  if (place.adapter !== 'files') throw new Error('only measured on files')
  const { size } = statSync(join(place.dir, 'runs', runId, 'snapshot'))
  await adapter.close()
  return { ms, pauseMs, bytes: size }
}

const [role, place, tasks] = process.argv.slice(2)
if (process.send !== undefined && place !== undefined) {
  if (role === 'keep') send(await keep(decodePlace(place), Number(tasks)))
  else {
    send(await open(decodePlace(place), role === 'whole' ? 'whole' : 'newest'))
    // As a killed process would leave it.
    process.disconnect()
    process.exit()
  }
}
