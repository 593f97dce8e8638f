import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { makeRun } from './finished-run.js'
import { inProcessJson } from './in-process.js'
import { reprise } from './reprise.js'

const modules = fileURLToPath(new URL('../../../node_modules', import.meta.url))
let folder = ''
const at = (...names: string[]) => join(folder, ...names)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reprise-record-'))
  await makeRun(at('runs'), 'failing', { end: 'fail' })
  await mkdir(at('tests'))
  await symlink(modules, at('tests', 'node_modules'))
}, 120_000)
afterAll(() => rm(folder, { recursive: true }))

/** Runs vitest in the folder, and gives the outcome of each file by its name. */
async function vitest(): Promise<Record<string, string>> {
  const json = await new Promise<string>((resolve) => {
    const args = [join(modules, 'vitest', 'vitest.mjs'), 'run', '--root', at('tests'), '--reporter', 'json']
    execFile(process.execPath, args, { cwd: at('tests') }, (_failed, stdout) => resolve(stdout))
  })
  const { testResults } = JSON.parse(json) as { testResults: { name: string; status: string }[] }
  return Object.fromEntries(testResults.map(({ name, status }) => [name.split('/').at(-1), status]))
}

it('reprise record writes a test that passes as it is, with its log in it or beside it, and fails after tampering', async () => {
  const recorded = await reprise(['record', 'failing', '--at', at('runs')])
  expect(recorded.code).toBe(0)
  expect(recorded.stderr).toContain('Recorded failing up to version')
  await writeFile(at('tests', 'whole.test.ts'), recorded.stdout)
  await writeFile(at('tests', 'log-changed.test.ts'), recorded.stdout.replace('count every line', 'count other line'))
  await writeFile(
    at('tests', 'outcome-changed.test.ts'),
    recorded.stdout.replace('status: "failed"', 'status: "complete"'),
  )

  const beside = await inProcessJson([
    'record',
    'failing',
    '--at',
    at('runs'),
    '--until',
    '9',
    '--log',
    at('tests', 'failing.jsonl.gz'),
  ])
  expect(beside.json).toMatchObject({ runId: 'failing', version: 9, log: at('tests', 'failing.jsonl.gz') })
  await writeFile(at('tests', 'beside.test.ts'), beside.json.source)

  expect(await vitest()).toEqual({
    'whole.test.ts': 'passed',
    'beside.test.ts': 'passed',
    'log-changed.test.ts': 'failed',
    'outcome-changed.test.ts': 'failed',
  })
  const imports = [...recorded.stdout.matchAll(/from '(.*)'/g)].map(([, name]) => name)
  expect(imports).toEqual(['@reprise/core/replay', 'vitest'])
  expect((await readFile(at('tests', 'failing.jsonl.gz'))).subarray(0, 2)).toEqual(Buffer.from([0x1f, 0x8b]))
}, 120_000)

it('reprise record refuses what it cannot record', async () => {
  const record = (...args: string[]) => inProcessJson(['record', ...args, '--at', at('runs')])
  expect(await record('nobody')).toMatchObject({ code: 3, json: { error: { code: 'NOT_FOUND' } } })
  expect(await record('failing', '--until', '0')).toMatchObject({ code: 2 })
  expect(await record('failing', '--until', '999')).toMatchObject({
    code: 3,
    json: { error: { code: 'VERSION_UNKNOWN' } },
  })
  expect(await record('failing', '--until', 'soon')).toMatchObject({ code: 2 })
  expect(await record('failing', '--log', at('no such folder', 'a b'))).toMatchObject({ code: 2 })
})
