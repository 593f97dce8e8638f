// (j) `reprise runs` over many runs, the whole process: with a summary beside each log, and without any. Beside what the files
// alone cost: a process that does nothing else (read-summaries.mjs).
import { spawn } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openFiles } from '@reprise/adapter-fs'
import { openRun } from '@reprise/core'
import { inTemporaryFolder, median } from './measure.mjs'
import { writeSampleLog } from './sample-log.mjs'

/** @typedef {import('@reprise/core').RunId} RunId */

const command = fileURLToPath(new URL('../packages/cli/dist/bin.js', import.meta.url))
const bareScript = fileURLToPath(new URL('read-summaries.mjs', import.meta.url))
/** Runs that are prepared at once. */
const atOnce = 32

/**
 * On files.
 * @param {{ runs: number, events: number, rounds: number }} size `events`: in each log, at least
 */
export function measureRuns({ runs, events, rounds }) {
  return inTemporaryFolder(async (dir) => {
    await prepare(dir, runs, events)
    const list = () => milliseconds([command, 'runs', '--json', '--at', dir], runs)
    const bare = () => milliseconds([bareScript, dir], 1)
    /** @type {{ summaries: number[], bare: number[], logs: number[] }} */
    const seen = { summaries: [], bare: [], logs: [] }
    for (let round = 0; round < rounds; round++) {
      seen.summaries.push(await list())
      seen.bare.push(await bare())
    }
    const startMs = median([await start(), await start(), await start()])
    for (const name of readdirSync(join(dir, 'runs'))) rmSync(join(dir, 'runs', name, 'summary'))
    for (let round = 0; round < Math.min(rounds, 2); round++) seen.logs.push(await list())
    const [ms, bareMs] = [median(seen.summaries), median(seen.bare)]
    const ratio = median(seen.summaries.map((each, round) => each / (seen.bare[round] ?? Number.NaN)))
    return { runs, events, ms, bareMs, ratio, startMs, withoutMs: median(seen.logs) }
  })
}

/** The command's start alone. */
const start = () => milliseconds([command, '--version'], 1)

/** Logs, and beside each the summary that a coordinator left beside one. @param {string} dir @param {number} runs @param {number} events */
async function prepare(dir, runs, events) {
  const adapter = await openFiles({ dir })
  const names = Array.from({ length: runs }, (_, n) => `run-${String(n).padStart(6, '0')}`)
  for (const name of names) await writeSampleLog({ adapter: 'files', dir }, name, { events, group: 4 })
  const [model = ''] = names
  await (await openRun({ adapter, runId: model })).close()
  const listed = []
  for await (const batch of adapter.summaries.list(model)) listed.push(...batch)
  const text = listed[0]?.summary ?? ''
  if (!text.includes(model)) throw new Error('the coordinator left no summary')
  const keep = async (/** @type {string} */ name) => {
    const runId = /** @type {RunId} */ (name)
    const head = await adapter.log.head(runId)
    if (head !== null) await adapter.summaries.put(runId, head, text.replace(model, name))
  }
  for (let first = 1; first < runs; first += atOnce) await Promise.all(names.slice(first, first + atOnce).map(keep))
  await adapter.close()
}

/** From the start of a process to its end; it must print that many lines. @param {string[]} args @param {number} lines */
function milliseconds(args, lines) {
  return new Promise((/** @type {(ms: number) => void} */ resolve, reject) => {
    const begin = performance.now()
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let printed = 0
    child.stdout.on('data', (/** @type {Buffer} */ bytes) => {
      for (const byte of bytes) if (byte === 0x0a) printed++
    })
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0 && printed === lines) resolve(performance.now() - begin)
      else reject(new Error(`${args.join(' ')} ended with ${code} and ${printed} lines, not ${lines}`))
    })
  })
}
