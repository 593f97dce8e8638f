// (c) Replaying a log (read, verify the hash chain, fold) beside reading alone, reading its bytes raw, and JSON.parse
// of its lines, which are in memory already. Each in a process of its own, so that none warms another; called with
// arguments it is one of them.
import { loadRun } from '@reprise/core'
import { inOwnProcess, send } from './measure.mjs'
import { decodePlace, encodePlace, inFreshPlace, openPlace } from './place.mjs'
import { writeSampleLog } from './sample-log.mjs'

const runId = /** @type {import('@reprise/core').RunId} */ ('replay')

/** @typedef {'raw' | 'read' | 'fold' | 'parse'} Reading */

/**
 * @param {import('./place.mjs').Server | { adapter: 'files' }} where
 * @param {{ events: number, rounds: number }} options
 */
export function measureReplay(where, { events, rounds }) {
  /** @type {Reading[]} */
  const readings = where.adapter === 'files' ? ['parse', 'fold'] : ['raw', 'read', 'fold', 'parse']
  return inFreshPlace(where, async (place) => {
    const shape = await writeSampleLog(place, runId, { events, group: 16 })
    /** @type {Record<Reading, number[]>} milliseconds */
    const ms = { raw: [], read: [], fold: [], parse: [] }
    let [peakMiB, settled, bytes] = [0, 0, 0]
    for (let round = 0; round < rounds; round++) {
      for (const reading of readings) {
        const seen = await inOwnProcess('replay.mjs', [reading, encodePlace(place)])
        if (seen.count !== (reading === 'fold' || reading === 'parse' ? shape.version : shape.commits))
          throw new Error(`"${reading}" saw ${seen.count} of ${shape.version} events in ${shape.commits} commits`)
        ms[reading].push(seen.ms)
        if (reading === 'fold') [peakMiB, settled] = [Math.max(peakMiB, seen.peakMiB), seen.settled]
        if (reading === 'raw') bytes = seen.bytes
      }
    }
    return { ...shape, settled, bytes, peakMiB, ms }
  })
}

/** @type {Record<Reading, (place: import('./place.mjs').Place) => Promise<object>>} */
const read = {
  async raw(place) {
    if (place.adapter === 'files') throw new Error('files are read by nothing else')
    const { readRaw } = await import(`./peers/${place.adapter}-raw-log.mjs`)
    return readRaw(place, runId)
  },
  async read(place) {
    const adapter = await openPlace(place)
    const start = performance.now()
    let count = 0
    for await (const lines of adapter.log.read(runId)) count += lines.length
    const ms = performance.now() - start
    await adapter.close()
    return { ms, count }
  },
  async fold(place) {
    const adapter = await openPlace(place)
    const start = performance.now()
    const { state } = await loadRun(adapter.log, runId)
    const ms = performance.now() - start
    await adapter.close()
    const peakMiB = process.resourceUsage().maxRSS / 1024
    return { ms, count: state.version, settled: state.settled.size, peakMiB }
  },
  async parse(place) {
    const adapter = await openPlace(place)
    /** @type {string[]} */
    const all = []
    for await (const lines of adapter.log.read(runId)) for (const line of lines) all.push(line)
    await adapter.close()
    const start = performance.now()
    let count = 0
    for (const line of all) count += JSON.parse(line).commit.events.length
    return { ms: performance.now() - start, count }
  },
}

const [reading, place] = process.argv.slice(2)
if (process.send !== undefined && place !== undefined)
  send(await read[/** @type {Reading} */ (reading)](decodePlace(place)))
