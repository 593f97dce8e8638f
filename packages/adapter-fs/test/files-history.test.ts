import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { policySchema } from '@reprise/core'
import type { CommitRecord } from '@reprise/core/adapter'
import { diffRun, loadRunAt } from '@reprise/core/replay'
import { encodeCommit, genesisHash } from '@reprise/core/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { codeOf, fileOf, runId, temporaryFolders } from './history.js'
import { logPath } from './log-file.js'
import { openedFolders } from './opened-folders.js'

const newFolder = temporaryFolders('in-memory')
const run = runId('long')
const open = openedFolders()

/** 60,000 events in commits of ten, planned tasks and notes, some of which cancel a task. */
function longLog(word: string): CommitRecord[] {
  const records: CommitRecord[] = []
  let version = 0
  const commit = (events: readonly object[]) => {
    version += events.length
    const [index, prev] = [records.length, records.at(-1)?.hash ?? genesisHash]
    const header = { index, version, epoch: 2, at: '2030-01-01T00:00:00.000Z', actor: 'test', prev }
    records.push(
      encodeCommit(
        header,
        events.map((event) => JSON.stringify(event)),
      ),
    )
  }
  const event = (type: string, data: object) => ({ type, v: 1, data })
  const holder = { id: 'coordinator:test:1:0', host: 'test', pid: 1 }
  const opening = { runId: run, goal: word, successCriteria: [], policy: policySchema.parse({ tasksMax: 100_000 }) }
  commit([event('run-opened', opening), event('lock-acquired', { holder, reason: 'opened' })])
  for (let n = 0; version < 60_000; n++) {
    const taskId = `task-${n}`
    const task = { taskId, kind: 'k', input: n, lane: 'default', priority: 5, after: [], depth: 0 }
    const notes = Array.from({ length: 8 }, (_, i) => event('note-added', { text: `${word} ${n} ${i}` }))
    const planned = event('planned', { taskId, attempt: 1, why: 'paused', task })
    const end = n % 3 === 0 ? event('note-added', { text: 'kept' }) : event('task-cancelled', { taskId, reason: word })
    commit([planned, ...notes, end])
  }
  return records
}

let records: CommitRecord[] = []
let other: CommitRecord[] = []
beforeAll(() => {
  records = longLog('one')
  other = longLog('two')
})

async function folderWith(log: readonly CommitRecord[]): Promise<string> {
  const dir = await newFolder()
  mkdirSync(join(dir, 'runs', run), { recursive: true })
  writeFileSync(logPath(dir, run), fileOf(log))
  return dir
}

const lookBack = async (dir: string, version: number) => {
  const { log, snapshots, history } = await open(dir)
  return loadRunAt(log, run, { version }, { snapshots, history })
}

const keptIn = (dir: string) =>
  readdirSync(join(dir, 'runs', run, 'history'))
    .map(Number)
    .sort((a, b) => a - b)

