import { createHash } from 'node:crypto'
import { appendFile, writeFile } from 'node:fs/promises'
import { openRun, type RunId, verifyRun } from '@reprise/core'
import { echoTasks, logFacts, ProcessFleet, TestFolders } from '@reprise/test-fleet'
import { afterEach, expect, it } from 'vitest'
import { openFiles } from '../src/index.js'
import { logBytes, logPath } from './log-file.js'

const fleet = new ProcessFleet()
const folders = new TestFolders()
afterEach(async () => {
  await fleet.endAll()
  await folders.removeAll()
})

const runId = 'damaged-run'
const work = { run: { runId, goal: 'notice' }, tasks: echoTasks(2) }

/** A run that a coordinator has opened, dispatched and let go. */
async function makeRun(): Promise<string> {
  const dir = await folders.make()
  const adapter = await openFiles({ dir })
  const run = await openRun({ adapter, ...work.run })
  await run.dispatch(work.tasks)
  await run.close()
  await adapter.close()
  return dir
}

/** What a process says that tries to take the run up; it must not change a byte of the log. */
async function refusalOf(dir: string) {
  const before = await logBytes(dir, runId)
  const coordinator = fleet.start('coordinator', { place: { files: dir }, ...work })
  expect(await coordinator.end()).toBe(3)
  expect(coordinator.said('opened')).toEqual([])
  expect((await logBytes(dir, runId)).equals(before)).toBe(true)
  return coordinator.lines[0]
}

it('refuses a log with an event of a later version of the library, and appends nothing', async () => {
  const dir = await makeRun()
  const { commits } = await logFacts({ files: dir }, runId)
  const { index, version, epoch, at } = commits.at(-1) ?? expect.fail('the log is empty')
  const lines = (await logBytes(dir, runId)).toString().trimEnd().split('\n')
  const prev = /^{"hash":"([0-9a-f]{64})"/.exec(lines.at(-1) ?? '')?.[1]
  const events = [{ type: 'teleported', v: 1, data: { to: 'the future' } }]
  const commit = JSON.stringify({ index: index + 1, version: version + 1, epoch, at, actor: 'later', prev, events })
  const hash = createHash('sha256').update(commit).digest('hex')
  await appendFile(logPath(dir, runId), `{"hash":"${hash}","commit":${commit}}\n`)

  expect(await refusalOf(dir)).toMatchObject({ failed: 'LOG_TOO_NEW', message: expect.stringContaining('teleported') })
})

it('refuses a log in which one bit is wrong, names the commit, and appends nothing', async () => {
  const dir = await makeRun()
  const intact = await logBytes(dir, runId)
  const ends = [...intact.keys()].filter((at) => intact[at] === 0x0a)
  expect(ends.length).toBeGreaterThan(2)
  for (const bad of [0, 1, ends.length - 1]) {
    const start = bad === 0 ? 0 : (ends[bad - 1] ?? 0) + 1
    const middle = (start + (ends[bad] ?? 0)) >> 1
    const damaged = Buffer.from(intact)
    damaged.writeUInt8(damaged.readUInt8(middle) ^ 0x01, middle)
    await writeFile(logPath(dir, runId), damaged)

    const refusal = await refusalOf(dir)
    expect(refusal).toMatchObject({
      failed: 'LOG_CORRUPT',
      message: expect.stringMatching(new RegExp(`(Commit |behind )${bad} `)),
    })
    const adapter = await openFiles({ dir })
    expect(await verifyRun(adapter.log, runId as RunId)).toMatchObject({ ok: false, firstBadCommit: bad })
    await adapter.close()
  }
})
