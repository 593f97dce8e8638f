import type { TaskRequest } from '@reprise/core'
import {
  acceptedTasks,
  dataOf,
  echoTasks,
  finishRun,
  logFacts,
  ProcessFleet,
  startEchoWorker,
  TestFolders,
} from '@reprise/test-fleet'
import { afterEach, expect, it } from 'vitest'
import { openFiles } from '../src/index.js'

const fleet = new ProcessFleet()
const folders = new TestFolders()
afterEach(async () => {
  await fleet.endAll()
  await folders.removeAll()
})

const runId = 'signal-run'
/** No pause of the machine lets the lease run out. */
const run = { runId, goal: 'end in good order', policy: { leaseTtlMs: 3_600_000 } }
const holdTasks = (count: number): TaskRequest[] => echoTasks(count).map((task) => ({ ...task, kind: 'hold' }))
const idsOf = (tasks: readonly TaskRequest[]): string[] => tasks.map(({ taskId }) => taskId)

async function leaseNames(dir: string): Promise<string[]> {
  const adapter = await openFiles({ dir })
  const names: string[] = []
  for await (const { name } of adapter.leases.holders('')) names.push(name)
  await adapter.close()
  return names
}

it('releases the run when a coordinator gets SIGTERM, and the next one opens it without waiting', async () => {
  const work = { place: { files: await folders.make() }, run, tasks: echoTasks(3) }
  const coordinator = fleet.start('coordinator', work)
  await coordinator.line('dispatched')
  coordinator.signal('SIGTERM')
  expect(await coordinator.end()).toBe(0)
  expect((await logFacts(work.place, runId)).events.at(-1)).toMatchObject({ type: 'lock-released' })
  expect(await leaseNames(work.place.files)).toEqual([])

  const worker = await startEchoWorker(work.place)
  await finishRun(work)
  await worker.close()
  const facts = await logFacts(work.place, runId)
  expect(dataOf(facts, 'lock-acquired').map(({ reason }) => reason)).toEqual(['opened', 'free'])
  expect(acceptedTasks(facts)).toEqual(idsOf(work.tasks))
})

it('lets a worker that gets SIGTERM end what it has begun', async () => {
  const work = { place: { files: await folders.make() }, run, tasks: holdTasks(1) }
  const finished = finishRun(work)
  const worker = fleet.start('worker', { place: work.place })
  await worker.line('holding')
  worker.signal('SIGTERM')
  worker.tell({ go: true })
  expect(await worker.end()).toBe(0)
  await finished

  expect(worker.said('aborted')).toEqual([])
  const facts = await logFacts(work.place, runId)
  expect(acceptedTasks(facts)).toEqual(idsOf(work.tasks))
  expect(await leaseNames(work.place.files)).toEqual([])
})

it('gives back at once what a worker without time to drain holds when it gets SIGTERM', async () => {
  const claimTtlMs = 3_600_000
  const work = { place: { files: await folders.make() }, run, tasks: holdTasks(2) }
  const finished = finishRun(work)
  const worker = fleet.start('worker', { place: work.place, concurrency: 2, claimTtlMs, drainMs: 0 })
  await worker.times('holding', 2)
  worker.signal('SIGTERM')
  expect(await worker.end()).toBe(0)
  expect(worker.said('aborted')).toEqual(['CLOSED', 'CLOSED'])
  expect(await leaseNames(work.place.files)).toEqual([`run/${runId}`])

  const closedAt = performance.now()
  const other = await startEchoWorker(work.place, ['hold'])
  await finished
  expect(performance.now() - closedAt).toBeLessThan(10_000)
  await other.close()
  const facts = await logFacts(work.place, runId)
  expect(acceptedTasks(facts)).toEqual(idsOf(work.tasks))
  expect(dataOf(facts, 'dispatched').map(({ attempt }) => attempt)).toEqual([1, 1])
})
