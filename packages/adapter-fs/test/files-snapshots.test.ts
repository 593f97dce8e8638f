import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { openRun } from '@reprise/core'
import { type CommitRecord, isRepriseError } from '@reprise/core/adapter'
import { beforeAll, describe, expect, it } from 'vitest'
import type { FilesAdapter } from '../src/index.js'
import { startChild } from './child.js'
import { codeOf, fileOf, history, readAll, recordAfter, runId, temporaryFolders } from './history.js'
import { logPath } from './log-file.js'
import { openedFolders } from './opened-folders.js'
import { requireStrace } from './strace.js'

const newFolder = temporaryFolders('in-memory')
const run = runId('run')
const open = openedFolders()

const snapshotPath = (dir: string) => join(dir, 'runs', 'run', 'snapshot')
const textsOf = (records: readonly CommitRecord[]) => records.map(({ text }) => text)
async function* inPieces(...pieces: string[]) {
  yield* pieces
}
async function kept(adapter: FilesAdapter): Promise<string> {
  let text = ''
  for await (const piece of adapter.snapshots.load(run)) text += piece
  return text
}

/** Large enough for several pieces of reading. */
const records = history(40, 'x'.repeat(256 * 1024))

/** A folder with this log, of which a process has read all and then kept a snapshot. */
async function folderWith(log: readonly CommitRecord[]): Promise<string> {
  const dir = await newFolder()
  await mkdir(join(dir, 'runs', 'run'), { recursive: true })
  writeFileSync(logPath(dir, 'run'), fileOf(log))
  const adapter = await open(dir)
  await readAll(adapter.log, run)
  await adapter.snapshots.save(run, inPieces('snap', 'shot'))
  return dir
}

describe('the position that is kept with a snapshot', () => {
  it('lets a process read the end of a log without its beginning', async () => {
    const dir = await folderWith(records)
    const bytes = readFileSync(logPath(dir, 'run'))
    bytes.fill('#', 0, 100)
    writeFileSync(logPath(dir, 'run'), bytes)
    const stranger = await open(dir)
    expect(await codeOf(() => readAll(stranger.log, run, records.length - 1))).toBe('LOG_CORRUPT')
    const adapter = await open(dir)
    expect(await kept(adapter)).toBe('snapshot')
    expect(await readAll(adapter.log, run, records.length - 1)).toEqual(textsOf(records.slice(-1)))
    const next = recordAfter(records.at(-1) ?? null, 'next')
    await adapter.log.append(run, next)
    expect(await adapter.log.head(run)).toEqual({ index: next.index, hash: next.hash })
    const stop = new AbortController()
    const seen: string[] = []
    for await (const texts of adapter.log.watch(run, next.index, stop.signal)) {
      seen.push(...texts)
      stop.abort()
    }
    expect(seen).toEqual([next.text])
    // Whoever reads all of it is told.
    expect(await codeOf(() => readAll(adapter.log, run))).toBe('LOG_CORRUPT')
  })

  it('lets a process that appends read the end of its own log again', async () => {
    const dir = await folderWith(records.slice(0, 20))
    const adapter = await open(dir)
    for (const record of records.slice(20)) await adapter.log.append(run, record)
    const bytes = readFileSync(logPath(dir, 'run'))
    bytes.fill('#', 0, 100)
    writeFileSync(logPath(dir, 'run'), bytes)
    expect(await readAll(adapter.log, run, records.length - 2)).toEqual(textsOf(records.slice(-2)))
  })

  it('is believed only if the log has that commit there: else reading begins at the start', async () => {
    const dir = await folderWith(records)
    const [line = ''] = readFileSync(snapshotPath(dir), 'utf8').split('\n')
    const position = JSON.parse(line) as { count: number; headHash: string; end: number }
    const wrong = [
      ...[{ count: position.count + 1 }, { count: position.count - 1 }, { count: 0 }, { count: 1.5 }],
      ...[{ end: position.end + 1 }, { end: position.end - 1 }, { end: 1e12 }, { end: -1 }, { end: 1 }],
      ...[{ headHash: 'ab'.repeat(32) }, { headHash: '"},{' }, { headHash: 7 }],
      // A later line, so that commits would be missing.
      { end: fileOf(records.slice(0, -1)).length },
    ].map((change) => JSON.stringify({ ...position, ...change }))
    for (const header of [...wrong, 'null', '', '[]', '7', '{"__proto__":{}}', '\u0000', 'x'.repeat(1000)]) {
      writeFileSync(snapshotPath(dir), `${header}\nsnapshot`)
      const adapter = await open(dir)
      await kept(adapter)
      for (const from of [0, records.length - 1]) {
        const read = readAll(adapter.log, run, from)
        // A line that is not the next one is told as damage, and reading from the start tells the truth.
        const texts = await read.catch(() => readAll(adapter.log, run, 0).then((all) => all.slice(from)))
        expect([header, texts.length]).toEqual([header, records.length - from])
        expect(texts).toEqual(textsOf(records.slice(from)))
      }
    }
  })

  it('is of no account when the log has become another one', async () => {
    const others = history(45, 'y'.repeat(256 * 1024))
    for (const log of [others, others.slice(0, 3), records.slice(0, 5), [...records.slice(0, 39), ...history(1)]]) {
      const dir = await folderWith(records)
      writeFileSync(logPath(dir, 'run'), fileOf(log))
      const adapter = await open(dir)
      await kept(adapter)
      const whole = log.filter(({ index }, at) => index === at)
      expect(await readAll(adapter.log, run, 2)).toEqual(textsOf(whole.slice(2)))
      await adapter.log.append(run, recordAfter(whole.at(-1) ?? null, 'next'))
    }
  })
})

