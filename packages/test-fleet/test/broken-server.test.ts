import { openRun, type Run } from '@reprise/core'
import { acceptedTasks, echoTasks, logFacts, openPlace } from '@reprise/test-fleet'
import { describe, expect, it } from 'vitest'
import { backends, useBackend } from './backends.js'
import { claimTtlMs, expectWhole, leaseTtlMs, openGate, paceTasks } from './whole-run.js'

const runId = 'broken-server'
const run = { runId, goal: 'outlive the server', policy: { inFlightMax: 24, leaseTtlMs }, waitForMs: 15_000 }
const tasks = paceTasks(400, 50, [120])

describe.each(backends)('a run over $name whose server dies', (backend) => {
  const stage = useBackend(backend)

  it('goes on in the same processes when the server was killed and started again', async () => {
    const place = stage.newPlace()
    const workers = [1, 2].map(() => stage.fleet.start('worker', { place, concurrency: 4, claimTtlMs }))
    const coordinator = stage.fleet.start('coordinator', { place, run, tasks })
    await coordinator.times('accepted', 20)
    const before = await logFacts(place, runId)
    await coordinator.times('accepted', 60)
    await stage.server.kill()
    openGate(workers)
    const saidBefore = coordinator.said('accepted')
    await coordinator.line('troubled')
    await stage.server.restart()
    expect(await coordinator.end(60_000)).toBe(0)

    expect(saidBefore.length).toBeLessThan(tasks.length)
    const facts = await expectWhole(place, runId, tasks)
    // It never let go: an append is tried again for longer than a server takes to come back.
    expect(facts.epochs).toHaveLength(1)
    expect(facts.commits.slice(0, before.commits.length)).toEqual(before.commits)
    expect(acceptedTasks(facts)).toEqual(expect.arrayContaining(saidBefore))
    for (const worker of workers) expect(worker.ended).toBeNull()
  }, 90_000)

  it('goes on in a new coordinator when the old one died while the server was down', async () => {
    const place = stage.newPlace()
    const worker = stage.fleet.start('worker', { place, concurrency: 8, claimTtlMs })
    const killed = stage.fleet.start('coordinator', { place, run, tasks })
    await killed.times('accepted', 60)
    await stage.server.kill()
    await killed.kill()
    openGate([worker])
    await stage.server.restart()
    const successor = stage.fleet.start('coordinator', { place, run, tasks })
    expect(await successor.end(60_000)).toBe(0)

    const facts = await expectWhole(place, runId, tasks)
    expect(facts.epochs).toHaveLength(2)
    expect(acceptedTasks(facts)).toEqual(expect.arrayContaining(killed.said('accepted')))
  }, 90_000)

  it('forgets nothing that is numbered when it dies while everything has been taken in', async () => {
    const place = stage.newPlace()
    stage.fleet.start('worker', { place, concurrency: 4, claimTtlMs })
    const adapter = await openPlace(place)
    const held = await openRun({ adapter, ...run })
    const rounds = [0, 1, 2, 3, 4, 5].map((round) =>
      echoTasks(20).map((task) => ({ ...task, taskId: `${round}-${task.taskId}` })),
    )
    for (const [round, batch] of rounds.entries()) {
      if (round > 0) await stage.server.restart()
      await held.dispatch(batch)
      await acceptAll(held)
    }
    await held.complete('done')
    await adapter.close()
    const facts = await expectWhole(place, runId, rounds.flat())
    expect(facts.epochs).toHaveLength(1)
  }, 90_000)
})

async function acceptAll(run: Run): Promise<void> {
  const deadline = AbortSignal.timeout(30_000)
  for await (const result of run.results({ signal: deadline })) await result.accept()
  deadline.throwIfAborted()
}
