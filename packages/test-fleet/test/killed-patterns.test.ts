import { acceptedTasks, dataOf, type FleetProcess, logFacts, type Place, type ProcessFleet } from '@reprise/test-fleet'
import { describe, expect, it } from 'vitest'
import { anyPlace } from './any-place.js'
import { claimTtlMs, leaseTtlMs, openGate } from './whole-run.js'

const runId = 'killed-patterns'
const numbered = (name: string, count: number): string[] => Array.from({ length: count }, (_, n) => `${name}-${n}`)

/** What each life of the coordinator is killed after: all in the middle of one pattern. */
const moments = [
  'task-accepted all-1',
  'dispatched first-3',
  'dispatched pipeline/b/two',
  // Half of the source is through, and as much of the rest as there is room for is out.
  'dispatched map-8',
]

async function expectPatterns(fleet: ProcessFleet, place: Place): Promise<void> {
  const worker = fleet.start('worker', { place, concurrency: 16, claimTtlMs })
  const start = (): FleetProcess =>
    fleet.start('patterns', {
      place,
      run: { runId, goal: 'survive in every pattern', policy: { leaseTtlMs }, waitForMs: 20_000 },
    })
  const shown = new Set<unknown>()
  for (const moment of moments) {
    const killed = start()
    await killed.line(moment, 30_000)
    await killed.kill()
    for (const taskId of killed.said('shown')) shown.add(taskId)
    openGate([worker])
  }
  const last = start()
  expect(await last.end(30_000)).toBe(0)
  for (const taskId of last.said('shown')) shown.add(taskId)

  expect(Object.fromEntries((await last.line('all')).all as [string, string][])).toEqual(
    Object.fromEntries(numbered('all', 6).map((taskId) => [taskId, taskId])),
  )
  expect(last.said('first')).toEqual([['first-2', ['cancelled', 'cancelled', 'cancelled']]])
  expect(last.said('led')).toEqual([['a', 'b', 'c'].map((item) => [true, `pipeline/${item}/two`])])
  expect(last.said('mapped')).toEqual([12])
  expect([...shown].toSorted()).toEqual(numbered('map', 12).toSorted())

  const facts = await logFacts(place, runId)
  expect(facts.epochs).toHaveLength(moments.length + 1)
  const stages = ['a', 'b', 'c'].flatMap((item) => [`pipeline/${item}/one`, `pipeline/${item}/two`])
  const accepted = [...numbered('all', 6), 'first-2', ...stages, ...numbered('map', 12)].sort()
  expect(acceptedTasks(facts)).toEqual(accepted)
  const dispatched = dataOf(facts, 'dispatched').map(({ taskId, attempt }) => `${taskId} ${attempt}`)
  expect(dispatched.sort()).toEqual(
    [...accepted, 'first-0', 'first-1', 'first-3'].map((taskId) => `${taskId} 1`).sort(),
  )
}

describe.each(anyPlace)('a run over $name', ({ use }) => {
  const stage = use()
  it(
    'goes on in the middle of each worker pattern although its coordinator is killed there',
    async () => expectPatterns(stage.fleet, await stage.newPlace()),
    120_000,
  )
})
