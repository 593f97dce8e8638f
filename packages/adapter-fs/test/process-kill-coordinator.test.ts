import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Dispatch, loadRun, openRun, planDeliveries, type RunId, type TaskRequest } from '@reprise/core'
import {
  acceptedTasks,
  dataOf,
  echoTasks,
  type FleetProcess,
  finishRun,
  logFacts,
  startEchoWorker,
  type Work,
} from '@reprise/test-fleet'
import { expect, it, onTestFinished, vi } from 'vitest'
import { openFiles } from '../src/index.js'
import { sweep } from './fault-sweep.js'
import { logPath } from './log-file.js'
import { setUpProcesses } from './process-set-up.js'
import { type Injection, oneThread, strace } from './strace.js'

const { fleet, folders } = setUpProcesses()

const runId = 'fault-run'
const tasks = echoTasks(3)
const taskIds = tasks.map(({ taskId }) => taskId)
/** Fewer slots than tasks, so that some are planned first. */
const run = { runId, goal: 'survive', successCriteria: ['every task once'], policy: { inFlightMax: 2 } }

const startCoordinator = (work: Work, injection: Injection): FleetProcess =>
  fleet.start('coordinator', work, { through: strace(injection), env: oneThread })

/** Kills a coordinator right before one of its calls, on one file if one is given; another one goes on. */
async function killedAt(
  call: 'write' | 'fdatasync',
  step: number,
  file: (dir: string) => string | undefined,
): Promise<'hit' | 'past the end'> {
  const work = { place: { files: await folders.make() }, run, tasks }
  const worker = await startEchoWorker(work.place)
  const path = file(work.place.files)
  const injection = { call, does: 'signal=SIGKILL', when: step, ...(path !== undefined && { path }) }
  const killed = startCoordinator(work, injection)
  const end = await killed.end()
  await finishRun(work)
  await worker.close()

  const facts = await logFacts(work.place, runId)
  expect(acceptedTasks(facts), `${call} ${step}`).toEqual(taskIds)
  // What the dead one had said was durable: nobody had to do it again.
  const itsOwn = facts.commits.filter(({ epoch }) => epoch === facts.epochs[0]).flatMap(({ events }) => events)
  const itsAcceptances = itsOwn.flatMap((event) => (event.type === 'task-accepted' ? [event.data.taskId] : []))
  expect(itsAcceptances).toEqual(expect.arrayContaining(killed.said('accepted')))
  expect(dataOf(facts, 'run-completed')).toHaveLength(1)
  expect(dataOf(facts, 'dispatched').every(({ attempt }) => attempt === 1)).toBe(true)
  expect(end).toSatisfy((code) => code === 'SIGKILL' || code === 0)
  return end === 'SIGKILL' ? 'hit' : 'past the end'
}

it('loses nothing and accepts nothing twice when the coordinator is killed at any of its writes to the log', async () => {
  const path = (dir: string) => logPath(dir, runId)
  expect(await sweep((step) => killedAt('write', step, path))).toBeGreaterThan(5)
}, 60_000)

it('loses nothing and accepts nothing twice when the coordinator is killed at any of its trips to the disk', async () => {
  expect(await sweep((step) => killedAt('fdatasync', step, () => undefined))).toBeGreaterThan(5)
}, 60_000)

it('offers what a coordinator had dispatched that was killed before it could offer it', async () => {
  const path = (dir: string) => join(dir, 'lanes', 'default', 'offers', '000001')
  expect(await sweep((step) => killedAt('write', step, path))).toBeGreaterThan(1)
}, 60_000)

