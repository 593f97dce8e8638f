// (k) `reprise show RUN@VERSION`, the whole process: the first look at a log, and later ones at versions all over it, beside
// a process that reads the file and parses its lines with JSON.parse, and does nothing with them. Files only.
import { execFileSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { median } from './measure.mjs'
import { inFreshPlace, openPlace } from './place.mjs'
import { writeSampleLog } from './sample-log.mjs'

const runId = 'look-back'
const command = join(import.meta.dirname, '../packages/cli/bundle/reprise.js')
/** Where in the log, as a part of it: from its end, its beginning, and between. */
const places = [0.999, 0.5, 0.02, 0.25, 0.75, 0.9]

const parsing =
  "const{readFileSync}=require('node:fs');for(const line of readFileSync(process.argv[1],'utf8').split('\\n'))if(line!=='')JSON.parse(line)"

/** @param {{ events: number, rounds: number }} size */
export function measureLookBack({ events, rounds }) {
  return inFreshPlace({ adapter: 'files' }, async (place) => {
    if (place.adapter !== 'files') throw new Error('only measured on files')
    // As a coordinator leaves the folder: the command takes no other for one of Reprise.
    await (await openPlace(place)).close()
    const { version } = await writeSampleLog(place, runId, { events, group: 16 })
    const show = (/** @type {number} */ at) => timed([command, 'show', `${runId}@${at}`, '--at', place.dir])
    const firstMs = show(Math.floor(version * 0.999))
    /** @type {{ laterMs: number[], parseMs: number[], helpMs: number[] }} */
    const ms = { laterMs: [], parseMs: [], helpMs: [] }
    const folder = join(place.dir, 'runs', runId)
    for (let round = 0; round < rounds; round++) {
      ms.parseMs.push(timed(['-e', parsing, join(folder, 'log.jsonl')]))
      ms.helpMs.push(timed([command, '--version']))
      for (const part of places) ms.laterMs.push(show(Math.floor(version * part)))
    }
    const kept = readdirSync(join(folder, 'history')).map((name) => statSync(join(folder, 'history', name)).size)
    const bytes = kept.reduce((sum, size) => sum + size, 0)
    const worstMs = Math.max(...ms.laterMs)
    const laterMs = median(ms.laterMs)
    return {
      events: version,
      firstMs,
      laterMs,
      worstMs,
      parseMs: median(ms.parseMs),
      helpMs: median(ms.helpMs),
      kept: kept.length,
      bytes,
    }
  })
}

/** A process of Node from its start to its end. @param {string[]} args */
function timed(args) {
  const start = performance.now()
  execFileSync(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  return performance.now() - start
}
