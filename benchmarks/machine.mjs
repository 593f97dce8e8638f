// What this machine does at the moment, measured beside the figures so that they can be compared with others.
import { execFileSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { median } from './measure.mjs'

/** @param {() => unknown} work */
function timed(work) {
  const start = performance.now()
  work()
  return performance.now() - start
}

/** @param {string} script */
const nodeMs = (script) =>
  median(
    Array.from({ length: 5 }, () => timed(() => execFileSync(process.execPath, ['--input-type=module', '-e', script]))),
  )

/** Of a process that holds a run. @param {string} adapter */
const importMs = (adapter) => nodeMs(`import 'zod'; import '@reprise/core'; import '${adapter}'`)

/** @typedef {'files' | import('./place.mjs').ServerKind} AdapterName */
/** @type {Record<AdapterName, string>} */
const packages = { files: '@reprise/adapter-fs', redis: '@reprise/adapter-redis', nats: '@reprise/adapter-nats' }

/** @param {readonly AdapterName[]} adapters */
export function measureMachine(adapters) {
  const bytes = Buffer.alloc(32 * 1024 * 1024)
  const line = JSON.stringify({
    hash: 'x'.repeat(64),
    commit: { events: [{ type: 'note-added', data: { text: 'y'.repeat(180) } }] },
  })
  const parses = 200_000
  const parseMs = median(
    Array.from({ length: 3 }, () =>
      timed(() => {
        for (let i = 0; i < parses; i++) JSON.parse(line)
      }),
    ),
  )
  return {
    sha256MiBPerS: 32_000 / median(Array.from({ length: 3 }, () => timed(() => hash('sha256', bytes)))),
    parsePerS: (parses / parseMs) * 1000,
    nodeStartMs: nodeMs(''),
    importZodMs: nodeMs("import 'zod'"),
    importAllMs: Object.fromEntries(adapters.map((name) => [name, importMs(packages[name])])),
  }
}
