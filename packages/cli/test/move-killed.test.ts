import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Injection, oneThread, requireStrace, strace } from '../../adapter-fs/test/strace.js'
import { makeRun } from './finished-run.js'
import { inProcessJson } from './in-process.js'
import { command } from './reprise.js'

let folder = ''
const at = (...names: string[]) => join(folder, ...names)
const logOf = (dir: string) => readFile(join(dir, 'runs', 'done', 'log.jsonl'), 'utf8')

beforeAll(async () => {
  requireStrace()
  folder = await mkdtemp(join(tmpdir(), 'reprise-killed-'))
  await makeRun(at('from'), 'done')
  await inProcessJson(['export', 'done', '--at', at('from'), '-o', at('done.jsonl')])
}, 120_000)
afterAll(() => rm(folder, { recursive: true }))

/** Runs the command until the kernel kills it at one of its system calls, as kill -9 would. */
async function killedAt(fault: Omit<Injection, 'does'>, args: readonly string[]): Promise<void> {
  const [program = '', ...before] = strace({ ...fault, does: 'signal=SIGKILL' })
  const child = spawn(program, [...before, process.execPath, command, ...args], {
    env: { PATH: process.env.PATH, ...oneThread },
    stdio: 'ignore',
  })
  const [code, signal] = await once(child, 'close')
  expect([code, signal]).toEqual([null, 'SIGKILL'])
}

it('a copy that is killed between two commits goes on where it was', async () => {
  const args = ['copy', 'done', '--at', at('from'), '--to', at('copied')]
  await killedAt({ call: 'fdatasync', when: 4, path: at('copied', 'runs', 'done', 'log.jsonl') }, args)
  const begun = (await logOf(at('copied'))).split('\n').length - 1
  const { code, json } = await inProcessJson(args)
  expect([code, json.appended]).toEqual([0, json.commits - begun])
  expect(begun).toBeGreaterThan(0)
  expect(await logOf(at('copied'))).toBe(await logOf(at('from')))
}, 60_000)

it('an import that is killed between two commits goes on where it was', async () => {
  const args = ['import', at('done.jsonl'), '--at', at('imported')]
  await killedAt({ call: 'fdatasync', when: 5, path: at('imported', 'runs', 'done', 'log.jsonl') }, args)
  const begun = (await logOf(at('imported'))).split('\n').length - 1
  const { code, json } = await inProcessJson(args)
  expect([code, json.appended]).toEqual([0, json.commits - begun])
  expect(begun).toBeGreaterThan(0)
  expect(await logOf(at('imported'))).toBe(await logOf(at('from')))
}, 60_000)

it.each([
  ['before the archive is on the disk', { call: 'fdatasync', when: 1 }],
  ['while the run is removed', { call: 'rename', when: 1 }],
] as const)(
  'an archiving that is killed %s has lost nothing, and goes on',
  async (_, fault) => {
    const dir = at(`archived-${fault.call}`)
    await inProcessJson(['import', at('done.jsonl'), '--at', dir])
    const args = ['archive', 'done', '--at', dir, '--to', join(dir, 'archive')]
    await killedAt(fault, args)
    const log = await logOf(at('from'))
    expect(await logOf(dir)).toBe(log)
    expect(await inProcessJson(args)).toMatchObject({ code: 0 })
    expect(gunzipSync(await readFile(join(dir, 'archive', 'done.jsonl.gz'))).toString()).toBe(log)
    await expect(logOf(dir)).rejects.toMatchObject({ code: 'ENOENT' })
  },
  60_000,
)