it('waits for nobody when a coordinator was killed in the middle of taking its lease', async () => {
  const work = { place: { files: await folders.make() }, run, tasks }
  const path = join(work.place.files, 'leases', 'run%002ffault-run.turn')
  const killed = startCoordinator(work, { call: 'write', does: 'signal=SIGKILL', when: 1, path })
  expect(await killed.end()).toBe('SIGKILL')
  expect(await readFile(path, 'utf8')).toBe('')

  // For this process the file stays a second old, however long opening takes: if it waited until the file is older, as it
  // does for one that says whose it is, it would never open.
  vi.useFakeTimers({ toFake: ['Date'], now: (await stat(path)).mtimeMs + 1_000 })
  onTestFinished(() => void vi.useRealTimers())
  const adapter = await openFiles({ dir: work.place.files })
  const startedAt = performance.now()
  const opened = await openRun({ adapter, ...run })
  expect(performance.now() - startedAt).toBeLessThan(3_000)
  await opened.close()
  await adapter.close()
})

it.each([[[1, 1, 1]], [[1, 2, 3]], [[3, 2, 1]]])(
  'takes a run up whose three replacements were killed as well, at their trips %j to the disk',
  async (steps) => {
    const work = { place: { files: await folders.make() }, run, tasks }
    // The third trip is that of the dispatch.
    const first = startCoordinator(work, { call: 'fdatasync', does: 'signal=SIGKILL', when: 3 })
    expect(await first.end()).toBe('SIGKILL')
    const worker = await startEchoWorker(work.place)
    for (const when of steps) {
      const replacement = startCoordinator(work, { call: 'fdatasync', does: 'signal=SIGKILL', when })
      expect(await replacement.end()).toBe('SIGKILL')
    }
    await finishRun(work)
    await worker.close()

    const facts = await logFacts(work.place, runId)
    expect(acceptedTasks(facts)).toEqual(taskIds)
    expect(facts.epochs).toHaveLength(5)
    expect(dataOf(facts, 'lock-acquired').map(({ reason }) => reason)).toEqual([
      'opened',
      ...Array.from({ length: 4 }, () => 'process-gone'),
    ])
  },
  30_000,
)

it('has everything of a dispatch in the log before anything of it is anywhere else', async () => {
  const dir = await folders.make()
  const child: TaskRequest = {
    ...{ taskId: 'child', kind: 'echo', input: { deep: [1, { two: 'three' }] }, parent: 'parent' },
    ...{ traceId: 'trace-7', timeoutMs: 120_000, priority: 9 },
  }
  const work = { place: { files: dir }, run, tasks: [{ taskId: 'parent', kind: 'echo', input: null }, child] }
  // Right after the trip to the disk that made the dispatch durable, lanes are created.
  const path = join(dir, 'lanes', 'default', 'offers')
  const killed = startCoordinator(work, { call: 'mkdir', does: 'signal=SIGKILL', when: 1, path })
  expect(await killed.end()).toBe('SIGKILL')
  expect(existsSync(join(dir, 'lanes'))).toBe(false)
  expect(killed.said('dispatched')).toEqual([])

  const facts = await logFacts({ files: dir }, runId)
  const [opened] = dataOf(facts, 'run-opened')
  expect(opened).toMatchObject({ runId, goal: run.goal, successCriteria: run.successCriteria })
  expect(opened?.policy).toMatchObject({ inFlightMax: 2, tokensMax: null, costUsdMax: null, attemptsMax: 3 })
  const dispatched = dataOf(facts, 'dispatched').find(({ taskId }) => taskId === 'child')
  expect(dispatched).toMatchObject({ attempt: 1, task: { ...child, depth: 1 } })

  const adapter = await openFiles({ dir })
  const { state } = await loadRun(adapter.log, runId as RunId)
  await adapter.close()
  const offer = planDeliveries(state).find(({ taskId }) => taskId === 'child')
  const body = offer?.body ?? ''
  expect(createHash('sha256').update(body).digest('hex')).toBe(dispatched?.digest)
  const dispatch = JSON.parse(body) as Dispatch
  expect(dispatch).toMatchObject({
    ...{ runId, taskId: 'child', attempt: 1, epoch: facts.epochs[0], kind: 'echo', input: child.input },
    ...{ deadlineAt: dispatched?.deadlineAt, parent: 'parent', depth: 1, traceId: 'trace-7', receipt: 1 },
    returnTo: { mode: 'evaluating' },
  })
  expect(dispatch.returnTo.nextAction).not.toBe('')
})
