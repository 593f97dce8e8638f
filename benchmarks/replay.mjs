// (c) Replaying a log (read, verify the hash chain, fold) against JSON.parse of the same lines, and the memory it takes.
// Called without a role it is one of the processes that measure.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openFiles } from '@reprise/adapter-fs'
import { loadRun } from '@reprise/core'
import { inOwnProcess, inTemporaryFolder, median, send } from './measure.mjs'
import { writeSampleLog } from './sample-log.mjs'

const runId = 'replay'

/** @param {{ events: number, rounds: number }} options */
export function measureReplay({ events, rounds }) {
  return inTemporaryFolder(async (dir) => {
    const path = join(dir, 'runs', runId, 'log.jsonl')
    const shape = writeSampleLog(path, runId, { events, group: 16 })
    const parse = []
    const replay = []
    const ratios = []
    let peakMiB = 0
    for (let round = 0; round < rounds; round++) {
      const parsed = await inOwnProcess('replay.mjs', ['parse', dir])
      const folded = await inOwnProcess('replay.mjs', ['fold', dir])
      if (folded.version !== shape.version) throw new Error(`replayed ${folded.version} of ${shape.version} events`)
      parse.push(parsed.ms)
      replay.push(folded.ms)
      ratios.push(folded.ms / parsed.ms)
      peakMiB = Math.max(peakMiB, folded.peakMiB)
    }
    return { ...shape, parseMs: median(parse), replayMs: median(replay), ratio: median(ratios), peakMiB }
  })
}

/** @param {string} dir */
async function parseOnly(dir) {
  // The lines are in memory before the clock starts: parsing alone.
  const lines = readFileSync(join(dir, 'runs', runId, 'log.jsonl'), 'utf8').split('\n')
  lines.pop()
  const start = performance.now()
  let events = 0
  for (const line of lines) events += JSON.parse(line).commit.events.length
  return { ms: performance.now() - start, events }
}

/** @param {string} dir */
async function fold(dir) {
  const adapter = await openFiles({ dir })
  const start = performance.now()
  const { state } = await loadRun(adapter.log, /** @type {import('@reprise/core').RunId} */ (runId))
  const ms = performance.now() - start
  await adapter.close()
  return { ms, version: state.version, settled: state.settled.size, peakMiB: process.resourceUsage().maxRSS / 1024 }
}

const [role, dir] = process.argv.slice(2)
if (process.send !== undefined && dir !== undefined) send(await (role === 'fold' ? fold(dir) : parseOnly(dir)))