describe('a snapshot of a run that is removed at that moment', () => {
  it('is not kept, and brings no folder back', async () => {
    const dir = await newFolder()
    const adapter = await open(dir)
    const folder = join(dir, 'runs', 'run')
    // The two meet at another place each time.
    for (let time = 0; time < 100; time++) {
      await mkdir(folder, { recursive: true })
      writeFileSync(logPath(dir, 'run'), fileOf(records.slice(0, 1)))
      const saving = codeOf(() => adapter.snapshots.save(run, inPieces('late')))
      for (let turn = 0; turn < time % 8; turn++) await new Promise(setImmediate)
      await rename(folder, join(dir, `removed-${time}`))
      await saving
      expect([time, existsSync(folder)]).toEqual([time, false])
    }
  })
})

describe('a process that is killed while it keeps a snapshot', { timeout: 60_000 }, () => {
  beforeAll(requireStrace, 120_000)

  /** What is left after this child, which must not end by itself. */
  async function leftBy(dir: string, args: readonly string[], wrapper: readonly string[] = []): Promise<string> {
    await expect(startChild('./save-snapshot.mjs', [dir, 'run', ...args], wrapper).ended).rejects.toThrow('SIGKILL')
    const adapter = await open(dir)
    const text = await kept(adapter)
    expect(await readAll(adapter.log, run)).toEqual(textsOf(records.slice(0, 1)))
    await adapter.snapshots.save(run, inPieces('next'))
    expect(await kept(adapter)).toBe('next')
    expect(readdirSync(join(dir, 'runs', 'run', 'incoming'))).toEqual([])
    return text
  }

  it('leaves the old one behind any piece, and behind all of them', async () => {
    for (const count of [0, 1, 2, 3]) {
      expect(await leftBy(await folderWith(records.slice(0, 1)), [`${count}`])).toBe('snapshot')
    }
  })

  it.each(['mkdir', 'openat', 'rename'] as const)(
    'leaves the old one when %s was to be its next call',
    async (call) => {
      const dir = await folderWith(records.slice(0, 1))
      // Node itself renames nothing, and makes and opens much.
      const paths = call === 'rename' ? [] : ['-P', join(dir, 'runs', 'run', 'incoming')]
      const inject = ['-e', `trace=${call}`, '-e', `inject=${call}:signal=SIGKILL:when=1`]
      expect(await leftBy(dir, [], ['strace', '-f', '-qq', '-o', '/dev/null', ...paths, ...inject])).toBe('snapshot')
    },
  )
})

describe('a run on files', () => {
  it('is taken up from its snapshot by the next process, and read whole once that is damaged', async () => {
    const dir = await newFolder()
    const first = await openRun({ adapter: await open(dir), runId: 'run', goal: 'count', policy: { inFlightMax: 9 } })
    const tasks = Array.from({ length: 3_000 }, (_, n) => ({ taskId: `t${n}`, kind: 'count', input: { n } }))
    await first.dispatch(tasks)
    await first.close()
    const second = await openRun({ adapter: await open(dir), runId: 'run' })
    expect(second.gates[0]?.evidence).toContain('a snapshot stands for')
    expect(second.status.counts).toMatchObject({ tasks: 3_000, out: 9 })
    await second.close()
    const bytes = readFileSync(snapshotPath(dir))
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(snapshotPath(dir), bytes)
    const third = await openRun({ adapter: await open(dir), runId: 'run' })
    expect(third.gates[0]?.evidence).toContain('every commit was checked; a snapshot was left aside')
    expect(third.status.counts).toMatchObject({ tasks: 3_000, out: 9 })
    await third.close()
  })

  it('goes on when there is no room for its snapshot, and says so', async () => {
    const dir = await newFolder()
    const adapter = await open(dir)
    const held = await openRun({ adapter, runId: 'run', goal: 'count', snapshotEveryEvents: 5 })
    // Nothing can be made in a folder whose place is taken by a file.
    writeFileSync(join(dir, 'runs', 'run', 'incoming'), '')
    const failed = new Promise((resolve) => held.on('transport-failed', resolve))
    for (let n = 0; n < 6; n++) await held.note(`${n}`)
    expect(isRepriseError(await failed, 'ADAPTER_UNAVAILABLE')).toBe(true)
    await held.note('still here')
    await held.close()
  })
})
