// Core is deterministic because the linter refuses what is not: each offence is shown to it, under the real config.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root } from '../setup.mjs'

const offences = {
  'the clock through Date.now': 'export const offence = Date.now()',
  'the clock through new Date': 'export const offence = new Date()',
  'the clock through Date, called': 'export const offence = Date()',
  'the clock through Date, taken apart': 'const { now } = Date\n\nexport const offence = now()',
  'the clock through globalThis': 'export const offence = globalThis.Date.now()',
  'the clock through performance': 'export const offence = performance.now()',
  'a timer': 'export const offence = setTimeout(() => undefined, 1)',
  'an interval': 'export const offence = setInterval(() => undefined, 1)',
  'an immediate': 'export const offence = setImmediate(() => undefined)',
  'a timer behind a signal': 'export const offence = AbortSignal.timeout(1)',
  'the environment': 'export const offence = process.env.HOME',
  'the environment by import': "import { env } from 'node:process'\n\nexport const offence = env.HOME",
  'randomness from Math': 'export const offence = Math.random()',
  'randomness from Math, taken apart': 'const { random } = Math\n\nexport const offence = random()',
  'randomness from the crypto global': 'export const offence = crypto.randomUUID()',
  'randomUUID by import': "import { randomUUID } from 'node:crypto'\n\nexport const offence = randomUUID()",
  'randomBytes by import': "import { randomBytes } from 'node:crypto'\n\nexport const offence = randomBytes(4)",
  'all of node:crypto': "import * as all from 'node:crypto'\n\nexport const offence = all.randomUUID()",
  'the disk': "import { readFileSync } from 'node:fs'\n\nexport const offence = readFileSync('x')",
  'the disk with promises': "import { readFile } from 'node:fs/promises'\n\nexport const offence = readFile('x')",
  'the disk without the prefix': "import { readFileSync } from 'fs'\n\nexport const offence = readFileSync('x')",
  'the disk, loaded late': "export const offence = () => import('node:fs')",
  'the host': "import { hostname } from 'node:os'\n\nexport const offence = hostname()",
  'a child process': "import { fork } from 'node:child_process'\n\nexport const offence = fork('x')",
  'timers by import': "import { setTimeout as wait } from 'node:timers/promises'\n\nexport const offence = wait(1)",
  'the network': "import { connect } from 'node:net'\n\nexport const offence = connect(1)",
  'worker threads': "import { threadId } from 'node:worker_threads'\n\nexport const offence = threadId",
  'perf hooks': "import { performance as clock } from 'node:perf_hooks'\n\nexport const offence = clock.now()",
}

const asyncOffences = {
  'an async function': 'export async function offence(): PromiseLike<void> {}',
  'an async arrow': 'export const offence = async () => 1',
  'an async method': 'export class Offence {\n  async method() {}\n}',
  'an async method of an object': 'export const offence = { async method() {} }',
  'await at the top level': 'export const offence = await later',
  'a promise': 'export const offence = Promise.resolve(1)',
  'a promise in a type': 'export type Offence = Promise<number>',
}

const timeFile = 'packages/core/src/protocol/time.ts'

const clean = `import { createHash } from 'node:crypto'

export const digest = (text: string): string => createHash('sha256').update(text).digest('hex')
export const text = (time: Date | string): string => (typeof time === 'string' ? time : time.toISOString())
export const later = (date: number): number => Math.max(date, 0)
`

let workspace = ''
/** What the linter says about one file: names of rules and messages of plugins. @type {Map<string, string[]>} */
let verdicts

beforeAll(() => {
  workspace = mkdtempSync(join(tmpdir(), 'reprise-lint-'))
  for (const name of ['biome.json', '.gitignore', 'scripts/lint'])
    cpSync(join(root, name), join(workspace, name), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(workspace, 'node_modules'), 'junction')
  for (const [what, text] of Object.entries(offences)) {
    for (const folder of ['coordinator', 'runtime']) write(place(folder, what), text)
  }
  for (const [what, text] of Object.entries(asyncOffences)) {
    for (const folder of ['protocol', 'log', 'flow', 'coordinator']) write(place(folder, what), text)
  }
  write(place('flow', 'clean'), clean)
  write(timeFile, offences['the clock through new Date'])
  // One run over all files: starting the linter costs more than linting.
  verdicts = lint()
})

afterAll(() => rmSync(workspace, { recursive: true, force: true }))

describe('core is deterministic', () => {
  it.each(Object.keys(offences))('refuses %s in the coordinator', (what) => {
    const verdict = verdictOn(place('coordinator', what))
    expect(verdict).toContainEqual(expect.stringMatching(/noRestricted|useNodejsImportProtocol|Core is deterministic/))
  })

  it('accepts a file that only computes', () => {
    expect(verdictOn(place('flow', 'clean'))).toEqual([])
  })

  it('accepts waiting for a promise in the coordinator', () => {
    expect(verdictOn(place('coordinator', 'an async arrow'))).toEqual([])
  })

  it('accepts clock, timers, environment, host and randomness in the system runtime', () => {
    for (const what of ['the clock through Date.now', 'a timer', 'the environment', 'the host', 'randomUUID by import'])
      expect(verdictOn(place('runtime', what)), what).toEqual([])
  })

  it('accepts Date in protocol/time.ts', () => {
    expect(verdictOn(timeFile)).toEqual([])
  })

  it('refuses a timer, the environment, randomness and the disk in protocol/time.ts', () => {
    const all = ['a timer', 'the environment', 'randomness from Math', 'the disk']
    for (const what of /** @type {(keyof typeof offences)[]} */ (all)) {
      write(timeFile, offences[what])
      expect(lint(timeFile).get(timeFile), what).toHaveLength(1)
    }
  })
})

describe('protocol, log and flow are synchronous', () => {
  it.each(Object.keys(asyncOffences))('refuse %s', (what) => {
    for (const folder of ['protocol', 'log', 'flow'])
      expect(verdictOn(place(folder, what)), folder).toContainEqual(expect.stringMatching(/pure and synchronous/))
  })
})

/** @param {string} folder @param {string} what */
function place(folder, what) {
  return `packages/core/src/${folder}/${what.toLowerCase().replaceAll(/[^a-z]+/g, '-')}.ts`
}

/** @param {string} path @param {string} text */
function write(path, text) {
  mkdirSync(dirname(join(workspace, path)), { recursive: true })
  writeFileSync(join(workspace, path), text)
}

/** @param {string} path */
const verdictOn = (path) => verdicts.get(path) ?? []

/**
 * @param {string} [path] everything without it
 * @returns {Map<string, string[]>} by file
 */
function lint(path = 'packages') {
  const biome = join(root, 'node_modules/@biomejs/biome/bin/biome')
  const args = [biome, 'lint', '--reporter=json', '--max-diagnostics=none', path]
  const result = spawnSync(process.execPath, args, { cwd: workspace, encoding: 'utf8' })
  /** @type {{ diagnostics: { severity: string, category: string, message: string, location: { path: string } }[] }} */
  const { diagnostics } = JSON.parse(result.stdout)
  /** @type {Map<string, string[]>} */
  const byFile = new Map()
  for (const { severity, category, message, location } of diagnostics) {
    if (severity === 'error')
      byFile.set(location.path, [...(byFile.get(location.path) ?? []), `${category} ${message}`])
  }
  return byFile
}
