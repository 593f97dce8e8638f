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
  task: ['a'],
  diff: ['1'],
  'checkpoint sign': ['--key', '../key'],
}
/** `verify` found it, or the library refuses to go on: as in the table of exit codes. */
const exits: Readonly<Record<string, readonly number[]>> = { none: [0, 1], empty: [1, 3], 'other-run': [1, 4] }
/** They show events one by one, and do not ask whether one can follow the other. */
const withoutFolding = new Set(['log', 'timeline', 'stats'])
/** Told about a run by what is beside its log, and so about a broken one too. */
const besides = new Set(['watchdog'])

let folder: Awaited<ReturnType<typeof brokenFolder>>
beforeAll(async () => {
  folder = await brokenFolder()
  const key = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })
  await writeFile(join(folder.dir, '..', 'key'), key, { mode: 0o600 })
})
afterAll(() => folder.remove())

/** These look, too, whatever part of the documentation they are in. */
const alsoLooking = new Set(['export', 'briefing', 'record'])
/** Takes a run, and nothing else that must be given but what is in `more`. */
async function takesRun({ name, load }: (typeof registry)[number]): Promise<boolean> {
  const [first, ...others] = Object.entries((await load()).args)
  return first?.[0].startsWith('RUN') === true && (name in more || others.every(([, spec]) => spec.optional))
}

const looking = registry.filter(
  ({ name, group }) => (['look', 'why'].includes(group) && !besides.has(name)) || alsoLooking.has(name),
)
const ofRuns = (await Promise.all(looking.map(takesRun))).flatMap((does, i) => (does ? [looking[i]?.name ?? ''] : []))

it('looks with every command that looks at a run', () => {
  expect(ofRuns).toEqual(expect.arrayContaining(['status', 'verify', 'checkpoint sign']))
  const others = looking.map(({ name }) => name).filter((name) => !ofRuns.includes(name))
  // `runs` lists them, damaged ones too; the other is told by a file which run it is about.
  expect(['runs', 'checkpoint verify']).toEqual(expect.arrayContaining(others))
})

describe.each(ofRuns)('%s', (name) => {
  it('says what is wrong with every broken log, with the right exit code, and changes nothing', async () => {
    const before = await contentsOf(folder.dir)
    const wrong: unknown[] = []
    for (const run of Object.keys(brokenLogs)) {
      const { kind } = folder.logs[run] ?? expect.fail()
      const { code, stdout, stderr } = await inProcess(
        [...name.split(' '), run, ...(more[name] ?? []), '--at', folder.dir],
        { cwd: folder.dir },
      )
      const isShown = run === 'impossible' && withoutFolding.has(name)
      const expected = isShown ? [0] : (exits[kind ?? 'none'] ?? [1])
      const isClear = kind === null || /^reprise: .{30,}/m.test(stderr) || stdout !== ''
      if (!expected.includes(code) || !isClear || /a bug|\n +at /.test(stderr + stdout))
        wrong.push({ run, code, stdout, stderr })
    }
    expect(wrong).toEqual([])
    expect(await contentsOf(folder.dir)).toEqual(before)
  })
})