describe('states that are kept while looking back', () => {
  it('give the same state at every version as the whole log, and are begun with', async () => {
    const dir = await folderWith(records)
    const first = await lookBack(dir, 59_990)
    expect(first.basis.snapshotVersion).toBe(0)
    const kept = keptIn(dir)
    expect(kept).toHaveLength(3)
    for (const version of [...kept, ...kept.map((each) => each - 1), ...kept.map((each) => each + 7), 59_990, 60_001]) {
      const { log } = await open(dir)
      const whole = await loadRunAt(log, run, { version })
      const near = await lookBack(dir, version)
      expect(near.state).toEqual(whole.state)
      expect(near.last).toEqual(whole.last)
      expect(near.basis.snapshotVersion).toBe(kept.findLast((each) => each <= version) ?? 0)
    }
    expect(keptIn(dir)).toEqual(kept)
  })

  it('give the same differences as the whole log, and are begun with', async () => {
    const dir = await folderWith(records)
    await lookBack(dir, 59_990)
    const [early = 0, , late = 0] = keptIn(dir)
    for (const [a, b] of [
      [early - 5, late + 7],
      [early, early],
      [late, late + 3],
      [59_000, 10],
    ] as const) {
      const { log, snapshots, history } = await open(dir)
      const whole = await diffRun(log, run, { version: a }, { version: b })
      expect(await diffRun(log, run, { version: a }, { version: b }, { snapshots, history })).toEqual(whole)
    }
    const bytes = readFileSync(logPath(dir, run))
    bytes.fill('#', 0, 100)
    writeFileSync(logPath(dir, run), bytes)
    const { log, history } = await open(dir)
    const near = await diffRun(log, run, { version: late + 1 }, { version: late + 30 }, { history })
    expect(near.events?.total).toBe(29)
    expect(await codeOf(() => diffRun(log, run, { version: 1 }, { version: 30 }, { history }))).toBe('LOG_CORRUPT')
  })

  it('spare the log in front of them', async () => {
    const dir = await folderWith(records)
    await lookBack(dir, 59_000)
    const [kept = 0] = keptIn(dir).slice(-1)
    const bytes = readFileSync(logPath(dir, run))
    bytes.fill('#', 0, 100)
    writeFileSync(logPath(dir, run), bytes)
    expect((await lookBack(dir, kept + 5)).state.version).toBe(kept + 5)
    expect(await codeOf(() => lookBack(dir, 100))).toBe('LOG_CORRUPT')
  })

  it('spare the log in front of them also where the newest state is kept as well', async () => {
    const dir = await folderWith(records)
    await lookBack(dir, 59_990)
    const [early = 0, late = 0] = keptIn(dir)
    const folder = join(dir, 'runs', run)
    copyFileSync(join(folder, 'history', String(late)), join(folder, 'snapshot'))
    const bytes = readFileSync(logPath(dir, run))
    bytes.fill('#', 0, 100)
    writeFileSync(logPath(dir, run), bytes)
    expect((await lookBack(dir, early + 5)).state.version).toBe(early + 5)
    const { log, snapshots, history } = await open(dir)
    for (const version of [late + 5, early + 5]) {
      expect((await loadRunAt(log, run, { version }, { snapshots, history })).basis.snapshotVersion).toBe(version - 5)
    }
  })

  it('are begun with where another version of the library has left the newest state', async () => {
    const dir = await folderWith(records)
    await lookBack(dir, 59_990)
    const [late = 0] = keptIn(dir).slice(-1)
    const folder = join(dir, 'runs', run)
    const ours = readFileSync(join(folder, 'history', String(late)), 'utf8')
    const other = ours.replace(/"state":\d+/, '"state":0')
    expect(other).not.toBe(ours)
    writeFileSync(join(folder, 'snapshot'), other)
    for (const version of [late, late + 5]) {
      expect((await lookBack(dir, version)).basis).toMatchObject({ snapshotVersion: late, dropped: null })
    }
  })

  it('are left aside, and it is said why, if the log is another or they are damaged', async () => {
    const dir = await folderWith(records)
    await lookBack(dir, 59_000)
    writeFileSync(logPath(dir, run), fileOf(other))
    const rewritten = await lookBack(dir, 59_000)
    expect(rewritten.state.goal).toBe('two')
    expect(rewritten.basis).toMatchObject({ snapshotVersion: 0, dropped: expect.stringContaining('is another') })
    const path = join(dir, 'runs', run, 'history', String(keptIn(dir).at(-1)))
    writeFileSync(path, readFileSync(path, 'utf8').replace('"two', '"2wo'))
    const damaged = await lookBack(dir, 59_000)
    expect(damaged.state.goal).toBe('two')
    expect(damaged.basis).toMatchObject({ snapshotVersion: 0, dropped: expect.stringContaining('digest') })
  })

  it('are not needed: where none can be kept, looking back is only slower', async () => {
    const dir = await folderWith(records)
    writeFileSync(join(dir, 'runs', run, 'history'), 'in the way')
    expect((await lookBack(dir, 59_000)).state.version).toBe(59_000)
  })

  it('are whole or not there, and go with their run', async () => {
    const dir = await folderWith(records)
    const adapter = await open(dir)
    async function* broken() {
      yield 'half'
      throw new Error('the writer stops here')
    }
    await expect(adapter.history.keep(run, { commits: 1, version: 2 }, broken())).rejects.toThrow('stops here')
    expect(await adapter.history.versions(run)).toEqual([])
    const unknown = runId('unknown')
    expect(await adapter.history.versions(unknown)).toEqual([])
    expect(await codeOf(() => adapter.history.keep(unknown, { commits: 1, version: 2 }, broken()))).toBe('RUN_UNKNOWN')
    expect(readdirSync(join(dir, 'runs'))).toEqual([run])
  })
})
