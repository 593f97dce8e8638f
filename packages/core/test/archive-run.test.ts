import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CommitLog } from '../src/ports/commit-log.js'
import type { LogFile } from '../src/ports/log-file.js'
import { archiveRun } from '../src/replay/archive-run.js'
import { importRun } from '../src/replay/import-run.js'
import { logFileAt } from '../src/runtime/log-file-at.js'
import { given } from './given-run.js'
import { adapterWith, emptyAdapter, ended, fileOf, linesIn, open, runId, textOf } from './moved-runs.js'

let folder = ''
const path = () => join(folder, 'deep', 'run-1.jsonl.gz')
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reprise-archive-'))
})
afterEach(() => rm(folder, { recursive: true }))

const kept = async () => gunzipSync(await readFile(path())).toString()

class Stopped extends Error {}

/** Lets so many calls through, and none after that: as if the process was gone. `after`: the last one still has its effect. */
function dying<T extends object>(port: T, left: { calls: number }, after: boolean): T {
  return new Proxy(port, {
    get: (target, name) => {
      const method = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      return (...args: unknown[]) => {
        if (left.calls < 0) throw new Stopped()
        if (left.calls-- > 0) return method.apply(target, args)
        if (!after || name === 'read') throw new Stopped()
        return Promise.resolve(method.apply(target, args)).then(() => {
          throw new Stopped()
        })
      }
    },
  })
}

describe('archiving a run', () => {
  it('packs its log, byte for byte, and removes it; the archive can be imported', async () => {
    const { log } = adapterWith(ended)
    expect(await archiveRun(log, runId, logFileAt(path()))).toMatchObject({
      commits: ended.length,
      already: false,
      path: path(),
    })
    expect(await kept()).toBe(textOf(ended))
    expect(await log.head(runId)).toBe(null)
    expect(await importRun(log, fileOf(await readFile(path())))).toMatchObject({ appended: ended.length })
    expect(await linesIn(log)).toEqual(ended)
    expect(await readdir(join(folder, 'deep'))).toEqual(['run-1.jsonl.gz'])
  })

  it('that was stopped before or after any step has lost nothing, and is gone on with', async () => {
    for (const after of [false, true]) {
      for (let calls = 0, finished = false; !finished; calls++) {
        await rm(join(folder, 'deep'), { recursive: true, force: true })
        const { log } = adapterWith(ended)
        const left = { calls }
        finished = await archiveRun(
          dying<CommitLog>(log, left, after),
          runId,
          dying<LogFile>(logFileAt(path()), left, after),
        ).then(
          () => true,
          (error: unknown) => {
            expect(error).toBeInstanceOf(Stopped)
            return false
          },
        )
        // One of the two is whole, always.
        if ((await log.head(runId)) === null) expect(await kept()).toBe(textOf(ended))
        else expect(await linesIn(log)).toEqual(ended)
        expect(await archiveRun(log, runId, logFileAt(path()))).toMatchObject({ commits: ended.length })
        expect([await log.head(runId), await kept()]).toEqual([null, textOf(ended)])
      }
    }
  })

  it('is refused for an open run, an unknown one and a damaged one, and writes nothing', async () => {
    await expect(archiveRun(adapterWith(open).log, runId, logFileAt(path()))).rejects.toMatchObject({
      code: 'RUN_OPEN',
    })
    await expect(archiveRun(emptyAdapter().log, runId, logFileAt(path()))).rejects.toMatchObject({
      code: 'RUN_UNKNOWN',
    })
    const damaged = adapterWith(ended.map((line, i) => (i === 4 ? line.replace('"v":1', '"v":9') : line)))
    await expect(archiveRun(damaged.log, runId, logFileAt(path()))).rejects.toMatchObject({ code: 'LOG_CORRUPT' })
    expect(await readdir(folder)).toEqual([])
  })

  it('neither removes a run nor touches the file if that holds something else', async () => {
    const other = gzipSync(textOf(given({ inFlightMax: 1 }, { type: 'fail', reason: 'x' }).lines))
    const { log } = adapterWith(ended)
    const file = logFileAt(join(folder, 'x.gz'))
    const changed = gzipSync(textOf(ended).replace('"v":1', '"v":9'))
    for (const bytes of [other, Buffer.from('my letters'), gzipSync(textOf(ended)).subarray(0, 500), changed]) {
      await writeFile(file.path, bytes)
      const message = expect.stringContaining(`${file.path} is not the archive of run run-1`)
      await expect(archiveRun(log, runId, file)).rejects.toMatchObject({ code: 'RUN_MISMATCH', message })
      expect(await readFile(file.path)).toEqual(Buffer.from(bytes))
      expect(await linesIn(log)).toEqual(ended)
    }
  })

  it('says that there is neither the run nor an archive of it', async () => {
    const file = logFileAt(join(folder, 'x.gz'))
    for (const [bytes, what] of [
      [gzipSync(textOf(open)), 'is not its archive'],
      [gzipSync(textOf(ended)).subarray(0, 500), 'holds no whole log'],
    ] as const) {
      await writeFile(file.path, bytes)
      const message = expect.stringContaining(`There is no run run-1, and the file ${file.path} ${what}`)
      await expect(archiveRun(emptyAdapter().log, runId, file)).rejects.toMatchObject({ code: 'RUN_MISMATCH', message })
    }
  })

  it('does not remove a run whose archive reads back as something else', async () => {
    const { log } = adapterWith(ended)
    const lying: LogFile = {
      ...logFileAt(path()),
      write: () => logFileAt(path()).write(fileOf(gzipSync(textOf(open)))()),
    }
    await expect(archiveRun(log, runId, lying)).rejects.toMatchObject({ code: 'RUN_MISMATCH' })
    expect(await linesIn(log)).toEqual(ended)
  })
})

describe('a log file on the disk', () => {
  it('stands under its name only as a whole, and replaces another one only if that is wanted', async () => {
    const failing = async function* (): AsyncGenerator<Uint8Array, void> {
      yield Buffer.from('half')
      throw new Error('the source broke')
    }
    await expect(logFileAt(path()).write(failing())).rejects.toThrow('the source broke')
    expect(await readdir(join(folder, 'deep'))).toEqual([])
    await logFileAt(path()).write(fileOf('first')())
    await expect(logFileAt(path()).write(fileOf('second')())).rejects.toMatchObject({ code: 'EEXIST' })
    expect(await readFile(path(), 'utf8')).toBe('first')
    await logFileAt(path(), { replace: true }).write(fileOf('third')())
    expect(await readFile(path(), 'utf8')).toBe('third')
  })

  it('removes the drafts of those that were killed, and nothing else', async () => {
    const [draft, other] = [join(folder, 'a.gz.draft-0123456789abcdef'), join(folder, 'a.gz.draft-mine')]
    await writeFile(draft, 'half')
    await writeFile(other, 'mine')
    await logFileAt(join(folder, 'a.gz')).write(fileOf('whole')())
    expect((await readdir(folder)).sort()).toEqual(['a.gz', 'a.gz.draft-mine'])
  })
})
