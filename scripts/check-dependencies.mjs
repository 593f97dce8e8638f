// Dependencies point one way (see ARCHITECTURE.md). Reads import statements and checks: which folder of core
// may import which, which doors of core the other packages use, and that no files import each other in a circle.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { pathToFileURL } from 'node:url'

/** What each folder of packages/core/src may import besides itself. Files directly in src are the package's doors. */
const coreRules = {
  protocol: [],
  log: ['protocol'],
  flow: ['protocol', 'log'],
  ports: ['protocol', 'log'],
  runtime: ['protocol', 'ports'],
  coordinator: ['protocol', 'log', 'flow', 'ports', 'runtime'],
  worker: ['protocol', 'log', 'flow', 'ports', 'runtime'],
  patterns: ['protocol', 'log', 'flow', 'ports', 'runtime', 'coordinator'],
  replay: ['protocol', 'log', 'flow', 'ports', 'runtime', 'coordinator'],
  memory: ['protocol', 'log', 'ports', 'runtime'],
  watchdog: ['protocol', 'log', 'flow', 'ports', 'runtime', 'coordinator', 'worker'],
  'index.ts': ['protocol', 'log', 'flow', 'ports', 'runtime', 'coordinator', 'worker', 'patterns', 'watchdog'],
  'replay.ts': ['protocol', 'log', 'flow', 'ports', 'runtime', 'coordinator', 'replay'],
  'adapter.ts': ['protocol', 'log', 'ports', 'runtime'],
  'testing.ts': ['protocol', 'log', 'flow', 'ports', 'runtime', 'coordinator', 'worker', 'memory'],
}

/** Which of our packages each package may import, by its folder's name. */
const packageRules = [
  { folder: /^core$/, allowed: [] },
  { folder: /^adapter-/, allowed: ['@reprise/core/adapter'] },
  { folder: /^conformance$/, allowed: ['@reprise/core', '@reprise/core/adapter', '@reprise/core/testing'] },
  {
    folder: /^cli$/,
    allowed: [
      '@reprise/core',
      '@reprise/core/replay',
      '@reprise/adapter-fs',
      '@reprise/adapter-redis',
      '@reprise/adapter-nats',
    ],
  },
  { folder: /^test-servers$/, allowed: [] },
  {
    folder: /^test-fleet$/,
    allowed: [
      '@reprise/core',
      '@reprise/core/adapter',
      '@reprise/adapter-fs',
      '@reprise/adapter-redis',
      '@reprise/adapter-nats',
      '@reprise/conformance',
    ],
  },
]

/** @typedef {{ file: string, line: number, rule: string, remedy: string }} Problem */
/** @typedef {{ line: number, specifier: string }} Import */

/**
 * @param {string} root folder that holds packages/
 * @returns {Problem[]}
 */
