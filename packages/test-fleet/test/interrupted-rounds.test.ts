import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  acceptedTasks,
  checkRounds,
  dataOf,
  echoTasks,
  type FleetProcess,
  finishInRounds,
  logFacts,
  notesIn,
  type Place,
  startEchoWorker,
  TestFolders,
} from '@reprise/test-fleet'
import { afterEach, describe, expect, it } from 'vitest'
import { anyPlace } from './any-place.js'
import { leaseTtlMs } from './whole-run.js'

const runId = 'rounds'
const perRound = 2
const tasks = echoTasks(4)
const mark = 'of the round in the middle'
/** No pause of the machine lets the lease run out. */
const run = { runId, goal: 'whole rounds', policy: { leaseTtlMs: 3_600_000 } }
const order = { run, tasks, perRound, holdAt: 2, mark }
const folders = new TestFolders()
afterEach(() => folders.removeAll())

/** Every task accepted, in rounds that are whole. */
async function expectFinished(place: Place): Promise<void> {
  const facts = await logFacts(place, runId)
  expect(acceptedTasks(facts)).toEqual(tasks.map(({ taskId }) => taskId))
  expect(checkRounds(facts, perRound)).toBeGreaterThanOrEqual(3)
  expect(dataOf(facts, 'run-completed')).toHaveLength(1)
}

describe.each(anyPlace)('a coordinator over $name, in the middle of a round', ({ use }) => {
  const stage = use()

  /** Ends a coordinator that is deciding; the next one need not wait for its lease. */
  async function endedWhileDeciding(end: (coordinator: FleetProcess) => void) {
    const place = await stage.newPlace()
    const worker = await startEchoWorker(place)
    const first = stage.fleet.start('rounds', { ...order, place })
    await first.line('deciding')
    const before = await logFacts(place, runId)
    end(first)
    const code = await first.end()
    const after = await logFacts(place, runId)
    await finishInRounds({ place, run, tasks, perRound })
    await worker.close()
    await expectFinished(place)
    const added = after.events.slice(before.events.length).map(({ type }) => type)
    return { code, errors: first.errors, added }
  }

  it('that gets SIGTERM lets the run go, ends with 0, and has nothing of that round in the log', async () => {
    const ended = await endedWhileDeciding((first) => first.signal('SIGTERM'))
    expect(ended).toEqual({ code: 0, errors: '', added: ['lock-released'] })
  }, 60_000)

  it('in which an error is caught by nobody lets the run go, ends with 1, and has nothing of that round in the log', async () => {
    const ended = await endedWhileDeciding((first) => first.tell({ bug: 'nobody caught this' }))
    expect(ended).toMatchObject({ code: 1, added: ['lock-released'] })
    expect(ended.errors).toContain('uncaught: Error: nobody caught this')
  }, 60_000)

  it('whose event loop stands still past its lease is replaced, and stops without that round', async () => {
    const place = await stage.newPlace()
    const worker = await startEchoWorker(place)
    const until = join(await folders.make(), 'until')
    const shortly = { ...run, policy: { leaseTtlMs } }
    const blocked = stage.fleet.start('rounds', { ...order, run: shortly, place, blockUntil: until })
    await blocked.line('deciding')
    await finishInRounds({ place, run: { ...shortly, waitForMs: 30_000 }, tasks, perRound })
    await worker.close()
    const before = await logFacts(place, runId)

    await writeFile(until, '')
    expect(await blocked.end()).toBe(3)
    expect(blocked.said('stopped')).toEqual(['LOCK_LOST'])
    expect(blocked.said('failed')).toEqual(['LOCK_LOST'])
    const facts = await logFacts(place, runId)
    expect(facts.commits).toEqual(before.commits)
    expect([notesIn(facts), facts.epochs.length]).toEqual([[], 2])
    await expectFinished(place)
  }, 60_000)
})
