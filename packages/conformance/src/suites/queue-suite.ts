import { eventually, throughout } from '../eventually.js'
import { latch } from '../latch.js'
import { offerOf, startWorker } from '../sample-offers.js'
import { runId } from '../sample-records.js'
import type { Suite } from '../suite.js'

const many = 10_000

export function queueSuite({ describe, it, expect, ttlMs, longTtlMs }: Suite): void {
  const claimTtlMs = longTtlMs

  describe('queue', () => {
    it('hands over exactly what was offered, to a worker that was there before or comes later', async ({ open }) => {
      const [coordinator, early, late] = [await open(), await open(), await open()]
      const first = await startWorker(early, { claimTtlMs })
      const offers = [offerOf('a'), offerOf('b', { attempt: 7, body: '{"text":"\u2028 \ud83d\ude80"}' })]
      await coordinator.queue.offer(offers)
      await eventually('both are delivered', () => first.deliveries.length >= 2)
      expect(first.deliveries.map(({ offer }) => offer)).toEqual(offers)
      expect(first.deliveries.map(({ deliveries }) => deliveries)).toEqual([1, 1])
      await first.consumer.close()
      await coordinator.queue.offer([offerOf('c')])
      const second = await startWorker(late, { claimTtlMs })
      await eventually('the third is delivered', () => second.deliveries.length >= 1)
      expect(second.deliveries[0]?.offer).toEqual(offerOf('c'))
    })

    it('claims in the order of offering', async ({ open }) => {
      const [coordinator, worker] = [await open(), await open()]
      const ids = Array.from({ length: 60 }, (_, i) => `task-${i}`)
      await coordinator.queue.offer(ids.slice(0, 20).map((id) => offerOf(id)))
      for (const id of ids.slice(20, 40)) await coordinator.queue.offer([offerOf(id)])
      await coordinator.queue.offer(ids.slice(40).map((id) => offerOf(id)))
      const { taskIds } = await startWorker(worker, { claimTtlMs })
      await eventually('all are delivered', () => taskIds().length >= ids.length)
      expect(taskIds()).toEqual(ids)
    })

    it('takes an offer once, however often it is made, before and after the claim', async ({ open }) => {
      const [one, other, worker] = [await open(), await open(), await open()]
      for (const { queue } of [one, other, one]) await queue.offer([offerOf('a'), offerOf('b'), offerOf('a')])
      const done = latch()
      const { taskIds } = await startWorker(worker, { claimTtlMs, concurrency: 10 }, () => done.opened)
      await eventually('both are claimed', () => taskIds().length >= 2)
      for (const { queue } of [one, other]) await queue.offer([offerOf('a'), offerOf('b')])
      await one.queue.offer([offerOf('last')])
      await eventually('what was offered last is claimed', () => taskIds().includes('last'))
      done.open()
      expect(taskIds()).toEqual(['a', 'b', 'last'])
    })

    it('delivers each attempt of a task, and the same task id in each run', async ({ open }) => {
      const adapter = await open()
      const offers = [
        offerOf('a'),
        offerOf('a', { attempt: 2 }),
        offerOf('a', { runId: runId('run-2') }),
        offerOf('a', { attempt: 11 }),
      ]
      await adapter.queue.offer(offers)
      const { deliveries } = await startWorker(adapter, { claimTtlMs })
      await eventually('all four are delivered', () => deliveries.length >= 4)
      expect(deliveries.map(({ offer }) => offer)).toEqual(offers)
    })

    it('keeps lanes apart', async ({ open }) => {
      const [coordinator, worker] = [await open(), await open()]
      await coordinator.queue.offer([
        offerOf('a', { lane: 'fast' }),
        offerOf('b', { lane: 'slow' }),
        offerOf('c', { lane: 'fast' }),
        offerOf('d', { lane: 'nobody' }),
      ])
      const fast = await startWorker(worker, { claimTtlMs, lane: 'fast' })
      const slow = await startWorker(worker, { claimTtlMs, lane: 'slow' })
      await eventually('each lane is served', () => fast.deliveries.length >= 2 && slow.deliveries.length >= 1)
      expect([fast.taskIds(), slow.taskIds()]).toEqual([['a', 'c'], ['b']])
      expect(await coordinator.queue.locate(runId('run-1'), offerOf('d').taskId, 1)).toEqual({
        at: 'queued',
        deliveries: 0,
      })
    })

    it('runs as many handlers at once as it is allowed, and no more', async ({ open }) => {
      const adapter = await open()
      await adapter.queue.offer(Array.from({ length: 40 }, (_, i) => offerOf(`task-${i}`)))
      const start = latch()
      let [running, most] = [0, 0]
      const { deliveries } = await startWorker(adapter, { claimTtlMs, concurrency: 4 }, async () => {
        running++
        most = Math.max(most, running)
        await start.opened
        running--
      })
      await eventually('all slots are taken', () => running >= 4)
      await throughout('no more than the allowed handlers run', ttlMs, () => running === 4)
      start.open()
      await eventually('everything is done', () => deliveries.length >= 40 && running === 0)
      expect(most).toBe(4)
    })

    it('shares the work of a lane between workers, each attempt with one of them', async ({ open }) => {
      const [coordinator, one, other] = [await open(), await open(), await open()]
      const done = latch()
      const workers = [
        await startWorker(one, { claimTtlMs, concurrency: 3 }, () => done.opened),
        await startWorker(other, { claimTtlMs, concurrency: 3 }, () => done.opened),
      ]
      await coordinator.queue.offer(Array.from({ length: 6 }, (_, i) => offerOf(`task-${i}`)))
      const taskIds = (): string[] => workers.flatMap((worker) => worker.taskIds())
      await eventually('both have their hands full', () => taskIds().length >= 6)
      done.open()
      expect([...new Set(taskIds())].length).toBe(6)
    })

    it(`delivers ${many} attempts to three workers, each once`, async ({ open }) => {
      const [coordinator, ...adapters] = await Promise.all(Array.from({ length: 4 }, () => open()))
      const workers = await Promise.all(
        adapters.map((adapter) => startWorker(adapter, { claimTtlMs, concurrency: 16 })),
      )
      const padding = 'x'.repeat(250)
      const ids = Array.from({ length: many }, (_, i) => `task-${i}`)
      await coordinator?.queue.offer(ids.map((id) => offerOf(id, { body: JSON.stringify({ id, padding }) })))
      const count = (): number => workers.reduce((sum, { deliveries }) => sum + deliveries.length, 0)
      await eventually('everything is delivered', () => count() >= many, 50_000)
      expect(workers.flatMap((worker) => worker.taskIds()).sort()).toEqual(ids.sort())
    })

    it('takes an empty offer', async ({ open }) => {
      const { queue } = await open()
      await queue.offer([])
    })
  })
}
