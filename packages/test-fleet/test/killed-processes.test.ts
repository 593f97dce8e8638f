import { loadRun, type RunId } from '@reprise/core'
import { openPlace } from '@reprise/test-fleet'
import { describe, expect, it } from 'vitest'
import { backends, useBackend } from './backends.js'
import { acceptedUnder, claimTtlMs, expectWhole, leaseTtlMs, openGate, paceTasks } from './whole-run.js'

const runId = 'killed-processes' as RunId
/** So often that every kill comes near one. */
const snapshots = { snapshotEveryEvents: 20 }

describe.each(backends)('a run over $name whose processes are killed', (backend) => {
  const stage = useBackend(backend)

  it('accepts each of three hundred tasks once although its coordinator and a worker die in the middle', async () => {
    const place = stage.newPlace()
    const run = { runId, goal: 'survive', policy: { inFlightMax: 24, leaseTtlMs }, waitForMs: 15_000, ...snapshots }
    const order = { place, run, tasks: paceTasks(300, 25, [100, 200]) }
    const start = () => stage.fleet.start('worker', { place, concurrency: 4, claimTtlMs })
    const workers = [start(), start(), start()]
    const killed = stage.fleet.start('coordinator', order)
    await killed.times('accepted', 50)
    await killed.kill()
    const successor = stage.fleet.start('coordinator', order)
    openGate(workers)
    await successor.times('accepted', 50)
    await workers[0]?.kill()
    openGate(workers)
    expect(await successor.end(30_000)).toBe(0)

    const facts = await expectWhole(place, runId, order.tasks)
    expect(facts.epochs).toHaveLength(2)
    // What the dead one had said was durable: nobody had to do it again.
    expect(acceptedUnder(facts, 0)).toEqual(expect.arrayContaining(killed.said('accepted')))
    expect(acceptedUnder(facts, 1).length).toBeGreaterThan(50)
    // What they have kept beside the log is what the log says.
    const adapter = await openPlace(place)
    const whole = await loadRun(adapter.log, runId)
    const kept = await loadRun(adapter.log, runId, { snapshots: adapter.snapshots })
    await adapter.close()
    expect(kept.basis).toMatchObject({ dropped: null, snapshotCommits: expect.any(Number) })
    expect(kept.basis.snapshotCommits).toBeGreaterThan(0)
    expect({ ...kept, basis: null }).toEqual({ ...whole, basis: null })
  }, 60_000)
})
