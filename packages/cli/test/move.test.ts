import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { openFiles } from '@reprise/adapter-fs'
import { openRun } from '@reprise/core'
import { startNats, startRedis } from '@reprise/test-servers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeRun } from './finished-run.js'
import { inProcess, inProcessJson } from './in-process.js'
import { reprise } from './reprise.js'

let folder = ''
const at = (...names: string[]) => join(folder, ...names)
const logOf = (dir: string, runId = 'done') => readFile(join(dir, 'runs', runId, 'log.jsonl'), 'utf8')

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reprise-move-'))
  await makeRun(at('from'), 'done')
  await makeRun(at('from'), 'going-on', { end: 'no' })
}, 120_000)
afterAll(() => rm(folder, { recursive: true }))

describe('reprise copy', () => {
  it('takes a run from files to Redis, to NATS and back to files: byte for byte, with its artifacts, and it can be forked there', async () => {
    await using redis = await startRedis({ private: true })
    await using nats = await startNats({ private: true })
    const places = [at('from'), `${redis.url}?prefix=moved`, `${nats.url}?prefix=moved`, at('back')]
    for (const [i, to] of places.slice(1).entries()) {
      const ended = await inProcessJson(['copy', 'done', '--at', places[i] ?? '', '--to', to, '--artifacts'])
      expect([ended.code, ended.stderr]).toEqual([0, ''])
      expect(ended.json).toMatchObject({
        open: false,
        appended: ended.json.commits,
        artifacts: { artifacts: 3, found: 0 },
      })
      expect((await inProcessJson(['runs', '--at', to])).json).toMatchObject({ runId: 'done', source: 'summary' })
    }
    for (const place of places.slice(1, 3)) {
      const forked = await inProcessJson(['fork', 'done@5', 'forked', '--at', place])
      expect(forked).toMatchObject({ code: 0, json: { from: { runId: 'done', version: 5 }, already: false } })
      const status = await inProcess(['status', 'forked', '--at', place])
      expect([status.code, status.stdout]).toEqual([0, expect.stringContaining('recovering')])
    }
    expect(await logOf(at('back'))).toBe(await logOf(at('from')))
    const adapter = await openFiles({ dir: at('back') })
    const [receipt] = await receiptsOf(adapter)
    const chunks: Uint8Array[] = []
    for await (const chunk of adapter.artifacts.read(receipt?.artifacts[0] ?? { path: '', sha256: '', bytes: 0 }))
      chunks.push(chunk)
    expect(Buffer.concat(chunks).toString()).toMatch(/^counted file \d$/)
    await adapter.close()
    const again = await inProcessJson(['copy', 'done', '--at', at('from'), '--to', at('back'), '--artifacts'])
    expect(again.json).toMatchObject({ appended: 0, artifacts: { artifacts: 3, found: 3 } })
  }, 120_000)

  it('refuses a run that is open or held, another log of that name, and a run that is not there', async () => {
    const copy = (runId: string, ...more: string[]) =>
      inProcessJson(['copy', runId, '--at', at('from'), '--to', at('new'), ...more])
    expect(await copy('going-on')).toMatchObject({ code: 4, json: { error: { code: 'RUN_OPEN' } } })
    const adapter = await openFiles({ dir: at('from') })
    const run = await openRun({ adapter, runId: 'going-on' })
    expect(await copy('going-on', '--open')).toMatchObject({ code: 5, json: { error: { code: 'RUN_HELD' } } })
    await run.close()
    await adapter.close()
    expect(await copy('going-on', '--open')).toMatchObject({ code: 0, json: { open: true, artifacts: null } })
    expect(await copy('nobody')).toMatchObject({ code: 3 })
    expect(await inProcess(['copy', 'done', '--at', at('from')])).toMatchObject({ code: 2 })
    await makeRun(at('other'), 'done', { tasks: 1 })
    const other = await inProcessJson(['copy', 'done', '--at', at('from'), '--to', at('other')])
    expect(other).toMatchObject({ code: 4, json: { error: { code: 'RUN_MISMATCH', details: { index: 0 } } } })
  }, 60_000)
})

async function receiptsOf(adapter: Awaited<ReturnType<typeof openFiles>>) {
  const { acceptedReceipts, runIdSchema } = await import('@reprise/core')
  const all = []
  for await (const receipt of acceptedReceipts(adapter.log, runIdSchema.parse('done'))) all.push(receipt)
  return all
}

