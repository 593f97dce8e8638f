// `npm run bench`: every figure is measured here and now; ratios compare within this one run. Options: --adapter
// files,redis,nats (default files), --only a,b,c,d,e,f,g,h,i,j,k and --quick. Writes benchmarks/results/latest.json.
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { measureFiles } from './files-parts.mjs'
import { measureMachine } from './machine.mjs'
import { whole } from './report.mjs'
import { measureServer } from './server-parts.mjs'

const { values } = parseArgs({
  options: {
    adapter: { type: 'string', default: 'files' },
    only: { type: 'string', default: 'a,b,c,d,e,f,g,h,i,j,k' },
    quick: { type: 'boolean', default: false },
  },
})
const adapters = values.adapter.split(',').map((name) => {
  if (name === 'files' || name === 'redis' || name === 'nats') return name
  throw new Error(`--adapter takes files, redis and nats, not ${JSON.stringify(name)}`)
})
const plan = { parts: values.only.split(','), quick: values.quick }

const machine = measureMachine(adapters)
console.log(
  `this machine, now: sha256 ${whole(machine.sha256MiBPerS)} MiB/s, JSON.parse ${whole(machine.parsePerS)} lines/s; a process start ` +
    `${whole(machine.nodeStartMs)} ms, with zod ${whole(machine.importZodMs)} ms, with Reprise ${adapters
      .map((name) => `${whole(machine.importAllMs[name] ?? 0)} ms (${name})`)
      .join(', ')}`,
)

/** @type {Record<string, unknown>} */
const results = {}
for (const name of adapters) {
  const report = name === 'files' ? await measureFiles(plan) : await measureServer(name, plan)
  results[name] = { ...report.figures, rows: report.rows }
  console.log(`\n${report.title}`)
  report.print()
}

const folder = join(import.meta.dirname, 'results')
mkdirSync(folder, { recursive: true })
const at = new Date().toISOString()
const circumstances = { at, machine, node: process.version, cores: cpus().length, quick: plan.quick }
writeFileSync(join(folder, 'latest.json'), `${JSON.stringify({ ...circumstances, ...results }, null, 2)}\n`)
console.log(`\nFigures: ${join(folder, 'latest.json')}`)
