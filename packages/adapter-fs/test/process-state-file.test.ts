import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadRun, openRun, type RunId, readStateFile } from '@reprise/core'
import { acceptedTasks, dataOf, echoTasks, finishRun, logFacts, startEchoWorker } from '@reprise/test-fleet'
import { expect, it, vi } from 'vitest'
import { openFiles } from '../src/index.js'
import { sweep } from './fault-sweep.js'
import { setUpProcesses } from './process-set-up.js'
import { type Injection, oneThread, strace } from './strace.js'
import { tinyDisk } from './tiny-disk.js'

const { fleet, folders, disks } = setUpProcesses()

const runId = 'state-run'
const tasks = echoTasks(3)

/** A run that keeps its state file beside its log. */
async function workWithFile() {
  const dir = await folders.make()
  const folder = join(dir, 'docs')
  const path = join(folder, 'state.md')
  return { dir, folder, path, place: { files: dir }, run: { runId, goal: 'survive', stateFile: path }, tasks }
}

async function said(path: string) {
  const text = await readFile(path, 'utf8').catch(() => null)
  const state = text === null ? null : readStateFile(text)
  if (text !== null) expect(state).toMatchObject({ runId, intact: true })
  return state
}

/** 0: the run is not open yet. */
async function versionOf(dir: string): Promise<number> {
  const adapter = await openFiles({ dir })
  const { state } = await loadRun(adapter.log, runId as RunId)
  await adapter.close()
  return state.version
}

/** Kills a coordinator right before one of its calls, of those on the folder or of all; another one goes on. */
async function killedAt(call: Injection['call'], of: 'folder' | 'any', step: number) {
  const work = await workWithFile()
  const only = of === 'any' ? {} : { path: work.folder }
  const worker = await startEchoWorker(work.place)
  const killed = fleet.start('coordinator', work, {
    through: strace({ call, does: 'signal=SIGKILL', when: step, ...only }),
    env: oneThread,
  })
  const end = await killed.end()
  const left = await said(work.path)
  const logged = await versionOf(work.dir)
  await finishRun(work)
  await worker.close()

  const facts = await logFacts(work.place, runId)
  expect(acceptedTasks(facts)).toEqual(tasks.map(({ taskId }) => taskId))
  expect(await said(work.path), `${call} ${step}`).toMatchObject({ version: facts.commits.at(-1)?.version })
  // Neither a draft is left nor anything kept aside: nobody has edited.
  expect(await readdir(work.folder)).toEqual(['state.md'])
  const { corrections } = dataOf(facts, 'resumed').at(-1) ?? {}
  if (end === 'SIGKILL' && facts.epochs.length > 1 && left?.version !== logged) {
    expect(corrections).toEqual([
      expect.stringMatching(left === null ? 'was missing' : `was of version ${left.version}`),
    ])
  }
  expect(end).toSatisfy((code) => code === 'SIGKILL' || code === 0)
  return end === 'SIGKILL' ? ('hit' as const) : ('past the end' as const)
}

it.each([
  ['with an empty draft', 'fchmod', 'any'],
  ['with a finished draft', 'rename', 'any'],
  ['right behind its new file', 'getdents64', 'folder'],
] as const)(
  'is whole and made right by the next coordinator, without leftovers, when one is killed %s',
  async (_, call, of) => {
    expect(await sweep((step) => killedAt(call, of, step))).toBeGreaterThan(1)
  },
  120_000,
)

it('stays that of its successor when a coordinator was stopped between looking and putting its own in place', async () => {
  const work = await workWithFile()
  const trace = join(await folders.make(), 'trace')
  // It looks a third time right before the rename of its second write.
  const stop = strace({ call: 'close', does: 'signal=SIGSTOP', when: 3, path: work.path, trace })
  const first = fleet.start('coordinator', { ...work, finish: false }, { through: stop, env: oneThread })
  await vi.waitUntil(async () => (await readFile(trace, 'utf8').catch(() => '')).includes('stopped by SIGSTOP'), {
    timeout: 30_000,
  })
  const drafts = async () => (await readdir(work.folder)).filter((name) => name.includes('.draft-'))
  expect(await drafts()).toHaveLength(1)

  const adapter = await openFiles({ dir: work.dir })
  const run = await openRun({ adapter, ...work.run, takeover: 'now' })
  await run.note('taken over')
  await run.close()
  await adapter.close()
  const text = await readFile(work.path, 'utf8')
  expect(text).toContain('taken over')
  expect(await drafts()).toEqual([])

  first.signal('SIGCONT')
  expect((await first.line('stopped')).stopped).toBe('LOCK_LOST')
  first.tell({ note: 'still there?' })
  expect(await first.end()).toBe(3)
  expect(await readFile(work.path, 'utf8')).toBe(text)
  expect(await readdir(work.folder)).toEqual(['state.md'])
})

it('refuses to complete while its disk is full, and does when there is space again', async (context) => {
  const disk = await tinyDisk(await folders.make(), 64 * 1024)
  disks.push(disk)
  context.skip(disk.left === null, 'without a disk of our own the log would meet the limit as well')
  const adapter = await openFiles({ dir: await folders.make() })
  const path = join(disk.dir, 'state.md')
  const run = await openRun({ adapter, runId, goal: 'survive', stateFile: path })
  const before = await said(path)
  await writeFile(join(disk.dir, 'filler'), Buffer.alloc((await disk.left?.()) ?? 0))
  const failures: unknown[] = []
  run.on('transport-failed', (error) => failures.push(error))
  await run.note('the log has a disk of its own')
  await expect(run.complete('done')).rejects.toMatchObject({
    code: 'STATE_FILE_FAILED',
    message: expect.stringMatching(/ENOSPC.*the space on its disk/),
  })
  await vi.waitUntil(() => failures.length > 0, { timeout: 30_000 })
  expect(failures[0]).toMatchObject({ code: 'STATE_FILE_FAILED' })
  // Neither half a file nor a draft of one.
  expect(await said(path)).toEqual(before)
  expect((await readdir(disk.dir)).sort()).toEqual(['filler', 'state.md'])

  await disk.free()
  const { checklist } = await run.complete('done')
  expect(checklist.at(-1)?.evidence).toContain(path)
  expect(await said(path)).toMatchObject({ version: run.status.version })
  await run.close()
  await adapter.close()
})

it.each([
  ['a folder', 'EISDIR', (path: string) => mkdir(path, { recursive: true })],
  ['below a file', 'ENOTDIR', (path: string) => writeFile(join(path, '..'), '')],
] as const)('fails its gate, naming path and reason, when the path is %s', async (_, code, spoil) => {
  const dir = await folders.make()
  const path = join(dir, 'docs', 'state.md')
  await spoil(path)
  const adapter = await openFiles({ dir: join(dir, 'log') })
  await expect(openRun({ adapter, runId, goal: 'survive', stateFile: path })).rejects.toMatchObject({
    code: 'STATE_FILE_FAILED',
    message: expect.stringMatching(new RegExp(`${path} of run ${runId}.*${code}`)),
  })
  await adapter.close()
})
