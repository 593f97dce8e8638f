import { createHash } from 'node:crypto'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { openFiles } from '@reprise/adapter-fs'
import { openRun } from '@reprise/core'
import { diffRun, invariantNames, loadRunAt, runStateSchema, stateDiffSchema, stateJson } from '@reprise/core/replay'
import { memoryAdapter } from '@reprise/core/testing'
import { TestFolders } from '@reprise/test-fleet'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bisectSchema } from '../src/commands/bisect-schema.js'
import { shownSchema } from '../src/commands/show-schema.js'
import { displayWidth } from '../src/output/display-width.js'
import { appendLines, goldenId, goldenLines } from './golden-run.js'
import { reprise, repriseJson } from './reprise.js'

const folders = new TestFolders()
const memory = memoryAdapter()
let at = ''
let bytesBefore: string[] = []

beforeAll(async () => {
  at = await folders.make()
  const files = await openFiles({ dir: at })
  for (const adapter of [files, memory]) await appendLines(adapter, goldenLines())
  const other = await openRun({ adapter: files, runId: 'job@7', goal: 'an id that looks like a place' })
  await other.close()
  await files.close()
  bytesBefore = await bytesOf(at)
})
afterAll(() => folders.removeAll())

const run = (...args: string[]) => reprise([...args, '--at', at])
const runJson = (...args: string[]) => repriseJson([...args, '--at', at])
const stateAt = async (version: number) => stateJson((await loadRunAt(memory.log, goldenId, { version })).state)

/** Every file of the folder with its bytes. */
async function bytesOf(folder: string): Promise<string[]> {
  const names = (await readdir(folder, { recursive: true })).sort()
  const lines = names.map(async (name) => {
    const path = join(folder, name)
    if (!(await stat(path)).isFile()) return name
    return `${name} ${createHash('sha256')
      .update(await readFile(path))
      .digest('hex')}`
  })
  return await Promise.all(lines)
}

describe('reprise show', () => {
  it('gives as JSON the whole state at a version inside a commit, which is the one of the library', async () => {
    const { code, json } = await runJson('show', 'run-1@6')
    expect(code).toBe(0)
    expect(shownSchema.strict().safeParse(json).error).toBe(undefined)
    expect(runStateSchema.strict().safeParse(json.state).error).toBe(undefined)
    expect(json.state).toEqual(await stateAt(6))
    expect(json).toMatchObject({ runId: 'run-1', version: 6, commit: { index: 2, folded: 2, events: 5 }, task: null })
  })

  it('shows a page in text, the same at every width but for what is cut, with every value escaped', async () => {
    const { code, stdout, stderr } = await run('show', 'run-1@-1')
    expect([code, stderr]).toEqual([0, ''])
    await expect(stdout).toMatchFileSnapshot('golden/show.txt')
    const narrow = await reprise(['show', 'run-1@-1', '--at', at, '--color', 'always'], { env: { COLUMNS: '40' } })
    const lines = stripVTControlCharacters(narrow.stdout).split('\n')
    // A word that is longer than a line is not broken.
    const isLong = (line: string) => displayWidth(line) > 40 && line.trim().includes(' ')
    expect(lines.filter((line) => isLong(line.slice(12)))).toEqual([])
    expect(narrow.stdout).toContain('\u001b[1mrun-1\u001b[22m')
  })

  it('shows one task, and knows which is not there', async () => {
    const open = await runJson('show', 'run-1@20', '--task', 'ä €/😀')
    expect(open.json).toMatchObject({
      state: null,
      task: { taskId: 'ä €/😀', open: { phase: 'planned', attempt: 1 }, settled: null },
    })
    const none = await runJson('show', 'run-1@2', '--task', 'a')
    expect([none.code, none.json.error.code]).toEqual([3, 'NOT_FOUND'])
  })

  it.each([
    ['run-1@9999', 'VERSION_UNKNOWN', 'has no version 9999: its log has'],
    ['job@7', 'NOT_FOUND', 'If the id of the run is job@7, write job@7@HEAD.'],
  ])('ends with 3 for %s, and says what there is', async (place, errorCode, says) => {
    const { code, json, stderr } = await runJson('show', place)
    expect([code, json.error.code]).toEqual([3, errorCode])
    expect(json.error.message).toContain(says)
    expect(stderr).toContain(says)
  })

  it('shows the run whose id looks like a place, at a time', async () => {
    const { code, json } = await runJson('show', 'job@7@2999-01-01T00:00:00Z')
    expect([code, json.runId, json.state.goal]).toEqual([0, 'job@7', 'an id that looks like a place'])
  })
})

describe('reprise diff', () => {
  it('gives as JSON what the library finds between two places, -N among them', async () => {
    const { code, json } = await runJson('diff', 'run-1', '-30', '12', '--list', '1')
    const expected = await diffRun(memory.log, goldenId, { back: 30 }, { version: 12 }, { listedMax: 1 })
    expect([code, json]).toEqual([0, expected])
    expect(stateDiffSchema.strict().safeParse(json).error).toBe(undefined)
  })

  it('tells it in text, up to the head if no other place is named', async () => {
    const { code, stdout } = await run('diff', 'run-1', '5')
    expect(code).toBe(0)
    await expect(stdout).toMatchFileSnapshot('golden/diff.txt')
  })

  it('ends with 3 for a run that is not there', async () => {
    expect((await run('diff', 'run-9', '1')).code).toBe(3)
  })
})

