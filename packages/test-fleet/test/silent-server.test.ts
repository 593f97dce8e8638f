import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { backends, useBackend } from './backends.js'
import { claimTtlMs, expectWhole, leaseTtlMs, openGate, paceTasks } from './whole-run.js'

const runId = 'silent-server'
/** Past every claim and lease, and past the patience of every single command. Milliseconds. */
const silenceMs = 20_000

// Side by side: most of it is waiting.
describe.concurrent.each(backends)('a run over $name whose server stands still', (backend) => {
  const stage = useBackend(backend)

  it('goes on where it was after the server has answered nothing for 20 s', async () => {
    const place = stage.newPlace()
    const run = { runId, goal: 'wait', policy: { inFlightMax: 24, leaseTtlMs } }
    const tasks = paceTasks(300, 25, [120])
    const workers = [1, 2].map(() => stage.fleet.start('worker', { place, concurrency: 4, claimTtlMs }))
    const coordinator = stage.fleet.start('coordinator', { place, run, tasks })
    await coordinator.times('accepted', 60)
    await stage.server.pause()
    openGate(workers)
    const saidBefore = coordinator.said('accepted').length
    // How long it lasts is the fault itself.
    await sleep(silenceMs)
    await stage.server.resume()
    expect(await coordinator.end(60_000)).toBe(0)

    expect(saidBefore).toBeLessThan(tasks.length)
    expect(coordinator.said('troubled').length).toBeGreaterThan(0)
    const facts = await expectWhole(place, runId, tasks)
    expect(facts.epochs).toHaveLength(1)
    for (const worker of workers) expect(worker.ended).toBeNull()
  }, 120_000)
})
