import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Delivery, TaskId } from '@reprise/core/adapter'
import { expect, it } from 'vitest'
import {
  anOffer,
  killWithTest,
  offersNamed,
  openParts,
  run,
  taskOf,
  temporaryFolder,
  until,
  worker,
} from './delivery-parts.js'

interface Told {
  readonly event: 'ready' | 'delivered' | 'aborted' | 'ended' | 'error'
  readonly task?: string
  readonly code?: string
  readonly deliveries?: number
}

const script = fileURLToPath(new URL('./fixtures/queue-worker.mjs', import.meta.url))

/** A worker in a process of its own, with what it has told. Killed with the test. */
async function startWorker(
  dir: string,
  workerId: string,
  claimTtlMs: number,
): Promise<{ process: ChildProcess; told: Told[] }> {
  const process = fork(script, [dir, workerId, String(claimTtlMs)], { execArgv: [] })
  killWithTest(process)
  const told: Told[] = []
  process.on('message', (message) => told.push(message as Told))
  await until(() => told.some(({ event }) => event === 'ready'), 'the start of the worker')
  return { process, told }
}

const count = (told: readonly Told[], event: Told['event']): number => told.filter((one) => one.event === event).length

it('claims of a worker that was killed are taken at once, however long its lease', async () => {
  const dir = temporaryFolder()
  const { queue } = openParts(dir)
  const { process, told } = await startWorker(dir, 'victim', 3_600_000)
  await queue.offer(offersNamed(6))
  await until(() => count(told, 'delivered') === 4)
  const taken = new Map<string, number>()
  const take = async (delivery: Delivery): Promise<void> => void taken.set(taskOf(delivery), delivery.deliveries)
  await queue.consume('default', take, worker('heir'))
  await until(() => taken.size === 2)
  const killedAt = performance.now()
  process.kill('SIGKILL')
  await until(() => taken.size === 6)
  expect(performance.now() - killedAt).toBeLessThan(10_000)
  expect([...taken.values()].sort()).toEqual([1, 1, 2, 2, 2, 2])
})

it('a worker that stood still beyond its lease loses its claims, and its handlers learn it', async () => {
  const dir = temporaryFolder()
  const { queue } = openParts(dir)
  const { process, told } = await startWorker(dir, 'sleeper', 600)
  await queue.offer([anOffer('a')])
  await until(() => count(told, 'delivered') === 1)
  process.kill('SIGSTOP')
  const counts: number[] = []
  const hold = async ({ deliveries, signal }: Delivery): Promise<void> => {
    counts.push(deliveries)
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
  }
  await queue.consume('default', hold, worker('heir'))
  await until(() => counts.length === 1)
  expect(counts).toEqual([2])
  process.kill('SIGCONT')
  await until(() => count(told, 'ended') === 1)
  expect(told).toContainEqual({ event: 'aborted', task: 'a', code: 'CLAIM_LOST' })
  // Its handler has ended, and that settles nothing: the attempt is in other hands.
  await queue.offer([anOffer('b')])
  await until(() => counts.length + count(told, 'delivered') >= 3)
  expect(await queue.locate(run, 'a' as TaskId, 1)).toMatchObject({ at: 'claimed', workerId: 'heir', deliveries: 2 })
  expect(count(told, 'error')).toBe(0)
})

/** The test lasts as long. A holder that stands still for less than two thirds of it has done nothing wrong. */
const holderTtlMs = 6_000

it('a worker that lives keeps its claims, whoever else looks for work', async () => {
  const dir = temporaryFolder()
  const { queue } = openParts(dir)
  const { told } = await startWorker(dir, 'holder', holderTtlMs)
  await queue.offer([anOffer('a')])
  await until(() => count(told, 'delivered') === 1)
  let others = 0
  await queue.consume('default', async () => void others++, worker('idler'))
  const heartbeats = new Set<string | undefined>()
  await until(async () => {
    const where = await queue.locate(run, 'a' as TaskId, 1)
    expect(where).toMatchObject({ at: 'claimed', workerId: 'holder', deliveries: 1 })
    if (where.at === 'claimed') heartbeats.add(where.heartbeatAt)
    return heartbeats.size > 3
  })
  expect(others).toBe(0)
})

it('what a chain of killed workers held is delivered to each once, counting', async () => {
  const dir = temporaryFolder()
  const { queue } = openParts(dir)
  await queue.offer([anOffer('poison')])
  for (let round = 1; round <= 3; round++) {
    const { process, told } = await startWorker(dir, `victim-${round}`, 3_600_000)
    await until(() => count(told, 'delivered') === 1)
    expect(told.at(-1)).toMatchObject({ task: 'poison', deliveries: round })
    process.kill('SIGKILL')
  }
})
