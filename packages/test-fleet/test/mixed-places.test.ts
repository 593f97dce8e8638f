import { dataOf, echoTasks, type MixedPlace, openPlace, TestFolders } from '@reprise/test-fleet'
import { afterEach, describe, expect, it } from 'vitest'
import { nats, redis, type Stage, useBackend } from './backends.js'
import { claimTtlMs, expectWhole, leaseTtlMs, openGate, paceTasks } from './whole-run.js'

const runId = 'mixed-places'
const run = { runId, goal: 'travel', policy: { inFlightMax: 16, leaseTtlMs }, waitForMs: 15_000 }
const folders = new TestFolders()
afterEach(() => folders.removeAll())

describe('a run whose log is elsewhere than its work', () => {
  const overRedis = useBackend(redis)
  const overNats = useBackend(nats)

  /** The middle of the run costs a coordinator and one of the two servers a restart. */
  async function expectSurvival(place: MixedPlace, broken: Stage): Promise<void> {
    const tasks = paceTasks(150, 25, [60, 120])
    const workers = [1, 2].map(() => broken.fleet.start('worker', { place, concurrency: 4, claimTtlMs }))
    const killed = broken.fleet.start('coordinator', { place, run, tasks })
    await killed.times('accepted', 30)
    await killed.kill()
    const successor = broken.fleet.start('coordinator', { place, run, tasks })
    openGate(workers)
    await successor.times('accepted', 30)
    await broken.server.restart()
    openGate(workers)
    expect(await successor.end(60_000)).toBe(0)
    const facts = await expectWhole(place, runId, tasks)
    expect(facts.epochs).toHaveLength(2)
  }

  it('survives with its log in redis, and delivery and inbox over nats', async () => {
    const [log, delivery] = [overRedis.newPlace(), overNats.newPlace()]
    await expectSurvival({ log, queue: delivery, inbox: delivery }, overNats)
  }, 90_000)

  it('survives with its log over nats, and delivery and inbox in redis', async () => {
    const [log, delivery] = [overNats.newPlace(), overRedis.newPlace()]
    await expectSurvival({ log, queue: delivery, inbox: delivery, leases: delivery }, overRedis)
  }, 90_000)

  it('keeps artifacts in a folder while the log is over nats and delivery in redis', async () => {
    const files = { files: await folders.make() }
    const delivery = overRedis.newPlace()
    const place = { log: overNats.newPlace(), queue: delivery, inbox: delivery, artifacts: files }
    const tasks = echoTasks(20).map((task, n) => ({ ...task, kind: 'store', input: { text: `text ${n}` } }))
    overRedis.fleet.start('worker', { place, concurrency: 4 })
    const coordinator = overRedis.fleet.start('coordinator', { place, run, tasks })
    expect(await coordinator.end()).toBe(0)

    const facts = await expectWhole(place, runId, tasks)
    const adapter = await openPlace(files)
    for (const { receipt } of dataOf(facts, 'receipt-received')) {
      const [artifact] = receipt.artifacts
      if (artifact === undefined) expect.fail(`${receipt.taskId} has no artifact`)
      const chunks: Uint8Array[] = []
      for await (const chunk of adapter.artifacts?.read(artifact) ?? []) chunks.push(chunk)
      expect(Buffer.concat(chunks).toString()).toBe(`text ${receipt.taskId.slice('task-'.length)}`)
    }
    await adapter.close()
  }, 60_000)
})