describe('reprise export and import', () => {
  it('write a log and take it in again, through a pipe, a file, packed or not', async () => {
    const log = await logOf(at('from'))
    const piped = await reprise(['export', 'done', '--at', at('from')])
    expect([piped.code, piped.stdout]).toEqual([0, log])
    expect(piped.stderr).toContain('exported  to standard output')
    for (const [name, ...more] of [['a.jsonl'], ['b.jsonl.gz', '--gzip']] as const) {
      const exported = await inProcessJson(['export', 'done', '--at', at('from'), '-o', at(name), ...more])
      expect(exported.json).toMatchObject({ runId: 'done', open: false, file: at(name), bytes: Buffer.byteLength(log) })
      const bytes = await readFile(at(name))
      expect((more.length > 0 ? gunzipSync(bytes) : bytes).toString()).toBe(log)
      const imported = await inProcessJson(['import', at(name), '--at', at('in', name)])
      expect(imported.json).toMatchObject({ runId: 'done', appended: exported.json.commits })
      expect(await logOf(at('in', name))).toBe(log)
    }
    const typed = await inProcessJson(['import', '-', '--at', at('in', 'stdin')], { input: log })
    expect([typed.code, await logOf(at('in', 'stdin'))]).toEqual([0, log])
    const pipe = at('pipe')
    execFileSync('mkfifo', [pipe])
    const [fromPipe] = await Promise.all([
      inProcessJson(['import', pipe, '--at', at('in', 'pipe')]),
      writeFile(pipe, log),
    ])
    expect([fromPipe.code, await logOf(at('in', 'pipe'))]).toEqual([0, log])
    expect((await readdir(folder)).filter((name) => name.includes('draft'))).toEqual([])
  }, 60_000)

  it('say what is wrong with a file, and make nothing for one that is no log', async () => {
    const log = await logOf(at('from'))
    await writeFile(at('other.jsonl'), '{"level":30,"msg":"hi"}\n')
    await writeFile(at('flipped.jsonl'), log.replace('count every line', 'count other line'))
    await writeFile(at('open.jsonl'), await logOf(at('from'), 'going-on'))
    const take = (name: string) => inProcessJson(['import', at(name), '--at', at('untouched')])
    expect(await take('other.jsonl')).toMatchObject({ code: 2, json: { error: { code: 'INVALID_INPUT' } } })
    expect(await take('flipped.jsonl')).toMatchObject({
      code: 1,
      json: { error: { code: 'LOG_CORRUPT', details: { line: 1 } } },
    })
    expect(await take('nothing.jsonl')).toMatchObject({ code: 3, json: { error: { code: 'ENOENT' } } })
    expect(await take('')).toMatchObject({ code: 2, json: { error: { code: 'EISDIR' } } })
    expect(await readdir(folder)).not.toContain('untouched')
    expect(await take('open.jsonl')).toMatchObject({ code: 4, json: { error: { code: 'RUN_OPEN' } } })
    expect(await inProcessJson(['export', 'done', '--at', at('from'), '-o', at('other.jsonl', 'x')])).toMatchObject({
      code: 4,
    })
  })
})

describe('reprise archive', () => {
  it('packs a run that has ended and removes it; import brings it back', async () => {
    await makeRun(at('old'), 'done', { end: 'fail' })
    await makeRun(at('old'), 'open', { tasks: 1, end: 'no' })
    const log = await logOf(at('old'))
    const archive = (runId: string) => inProcessJson(['archive', runId, '--at', at('old'), '--to', at('archive')])
    const path = at('archive', 'done.jsonl.gz')
    expect(await archive('done')).toMatchObject({ code: 0, json: { path, already: false, open: false } })
    expect(gunzipSync(await readFile(path)).toString()).toBe(log)
    expect(await inProcess(['status', 'done', '--at', at('old')])).toMatchObject({ code: 3 })
    expect(await archive('done')).toMatchObject({ code: 0, json: { already: true } })
    expect(await archive('open')).toMatchObject({ code: 4, json: { error: { code: 'RUN_OPEN' } } })
    expect(await archive('nobody')).toMatchObject({ code: 3 })
    expect(await inProcessJson(['import', path, '--at', at('old')])).toMatchObject({ code: 0 })
    expect(await logOf(at('old'))).toBe(log)
    const { json } = await inProcessJson(['runs', '--status', 'failed', '--at', at('old')])
    expect(json).toMatchObject({ runId: 'done', source: 'summary' })
  }, 60_000)
})

describe('reprise fork', () => {
  it('makes a run of its own from any version, which goes on to its end', async () => {
    const before = await logOf(at('from'))
    const forked = await inProcessJson(['fork', 'done@5', 'second-try', '--at', at('from')])
    expect(forked).toMatchObject({ code: 0, json: { from: { runId: 'done', version: 5 }, already: false } })
    expect((await logOf(at('from'), 'second-try')).startsWith(`${before.split('\n')[0]}\n`)).toBe(true)
    const adapter = await openFiles({ dir: at('from') })
    const run = await openRun({ adapter, runId: 'second-try' })
    await run.fail('enough')
    await run.close()
    await adapter.close()
    expect(await logOf(at('from'))).toBe(before)
    expect(await inProcessJson(['fork', 'done@5', 'second-try', '--at', at('from')])).toMatchObject({
      json: { already: true },
    })
    expect((await inProcess(['status', 'second-try', '--at', at('from')])).stdout).toContain('failed')
  }, 60_000)

  it('is refused for a version, a run or a name that cannot be', async () => {
    const fork = (place: string, to: string) => inProcessJson(['fork', place, to, '--at', at('from')])
    expect(await fork('done@9999', 'x')).toMatchObject({ code: 3, json: { error: { code: 'VERSION_UNKNOWN' } } })
    expect(await fork('nobody@5', 'x')).toMatchObject({ code: 3, json: { error: { code: 'NOT_FOUND' } } })
    expect(await fork('done@0', 'x')).toMatchObject({ code: 2 })
    expect(await fork('done@5', '../x')).toMatchObject({ code: 2 })
    expect(await fork('done@5', 'going-on')).toMatchObject({ code: 4, json: { error: { code: 'RUN_MISMATCH' } } })
  })
})
