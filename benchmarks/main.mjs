// `npm run bench`: every figure is measured here and now; ratios compare within this one run. Options: --only a,b,c,d,e
// and --quick. Writes benchmarks/results/latest.json.
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { measureAppend, measureGroups } from './append.mjs'
import { measureEndToEnd } from './end-to-end.mjs'
import { measureMachine } from './machine.mjs'
import { measureRecovery } from './recovery.mjs'
import { measureReplay } from './replay.mjs'

const { values } = parseArgs({ options: { only: { type: 'string' }, quick: { type: 'boolean', default: false } } })
const { quick } = values
const chosen = (values.only ?? 'a,b,c,d,e').split(',')

/** @typedef {{ name: string, figure: string, target: string, reached: boolean }} Row */
/** @type {Row[]} */
const rows = []
const machine = measureMachine()
/** @type {Record<string, unknown>} */
const results = { machine, at: new Date().toISOString(), node: process.version, cores: cpus().length, quick }

/** @param {number} value */
const whole = (value) => Math.round(value).toLocaleString('en-US')
/** @param {string} name @param {string} figure @param {string} target @param {boolean} reached */
const row = (name, figure, target, reached) => rows.push({ name, figure, target, reached })

/** @param {string} id @param {string} what @param {() => Promise<void>} measure */
async function part(id, what, measure) {
  if (!chosen.includes(id)) return
  process.stderr.write(`(${id}) ${what} …\n`)
  await measure()
}

await part('a', 'append one at a time', async () => {
  const r = await measureAppend({ appends: quick ? 300 : 2000, rounds: quick ? 3 : 7 })
  results.append = r
  const figure = `${r.ratio.toFixed(2)} × bare loop (${whole(r.appendPerS)}/s of ${whole(r.barePerS)}/s; as run.note ${whole(r.pipelinePerS)}/s)`
  row('(a) append, one at a time', figure, '≥ 0.70 ×', r.ratio >= 0.7)
})
await part('b', '64 in flight', async () => {
  const r = await measureGroups({ events: quick ? 20_000 : 200_000, inFlight: 64, rounds: quick ? 3 : 5 })
  results.groups = r
  row('(b) append, 64 in flight', `${whole(r.eventsPerS)} events/s`, '≥ 100,000/s', r.eventsPerS >= 100_000)
})
await part('c', 'replay', async () => {
  const r = await measureReplay({ events: quick ? 100_000 : 1_000_000, rounds: quick ? 3 : 5 })
  results.replay = r
  const figure = `${r.ratio.toFixed(2)} × JSON.parse (${whole(r.replayMs)} ms for ${whole(r.version)} events in ${whole(r.commits)} commits)`
  row('(c) replay, verified', figure, '≤ 2.00 ×', r.ratio <= 2)
  row(
    '(c) peak memory',
    `${whole(r.peakMiB)} MiB with ${whole(r.settled)} settled tasks`,
    '≤ 250 MiB',
    r.peakMiB <= 250,
  )
})
await part('d', 'end to end', async () => {
  const r = await measureEndToEnd({
    tasks: 5000,
    workers: 2,
    concurrency: 16,
    rounds: quick ? 3 : 7,
    loops: quick ? 300 : 2000,
  })
  results.endToEnd = r
  const figure = `${whole(r.tasksPerS)} tasks/s (cold ${whole(r.firstRound ?? 0)}, best ${whole(r.best)})`
  row('(d) 5,000 tasks, 2 × 16', figure, '≥ 12,000/s', r.tasksPerS >= 12_000)
  row(
    '(d) closed loop of one',
    `p50 ${r.p50Ms.toFixed(2)} ms, p99 ${r.p99Ms.toFixed(2)} ms`,
    'p50 ≤ 1.50 ms',
    r.p50Ms <= 1.5,
  )
})
await part('e', 'recovery', async () => {
  const rounds = quick ? 3 : 7
  const few = await measureRecovery({ outstanding: 2000, logEvents: 0, rounds })
  const long = await measureRecovery({ outstanding: 2000, logEvents: 100_000, rounds })
  results.recovery = { few, long }
  row(
    '(e) SIGKILL → accepted, 2,000 out',
    `${whole(few.medianMs)} ms (worst ${whole(few.worstMs)})`,
    '≤ 300 ms',
    few.medianMs <= 300,
  )
  row(
    '(e) the same, 100,000 events',
    `${whole(long.medianMs)} ms (worst ${whole(long.worstMs)})`,
    '≤ 1,000 ms',
    long.medianMs <= 1000,
  )
})

console.log(
  `this machine, now: sha256 ${whole(machine.sha256MiBPerS)} MiB/s, JSON.parse ${whole(machine.parsePerS)} lines/s; a process start ` +
    `${whole(machine.nodeStartMs)} ms, with zod ${whole(machine.importZodMs)} ms, with Reprise ${whole(machine.importAllMs)} ms\n`,
)

const widths = [0, 0, 0].map((_, i) => Math.max(...rows.map((r) => [r.name, r.figure, r.target][i]?.length ?? 0)))
for (const r of rows) {
  const cells = [r.name, r.figure, r.target].map((cell, i) => cell.padEnd(widths[i] ?? 0))
  console.log(`${cells.join('  ')}  ${r.reached ? 'reached' : 'missed'}`)
}
const folder = join(import.meta.dirname, 'results')
mkdirSync(folder, { recursive: true })
writeFileSync(join(folder, 'latest.json'), `${JSON.stringify({ ...results, rows }, null, 2)}\n`)
console.log(`\nFigures: ${join(folder, 'latest.json')}`)