describe('reprise bisect', () => {
  it('ends with 1 at the first event at which a condition holds, and says how to look further', async () => {
    const { code, stdout, stderr } = await run('bisect', 'run-1', '--when', 'status == "blocked"')
    expect([code, stderr]).toEqual([1, ''])
    await expect(stdout).toMatchFileSnapshot('golden/bisect.txt')
    const version = Number(/event (\d+) of run-1/.exec(stdout)?.[1])
    expect((await stateAt(version)).status).toBe('blocked')
    expect((await stateAt(version - 1)).status).toBe('awaiting-result')
  })

  it('ends with 0 if it never holds, with the events at which it asked for what was not there', async () => {
    const { code, json } = await runJson('bisect', 'run-1', '--when', 'tasks["nobody"].attempt > 1')
    const { version } = (await loadRunAt(memory.log, goldenId, { back: 0 })).state
    expect([code, json.found, json.events]).toEqual([0, null, version])
    expect(json.absent).toEqual({ events: version, first: { version: 1, what: 'No such key: nobody' } })
    expect(bisectSchema.strict().safeParse(json).error).toBe(undefined)
  })

  it('finds every invariant kept in a log of the library, and the one that a log breaks whose hashes are right', async () => {
    const kept = await runJson('bisect', 'run-1', '--invariant', 'all')
    expect([kept.code, kept.json.found]).toEqual([0, null])
    expect(kept.json.invariants.map(({ name }: { name: string }) => name)).toEqual(invariantNames)
    const broken = await folders.make()
    const files = await openFiles({ dir: broken })
    await appendLines(files, [...goldenLines('v1').slice(0, 5), ...(await forged(goldenLines('v1').slice(0, 5)))])
    await files.close()
    const found = await repriseJson(['bisect', 'run-1', '--invariant', 'all', '--at', broken])
    expect(found.code).toBe(1)
    expect(bisectSchema.strict().safeParse(found.json).error).toBe(undefined)
    expect(found.json.found).toMatchObject({
      ...{ index: 5, type: 'task-accepted', after: null },
      broken: { invariant: 'task-taken-in-once', problem: 'task nobody is not in the run' },
    })
  })

  it.each([
    [['run-1', '--when', 'true', '--invariant', 'all'], 'either --when EXPRESSION or --invariant NAME'],
    [['run-1', '--when', 'status == "\u001b[31m" +'], '>    1 | status == "\\u{1b}[31m" +'],
  ])('ends with 2 for %j', async (args, says) => {
    const { code, stdout, stderr } = await run('bisect', ...args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(says)
  })

  it('lists the invariants, each with what it says', async () => {
    const { code, stdout } = await run('bisect', '--list-invariants')
    expect(code).toBe(0)
    for (const name of invariantNames) expect(stdout).toContain(`${name}\n`)
  })
})

describe('looking back', () => {
  it('names the first bad commit, and shows what comes before it', async () => {
    const damaged = await folders.make()
    const files = await openFiles({ dir: damaged })
    await appendLines(files, goldenLines())
    await files.close()
    const path = join(damaged, 'runs', 'run-1', 'log.jsonl')
    const lines = (await readFile(path, 'utf8')).split('\n')
    const before = JSON.parse(goldenLines()[6] ?? '').commit.version as number
    lines[7] = lines[7]?.replace('"v":1', '"v":9') ?? ''
    await writeFile(path, lines.join('\n'))
    expect((await repriseJson(['show', `run-1@${before}`, '--at', damaged])).json.state).toEqual(await stateAt(before))
    for (const args of [
      ['show', 'run-1'],
      ['bisect', 'run-1', '--when', 'false'],
    ]) {
      const { code, json } = await repriseJson([...args, '--at', damaged])
      expect([args, code, json.error]).toMatchObject([args, 1, { code: 'LOG_CORRUPT' }])
      expect(json.error.message).toMatch(/commit 7/i)
    }
  })

  // After all of the above.
  it('has changed nothing in the folder', async () => {
    expect(await bytesOf(at)).toEqual(bytesBefore)
  })
})

/** One more commit behind these, with a right hash, about a task that is not there. */
async function forged(lines: readonly string[]): Promise<string[]> {
  const { encodeCommit } = await import('@reprise/core/testing')
  const { commit, hash } = JSON.parse(lines.at(-1) ?? '')
  const header = { ...commit, index: commit.index + 1, version: commit.version + 1, prev: hash }
  const event = { type: 'task-accepted', v: 1, data: { taskId: 'nobody', attempt: 1 } }
  return [encodeCommit(header, [JSON.stringify(event)]).text]
}
