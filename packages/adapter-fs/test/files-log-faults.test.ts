import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CommitRecord } from '@reprise/core/adapter'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { tornMark } from '../src/append-file.js'
import { FilesLog } from '../src/files-log.js'
import { Lifetime } from '../src/lifetime.js'
import { startChild } from './child.js'
import { isHistory, readAll, recordAfter, runId, temporaryFolders } from './history.js'
import { requireStrace } from './strace.js'

const newFolder = temporaryFolders()
const run = runId('run')
const script = './append-records.mjs'
const logPath = (dir: string) => join(dir, 'runs', 'run', 'log.jsonl')
const openLogs: FilesLog[] = []
function openLog(dir: string): FilesLog {
  const log = new FilesLog(dir, new Lifetime())
  openLogs.push(log)
  return log
}

beforeAll(requireStrace, 120_000)

afterEach(async () => {
  for (const log of openLogs.splice(0)) await log.close()
})

/** Hashes of the records that the child was told are durable. */
const acknowledged = (lines: readonly string[]) =>
  lines.filter((line) => line.includes(' ok ')).map((line) => line.split(' ')[2])

async function storedHashes(dir: string): Promise<string[]> {
  const texts = await readAll(openLog(dir), run)
  expect(isHistory(texts)).toBe(true)
  return texts.map((text) => (JSON.parse(text) as { hash: string }).hash)
}

/** What must hold after any fault: acknowledged commits are there, in order, and the log can be gone on with. */
async function expectSound(dir: string, lines: readonly string[]): Promise<void> {
  const stored = await storedHashes(dir)
  const known = acknowledged(lines)
  expect(stored.slice(0, known.length)).toEqual(known)
  const [last] = (await readAll(openLog(dir), run)).slice(-1)
  const { hash, commit } = JSON.parse(last ?? 'null') as { hash: string; commit: { index: number } }
  await openLog(dir).append(run, recordAfter({ index: commit.index, hash, text: '' }, 'next'))
  expect(await storedHashes(dir)).toHaveLength(stored.length + 1)
}

/** Appends until the log holds `count` commits, and returns the hashes of those it added. */
async function goOn(dir: string, count: number): Promise<string[]> {
  const log = openLog(dir)
  const head = await log.head(run)
  const added: CommitRecord[] = []
  let last: CommitRecord | null = head === null ? null : { ...head, text: '' }
  while ((last?.index ?? -1) < count - 1) {
    last = recordAfter(last, 'heir')
    await log.append(run, last)
    added.push(last)
  }
  return added.map(({ hash }) => hash)
}

describe('a disk that is full', () => {
  it('takes what it can, and the log acknowledges nothing that it did not take whole', async () => {
    const dir = await newFolder()
    // A limit on the size of files cuts a write short and refuses the next, as a full disk does, and needs no rights.
    const wrapper = ['sh', '-c', 'ulimit -f 8; exec "$@"', 'sh']
    const lines = await startChild(script, [dir, 'run', 'a', '100', 'stop-at-failure', '700'], wrapper).ended
    expect(lines.slice(-2).map((line) => line.split(' ')[1])).toEqual(['ADAPTER_UNAVAILABLE', 'ADAPTER_UNAVAILABLE'])
    expect(lines.length).toBeGreaterThan(3)
    expect(readFileSync(logPath(dir)).at(-1)).not.toBe(0x0a)
    await expectSound(dir, lines)
  })

  it('gives way again: a process goes on behind the torn line that it left', async () => {
    const dir = await newFolder()
    const wrapper = ['sh', '-c', 'ulimit -S -f 8; exec "$@"', 'sh']
    const child = startChild(script, [dir, 'run', 'a', '40', 'try-again', '700'], wrapper)
    await child.saw('full')
    execFileSync('prlimit', [`--pid=${child.process.pid}`, '--fsize=unlimited'])
    const lines = await child.ended
    const stored = await storedHashes(dir)
    expect(stored).toHaveLength(40)
    expect(acknowledged(lines)).toEqual(stored)
    expect(readFileSync(logPath(dir), 'utf8')).toContain(`${tornMark}\n`)
  })
})

