import type { TaskRequest } from '@reprise/core'
import {
  acceptedTasks,
  dataOf,
  echoTasks,
  finishRun,
  type LogFacts,
  logFacts,
  startEchoWorker,
} from '@reprise/test-fleet'
import { expect, it, vi } from 'vitest'
import { sweep } from './fault-sweep.js'
import { setUpProcesses } from './process-set-up.js'
import { oneThread, strace } from './strace.js'
import { type TinyDisk, tinyDisk } from './tiny-disk.js'

const { fleet, folders, disks } = setUpProcesses()

const runId = 'disk-run'
const run = { runId, goal: 'believe no disk', policy: { inFlightMax: 2 }, appendPatienceMs: 2_000 }
const idsOf = (tasks: readonly TaskRequest[]): string[] => tasks.map(({ taskId }) => taskId).sort()

/** Tasks accepted under the first epoch. */
function acceptedFirst({ commits, epochs }: LogFacts): string[] {
  const events = commits.filter(({ epoch }) => epoch === epochs[0]).flatMap((commit) => commit.events)
  return events.flatMap((event) => (event.type === 'task-accepted' ? [event.data.taskId as string] : []))
}

/** One trip to the disk fails. The same process opens the run again, or it ends and another one does. */
async function refusedAt(step: number): Promise<'hit' | 'past the end'> {
  const work = { place: { files: await folders.make() }, run, tasks: echoTasks(3) }
  const reopenings = step % 2
  const worker = await startEchoWorker(work.place)
  const eio = strace({ call: 'fdatasync', does: 'error=EIO', when: step })
  const coordinator = fleet.start('coordinator', { ...work, reopenings }, { through: eio, env: oneThread })
  const end = await coordinator.end()
  const wasHit = coordinator.said('failed').length > 0
  if (wasHit) {
    expect(coordinator.said('failed')).toEqual(['SYNC_FAILED'])
    expect(end).toBe(reopenings === 1 ? 0 : 3)
  }
  await finishRun(work)
  await worker.close()

  const facts = await logFacts(work.place, runId)
  expect(acceptedTasks(facts), `trip ${step}`).toEqual(idsOf(work.tasks))
  if (!wasHit) return 'past the end'
  // Nothing was acknowledged by the trip that failed, and everything by those before it.
  const failedAt = coordinator.lines.findIndex((line) => 'failed' in line)
  const before = coordinator.lines.slice(0, failedAt)
  if (before.some((line) => 'opened' in line)) expect(before.at(-1)).toEqual({ stopped: 'SYNC_FAILED' })
  const acknowledged = before.flatMap(({ accepted }) => (accepted === undefined ? [] : [accepted]))
  expect(acceptedFirst(facts)).toEqual(expect.arrayContaining(acknowledged))
  expect(coordinator.said('accepted')).toHaveLength(new Set(coordinator.said('accepted')).size)
  return 'hit'
}

it('acknowledges nothing that the disk refused to make durable, and goes on after reading the log again', async () => {
  expect(await sweep(refusedAt)).toBeGreaterThan(5)
}, 60_000)

it.each([1, 2, 3])('accepts once what a worker did whose trip %i to the disk with a receipt failed', async (when) => {
  const work = { place: { files: await folders.make() }, run, tasks: echoTasks(3) }
  const finished = finishRun(work)
  const eio = strace({ call: 'fdatasync', does: 'error=EIO', when })
  const worker = fleet.start('worker', { place: work.place }, { through: eio, env: oneThread })
  await finished
  expect((await worker.line('failed')).failed).toBe('SYNC_FAILED')
  const facts = await logFacts(work.place, runId)
  expect(acceptedTasks(facts)).toEqual(idsOf(work.tasks))
  expect(dataOf(facts, 'dispatched').map(({ attempt }) => attempt)).toEqual([1, 1, 1])
})

/** More than fits on the disk, in one commit. */
const inputCharacters = 10_000
const largeTasks = echoTasks(30).map((task) => ({ ...task, input: 'x'.repeat(inputCharacters) }))

async function makeDisk(): Promise<TinyDisk> {
  const disk = await tinyDisk(await folders.make(), 128 * 1024)
  disks.push(disk)
  return disk
}

const startOn = (disk: TinyDisk, appendPatienceMs = run.appendPatienceMs) => {
  const work = {
    place: { files: disk.dir },
    run: { ...run, appendPatienceMs },
    tasks: echoTasks(largeTasks.length),
    inputCharacters,
  }
  return fleet.start('coordinator', work, { through: disk.through })
}

it('stops with a typed error when the disk is full, and has taken in nothing by halves', async () => {
  const disk = await makeDisk()
  const coordinator = startOn(disk)
  expect(await coordinator.end()).toBe(3)
  expect(coordinator.said('failed')).toEqual(['ADAPTER_UNAVAILABLE'])
  expect(coordinator.said('details')).toMatchObject([{ systemCode: expect.stringMatching(/^(ENOSPC|EFBIG)$/) }])
  expect(coordinator.said('dispatched')).toEqual([])
  const { events } = await logFacts({ files: disk.dir }, runId)
  expect(events.filter(({ type }) => type === 'planned' || type === 'dispatched')).toEqual([])

  await disk.free()
  const worker = await startEchoWorker({ files: disk.dir })
  await finishRun({ place: { files: disk.dir }, run, tasks: largeTasks })
  await worker.close()
  const facts = await logFacts({ files: disk.dir }, runId)
  expect(acceptedTasks(facts)).toEqual(idsOf(largeTasks))
  expect(facts.epochs).toHaveLength(2)
}, 30_000)

it('goes on by itself when there is space again before it has given up', async (context) => {
  const disk = await makeDisk()
  // Its patience outlasts any pause of the machine before there is space again.
  const coordinator = startOn(disk, 600_000)
  await coordinator.line('opened')
  context.skip(disk.left === null, 'without a disk of our own there is only a limit that a process cannot get rid of')
  await vi.waitUntil(async () => (await disk.left?.()) === 0, { timeout: 10_000, interval: 5 })
  await disk.free()
  const worker = await startEchoWorker({ files: disk.dir })
  expect(await coordinator.end()).toBe(0)
  await worker.close()

  const facts = await logFacts({ files: disk.dir }, runId)
  expect(acceptedTasks(facts)).toEqual(idsOf(largeTasks))
  expect(facts.epochs).toHaveLength(1)
  expect(dataOf(facts, 'dispatched')).toHaveLength(largeTasks.length)
}, 30_000)
