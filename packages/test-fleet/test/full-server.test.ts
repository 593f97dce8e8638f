import {
  acceptedTasks,
  checkRounds,
  echoTasks,
  finishInRounds,
  logFacts,
  notesIn,
  type Place,
  ProcessFleet,
  startEchoWorker,
} from '@reprise/test-fleet'
import type { TestServer } from '@reprise/test-servers'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { newPrefix } from './backends.js'
import { fillableBackends } from './full-server.js'
import { leaseTtlMs } from './whole-run.js'

const runId = 'full'
const perRound = 2
const tasks = echoTasks(4)
const mark = 'of the round in the middle'
const run = { runId, goal: 'no halves', policy: { leaseTtlMs }, waitForMs: 30_000 }
const fleet = new ProcessFleet()
afterEach(() => fleet.endAll())

describe.each(fillableBackends)('a server with $backend.name that is full', ({ backend, start, fill, free }) => {
  let server: TestServer
  beforeAll(async () => {
    server = await start()
  }, 120_000)
  afterAll(() => server?.stop())

  /** A coordinator whose second round is decided while the server takes no more writes. */
  async function decideWhenFull(place: Place, appendPatienceMs: number) {
    const options = { place, run: { ...run, appendPatienceMs }, tasks, perRound, holdAt: 2, mark }
    const coordinator = fleet.start('rounds', options)
    await coordinator.line('deciding')
    await fill(server)
    const before = await logFacts(place, runId)
    coordinator.tell({ go: true })
    await coordinator.line('troubled')
    return { coordinator, before }
  }

  async function expectFinished(place: Place) {
    const facts = await logFacts(place, runId)
    expect(acceptedTasks(facts)).toEqual(tasks.map(({ taskId }) => taskId))
    expect(checkRounds(facts, perRound)).toBeGreaterThanOrEqual(3)
    return facts
  }

  it('in the middle of a round: the round is recorded whole, by the same process, once there is room', async () => {
    const place = backend.place(server.url, newPrefix())
    const worker = await startEchoWorker(place)
    // Its patience outlasts any pause of the machine before there is room again.
    const { coordinator, before } = await decideWhenFull(place, 600_000)
    expect((await logFacts(place, runId)).commits).toEqual(before.commits)
    await free(server)
    expect(await coordinator.end(60_000)).toBe(0)
    await worker.close()
    const facts = await expectFinished(place)
    expect([notesIn(facts), facts.epochs.length]).toEqual([[mark], 1])
  }, 90_000)

  it('and stays so: the coordinator stops with a typed error, without that round, and the next one goes on', async () => {
    const place = backend.place(server.url, newPrefix())
    const worker = await startEchoWorker(place)
    const { coordinator, before } = await decideWhenFull(place, 500)
    expect(await coordinator.end(60_000)).toBe(3)
    expect(coordinator.said('failed')).toEqual(['ADAPTER_UNAVAILABLE'])
    expect((await logFacts(place, runId)).commits).toEqual(before.commits)
    await free(server)
    await finishInRounds({ place, run, tasks, perRound })
    await worker.close()
    expect(notesIn(await expectFinished(place))).toEqual([])
  }, 90_000)
})