describe('a disk that fails to sync', () => {
  it('gets no acknowledgement out of the log, nor a second try, until the log is read anew', async () => {
    const dir = await newFolder()
    const wrapper = ['strace', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=fdatasync']
    const inject = ['-e', 'inject=fdatasync:error=EIO:when=5']
    const lines = await startChild(script, [dir, 'run', 'a', '100', 'stop-at-failure'], [...wrapper, ...inject]).ended
    expect(lines.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
      '0 ok',
      '1 ok',
      '2 ok',
      '3 ok',
      '4 SYNC_FAILED',
      '4 SYNC_FAILED',
    ])
    await expectSound(dir, lines)
  })

  it('may be tried again after reading the log anew, and what was in doubt is written again', async () => {
    const dir = await newFolder()
    const trace = join(dir, 'trace')
    const wrapper = ['strace', '-f', '-qq', '-s', '0', '-o', trace, '-e', 'trace=fdatasync,pwrite64']
    const inject = ['-e', 'inject=fdatasync:error=EIO:when=3']
    const lines = await startChild(script, [dir, 'run', 'a', '5'], [...wrapper, ...inject]).ended
    expect(lines.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
      '0 ok',
      '1 ok',
      '2 SYNC_FAILED',
      '3 ok',
      '4 ok',
    ])
    const calls = readFileSync(trace, 'utf8').match(/fdatasync\(.*EIO|pwrite64|fdatasync/g) ?? []
    const failedAt = calls.findIndex((call) => call.includes('EIO'))
    expect(calls.slice(failedAt + 1, failedAt + 3)).toEqual(['pwrite64', 'fdatasync'])
    expect(await storedHashes(dir)).toHaveLength(5)
  })
})

describe('a process that is killed', { timeout: 60_000 }, () => {
  it('leaves a sound log, whichever system call on the way of an append was its last', async () => {
    let killed = 0
    for (const call of ['openat', 'write', 'pwrite64', 'fdatasync', 'fsync']) {
      for (const when of [1, 3]) {
        const dir = await newFolder()
        const wrapper = ['strace', '-f', '-qq', '-o', '/dev/null', '-P', logPath(dir), '-P', join(dir, 'runs')]
        const inject = ['-e', `inject=${call}:signal=SIGKILL:when=${when}`]
        const child = startChild(script, [dir, 'run', 'a', '6'], [...wrapper, ...inject])
        await child.ended.catch(() => {
          killed++
        })
        const known = [...acknowledged(child.lines), ...(await goOn(dir, 6))]
        const stored = await storedHashes(dir)
        expect([call, when, stored.length, known.filter((hash) => !stored.includes(hash ?? ''))]).toEqual([
          call,
          when,
          6,
          [],
        ])
      }
    }
    // Some of the calls are not made so often.
    expect(killed).toBeGreaterThanOrEqual(6)
  })
})

describe('many processes', { timeout: 60_000 }, () => {
  it('append at once and make one history, in which every acknowledged commit is', async () => {
    const dir = await newFolder()
    const writers = Array.from({ length: 8 }, (_, i) => startChild(script, [dir, 'run', `writer-${i}`, '120']))
    const outcomes = await Promise.all(writers.map((writer) => writer.ended))
    const stored = await storedHashes(dir)
    expect(stored).toHaveLength(120)
    const known = outcomes.flatMap(acknowledged)
    expect([...known].sort()).toEqual([...stored].sort())
    for (const line of outcomes.flat()) expect(line).toMatch(/ ok | VERSION_CONFLICT$/)
  })

  it('fence off one that was stopped and wakes up after another has gone on', async () => {
    const dir = await newFolder()
    const zombie = startChild(script, [dir, 'run', 'zombie', '0', 'zombie'])
    await zombie.saw('ready')
    const heir = await startChild(script, [dir, 'run', 'heir', '5']).ended
    expect(acknowledged(heir)).toHaveLength(4)
    // It says that it is ready before it stops: woken too early, it would sleep for ever.
    const waking = setInterval(() => zombie.process.kill('SIGCONT'), 20)
    const lines = await zombie.ended.finally(() => clearInterval(waking))
    expect(lines.at(-1)).toBe('1 VERSION_CONFLICT')
    expect((await storedHashes(dir)).slice(1)).toEqual(acknowledged(heir))
  })
})
