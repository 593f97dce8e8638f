import { join } from 'node:path'
import type { TaskRequest } from '@reprise/core'
import { acceptedTasks, dataOf, echoTasks, finishRun, logFacts, startEchoWorker } from '@reprise/test-fleet'
import { expect, it } from 'vitest'
import { sweep } from './fault-sweep.js'
import { setUpProcesses } from './process-set-up.js'
import { type Injection, oneThread, strace } from './strace.js'

const { fleet, folders } = setUpProcesses()

const runId = 'fault-run'
const run = { runId, goal: 'survive' }

const tasksOf = (kind: string, count: number): TaskRequest[] => echoTasks(count).map((task) => ({ ...task, kind }))
const idsOf = (tasks: readonly TaskRequest[]): string[] => tasks.map(({ taskId }) => taskId).sort()

/** Kills a worker at one of its calls; another one goes on. */
async function killedAt(
  call: Injection['call'],
  step: number,
  file: (dir: string) => string | undefined,
): Promise<'hit' | 'past the end'> {
  const work = { place: { files: await folders.make() }, run, tasks: echoTasks(4) }
  const path = file(work.place.files)
  const injection = { call, does: 'signal=SIGKILL', when: step, ...(path !== undefined && { path }) }
  const finished = finishRun(work)
  // One after the other, so that each has a claim of its own, however quickly they were dispatched.
  const onlyOne = { place: work.place, concurrency: 1 }
  const killed = fleet.start('worker', onlyOne, { through: strace(injection), env: oneThread })
  const end = await Promise.race([killed.end(), finished])
  const worker = await startEchoWorker(work.place)
  await finished
  await worker.close()
  await killed.kill()

  const facts = await logFacts(work.place, runId)
  expect(acceptedTasks(facts), `${call} ${step}`).toEqual(idsOf(work.tasks))
  // The same attempt was taken again: the log has no second one.
  expect(dataOf(facts, 'dispatched').map(({ attempt }) => attempt)).toEqual([1, 1, 1, 1])
  return end === 'SIGKILL' ? 'hit' : 'past the end'
}

const claimsFile = (dir: string): string => join(dir, 'lanes', 'default', 'claims', '000001')

it('loses nothing when a worker is killed before any of its claims and settlements', async () => {
  expect(await sweep((step) => killedAt('write', step, claimsFile))).toBeGreaterThan(3)
}, 60_000)

it('loses nothing when a worker is killed after any of its claims and settlements', async () => {
  expect(await sweep((step) => killedAt('pread64', step, claimsFile))).toBeGreaterThan(3)
}, 60_000)

it('loses nothing when a worker is killed while it sends a receipt', async () => {
  expect(await sweep((step) => killedAt('fdatasync', step, () => undefined))).toBeGreaterThan(1)
}, 60_000)

it('hands what a killed worker held to another at once, as the same attempt', async () => {
  const work = { place: { files: await folders.make() }, run, tasks: tasksOf('hold', 4) }
  const claimTtlMs = 3_600_000
  const killed = fleet.start('worker', { place: work.place, concurrency: 4, claimTtlMs })
  const finished = finishRun(work)
  await killed.times('holding', 4)
  await killed.kill()
  const diedAt = performance.now()
  const worker = await startEchoWorker(work.place, ['hold'])
  await finished
  expect(performance.now() - diedAt).toBeLessThan(10_000)
  await worker.close()

  const facts = await logFacts(work.place, runId)
  expect(acceptedTasks(facts)).toEqual(idsOf(work.tasks))
  expect(dataOf(facts, 'dispatched').map(({ attempt }) => attempt)).toEqual([1, 1, 1, 1])
  expect(dataOf(facts, 'receipt-received')).toHaveLength(4)
  expect(dataOf(facts, 'attempt-expired')).toEqual([])
})

it('gives up a task that kills every worker after as many deliveries as allowed, and goes on with the others', async () => {
  const deliveriesMax = 2
  const [killer, ...others] = echoTasks(4)
  const tasks = [{ ...killer, kind: 'die' } as TaskRequest, ...others]
  const work = { place: { files: await folders.make() }, run: { ...run, policy: { deliveriesMax } }, tasks }
  let isFinished = false
  const finished = finishRun(work).then(() => {
    isFinished = true
  })
  let killed = 0
  while (!isFinished) {
    const worker = fleet.start('worker', { place: work.place })
    const end = await Promise.race([worker.end(), finished])
    if (end === 'SIGKILL') killed++
  }
  expect(killed).toBe(deliveriesMax)

  const facts = await logFacts(work.place, runId)
  expect(acceptedTasks(facts)).toEqual(idsOf(others))
  expect(dataOf(facts, 'task-abandoned').map(({ taskId }) => taskId)).toEqual([killer?.taskId])
  const failed = dataOf(facts, 'receipt-received').find(({ receipt }) => receipt.taskId === killer?.taskId)
  expect(failed?.receipt).toMatchObject({ attempt: 1, status: 'failed', error: { code: 'POISON' } })
  expect(dataOf(facts, 'run-completed')).toHaveLength(1)
})
