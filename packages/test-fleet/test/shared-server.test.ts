import type { TaskRequest } from '@reprise/core'
import { dataOf, echoTasks, type LogFacts, logFacts, openPlace, type Place } from '@reprise/test-fleet'
import { describe, expect, it } from 'vitest'
import { backends, useBackend } from './backends.js'
import { expectWhole } from './whole-run.js'

/** The same ids with other inputs. */
const tasksOf = (owner: string): TaskRequest[] => echoTasks(30).map((task) => ({ ...task, input: { owner } }))

const outputsOf = (facts: LogFacts) => dataOf(facts, 'receipt-received').map(({ receipt }) => receipt.output)

/** What an adapter opened there shows of runs and of who is alive. */
async function visibleAt(place: Place) {
  const adapter = await openPlace(place)
  const runs: string[] = []
  for await (const run of adapter.log.list()) runs.push(run)
  const leases: string[] = []
  for await (const { name } of adapter.leases.holders('')) leases.push(name)
  await adapter.close()
  return { runs, leases }
}

describe.each(backends)('a server with $name', (backend) => {
  const stage = useBackend(backend)

  it('keeps two runs apart that share everything but their names', async () => {
    const place = stage.newPlace()
    for (const concurrency of [3, 3]) stage.fleet.start('worker', { place, concurrency })
    const owners = ['one', 'two', 'one.two']
    const coordinators = owners.map((runId) =>
      stage.fleet.start('coordinator', { place, run: { runId, goal: runId }, tasks: tasksOf(runId) }),
    )
    expect(await Promise.all(coordinators.map((one) => one.end()))).toEqual([0, 0, 0])
    for (const runId of owners) {
      const facts = await expectWhole(place, runId, tasksOf(runId))
      expect(outputsOf(facts)).toEqual(tasksOf(runId).map(({ input }) => input))
    }
    expect((await visibleAt(place)).runs.sort()).toEqual(owners.sort())
  }, 60_000)

  it('keeps two prefixes apart that hold a run of the same name', async () => {
    const first = stage.newPlace()
    const second = stage.newPlace()
    const runId = 'shared-name'
    const start = (place: Place, owner: string) =>
      stage.fleet.start('coordinator', { place, run: { runId, goal: owner }, tasks: tasksOf(owner) })
    const waiting = start(second, 'second')
    await waiting.line('dispatched')
    stage.fleet.start('worker', { place: first, concurrency: 4 })
    expect(await start(first, 'first').end()).toBe(0)

    // The only worker has been at the first one all the time, and still is.
    expect(outputsOf(await logFacts(second, runId))).toEqual([])
    expect((await visibleAt(second)).leases).toEqual([`run/${runId}`])
    stage.fleet.start('worker', { place: second, concurrency: 4 })
    expect(await waiting.end()).toBe(0)
    for (const [place, owner] of [
      [first, 'first'],
      [second, 'second'],
    ] as const) {
      const facts = await expectWhole(place, runId, tasksOf(owner))
      expect(outputsOf(facts)).toEqual(tasksOf(owner).map(({ input }) => input))
      expect(facts.epochs).toHaveLength(1)
    }
  }, 60_000)
})