export function checkDependencies(root) {
  /** @type {Problem[]} */
  const problems = []
  /** @type {Map<string, { line: number, target: string }[]>} */
  const graph = new Map()
  for (const folder of readdirSync(join(root, 'packages'))) {
    const src = join(root, 'packages', folder, 'src')
    if (!existsSync(src)) continue
    for (const name of readdirSync(src, { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts')) continue
      const file = join(src, name)
      const imports = readImports(readFileSync(file, 'utf8'))
      graph.set(
        file,
        imports.filter(isRelative).map(({ line, specifier }) => ({ line, target: resolveRelative(file, specifier) })),
      )
      for (const found of imports) {
        const problem = isRelative(found) ? checkFile(src, file, found, folder) : checkPackage(folder, found)
        if (problem) problems.push({ file: relative(root, file), line: found.line, ...problem })
      }
    }
  }
  return [...problems, ...findCycles(root, graph)]
}

/**
 * Static, side-effect, re-exporting, dynamic and type imports. Statements start a line (the formatter sees to it),
 * so comments and strings that mention imports do not count.
 * @param {string} text
 * @returns {Import[]}
 */
export function readImports(text) {
  const statements = /^(?:import|export)\b(?:[^'"`;=]*?\bfrom)?\s*['"]([^'"]+)['"]/gm
  const calls = /^(?!\s*(?:\/\/|\/?\*)).*?\bimport\(\s*['"]([^'"]+)['"]/gm
  return [...text.matchAll(statements), ...text.matchAll(calls)].map((match) => ({
    line: text.slice(0, match.index + match[0].length).split('\n').length,
    specifier: match[1] ?? '',
  }))
}

/** @param {Import} found */
const isRelative = (found) => found.specifier.startsWith('.')

/** @param {string} file @param {string} specifier */
const resolveRelative = (file, specifier) => resolve(dirname(file), specifier).replace(/\.js$/, '.ts')

/** @param {string} src @param {string} file @param {Import} found @param {string} folder */
function checkFile(src, file, found, folder) {
  const target = relative(src, resolveRelative(file, found.specifier))
  if (target.startsWith('..'))
    return { rule: `${found.specifier} leaves the package`, remedy: 'import the other package by its name' }
  if (folder !== 'core') return
  const from = layerOf(relative(src, file))
  const to = layerOf(target)
  if (from === to) return
  const allowed = Object.entries(coreRules).find(([layer]) => layer === from)?.[1]
  if (!allowed) return { rule: `${from} has no rule`, remedy: 'add it to coreRules in scripts/check-dependencies.mjs' }
  if (/** @type {string[]} */ (allowed).includes(to)) return
  const may = allowed.length > 0 ? `only ${allowed.join(', ')}` : 'nothing of ours'
  return { rule: `${from} may import ${may}, not ${to}`, remedy: 'move the shared part down, or pass the value in' }
}

/** @param {string} folder @param {Import} found */
function checkPackage(folder, { specifier }) {
  if (!specifier.startsWith('@reprise/')) return
  const allowed = packageRules.find((rule) => rule.folder.test(folder))?.allowed
  if (!allowed)
    return {
      rule: `packages/${folder} has no rule`,
      remedy: 'add it to packageRules in scripts/check-dependencies.mjs',
    }
  if (allowed.includes(specifier)) return
  const may = allowed.length > 0 ? `only ${allowed.join(', ')}` : 'none of our packages by name'
  return {
    rule: `packages/${folder} may import ${may}, not ${specifier}`,
    remedy: 'use an allowed door, or export the name there',
  }
}

/** @param {string} path inside src */
const layerOf = (path) => path.split(sep)[0] ?? path

/**
 * Depth first; each circle is reported once, at the import that closes it.
 * @param {string} root
 * @param {Map<string, { line: number, target: string }[]>} graph
 * @returns {Problem[]}
 */
function findCycles(root, graph) {
  /** @type {Problem[]} */
  const problems = []
  const done = new Set()
  /** @param {string} file @param {string[]} path */
  const visit = (file, path) => {
    for (const { line, target } of graph.get(file) ?? []) {
      const start = [...path, file].indexOf(target)
      if (start >= 0) {
        const circle = [...path.slice(start), file, target].map((name) => relative(root, name)).join(' -> ')
        problems.push({
          file: relative(root, file),
          line,
          rule: `import circle ${circle}`,
          remedy: 'move what both need into a third file',
        })
      } else if (!done.has(target)) visit(target, [...path, file])
    }
    done.add(file)
  }
  for (const file of graph.keys()) if (!done.has(file)) visit(file, [])
  return problems
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const problems = checkDependencies(process.cwd())
  for (const { file, line, rule, remedy } of problems) console.error(`${file}:${line}  ${rule}: ${remedy}`)
  console.log(`dependency direction: ${problems.length} problem${problems.length === 1 ? '' : 's'}`)
  process.exitCode = problems.length > 0 ? 1 : 0
}
