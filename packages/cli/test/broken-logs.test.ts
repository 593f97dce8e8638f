import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { registry } from '../src/registry.js'
import { brokenFolder, contentsOf } from './broken-logs/folder.js'
import { brokenLogs } from './broken-logs/kinds.js'
import { inProcess } from './in-process.js'

// Every command that looks at one run, on every kind of broken log. In this process: what a bug looks like is the same.

/** What a command needs besides the run. */
const more: Readonly<Record<string, readonly string[]>> = {
  bisect: ['--invariant', 'all'],
  diff: ['1'],
  'checkpoint sign': ['--key', '../key'],
}
/** `verify` found it, or the library refuses to go on: as in the table of exit codes. */
const exits: Readonly<Record<string, readonly number[]>> = { none: [0, 1], empty: [1, 3], 'other-run': [1, 4] }
/** Told about a run by what is beside its log, and so about a broken one too. */
const besides = new Set(['watchdog'])

let folder: Awaited<ReturnType<typeof brokenFolder>>
beforeAll(async () => {
  folder = await brokenFolder()
  const key = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })
  await writeFile(join(folder.dir, '..', 'key'), key, { mode: 0o600 })
})
afterAll(() => folder.remove())

const looking = registry.filter(({ name, group }) => ['look', 'why'].includes(group) && !besides.has(name))

describe.each(looking.map(({ name }) => name))('%s', (name) => {
  it('says what is wrong with every broken log, with the right exit code, and changes nothing', async () => {
    const entry = looking.find((each) => each.name === name) ?? expect.fail()
    const { args } = await entry.load()
    const [first, ...others] = Object.entries(args)
    const isOfRun =
      first?.[0].startsWith('RUN') && others.every(([, spec]) => spec.optional || more[name] !== undefined)
    if (!isOfRun) return
    const before = await contentsOf(folder.dir)
    const wrong: unknown[] = []
    for (const run of Object.keys(brokenLogs)) {
      const { kind } = folder.logs[run] ?? expect.fail()
      const { code, stdout, stderr } = await inProcess(
        [...name.split(' '), run, ...(more[name] ?? []), '--at', folder.dir],
        { cwd: folder.dir },
      )
      const expected = exits[kind ?? 'none'] ?? [1]
      const isClear = kind === null || /^reprise: .{30,}/m.test(stderr) || stdout !== ''
      if (!expected.includes(code) || !isClear || /a bug|\n +at /.test(stderr + stdout))
        wrong.push({ run, code, stdout, stderr })
    }
    expect(wrong).toEqual([])
    expect(await contentsOf(folder.dir)).toEqual(before)
  })
})
