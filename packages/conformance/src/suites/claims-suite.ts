import type { Adapter, Whereabouts } from '@reprise/core/adapter'
import { eventually, throughout, within } from '../eventually.js'
import { latch } from '../latch.js'
import { reasonCode } from '../outcome.js'
import { offerOf, startWorker } from '../sample-offers.js'
import { runId } from '../sample-records.js'
import type { Suite } from '../suite.js'

const forever = (): Promise<void> => new Promise(() => {})

const locate = ({ queue }: Adapter, taskId: string): Promise<Whereabouts> =>
  queue.locate(runId('run-1'), offerOf(taskId).taskId, 1)

const withdraw = ({ queue }: Adapter, taskId: string): Promise<void> =>
  queue.withdraw(runId('run-1'), offerOf(taskId).taskId, 1)

export function claimsSuite({ describe, it, expect, ttlMs, longTtlMs }: Suite): void {
  const claimTtlMs = longTtlMs

  describe('claims', () => {
    it('hands over again what a killed worker held, and counts the delivery', async ({ open, openMortal }) => {
      const [coordinator, dead, heir] = [await open(), await openMortal(), await open()]
      await coordinator.queue.offer([offerOf('a'), offerOf('b')])
      const before = await startWorker(dead.adapter, { claimTtlMs: ttlMs, concurrency: 2 }, forever)
      await eventually('the first worker holds both', () => before.deliveries.length >= 2)
      await dead.kill()
      const after = await startWorker(heir, { claimTtlMs: ttlMs })
      await eventually('the second worker has both', () => after.deliveries.length >= 2)
      expect(after.taskIds().sort()).toEqual(['a', 'b'])
      expect(after.deliveries.map(({ deliveries }) => deliveries)).toEqual([2, 2])
      expect(after.deliveries.map(({ offer }) => offer.attempt)).toEqual([1, 1])
    })

    it('keeps a long task with the worker that is at it', async ({ open }) => {
      const [busy, idle] = [await open(), await open()]
      const done = latch()
      const working = await startWorker(busy, { claimTtlMs: 2 * ttlMs }, () => done.opened)
      await busy.queue.offer([offerOf('long')])
      await eventually('the task is claimed', () => working.deliveries.length >= 1)
      const waiting = await startWorker(idle, { claimTtlMs: 2 * ttlMs })
      const kept = () => waiting.deliveries.length === 0 && working.deliveries[0]?.signal.aborted === false
      await throughout('the first worker keeps the task', 6 * ttlMs, kept)
      done.open()
      await eventually('the task is settled', async () => (await locate(idle, 'long')).at === 'unknown')
      expect([working.deliveries.length, waiting.deliveries.length]).toEqual([1, 0])
    })

    it('hands over again what a handler rejected, and counts the delivery', async ({ open }) => {
      const adapter = await open()
      await adapter.queue.offer([offerOf('a')])
      const { deliveries } = await startWorker(adapter, { claimTtlMs }, async (delivery) => {
        if (delivery.deliveries < 3) throw new Error('not this time')
      })
      await eventually('the third delivery succeeds', async () => (await locate(adapter, 'a')).at === 'unknown')
      expect(deliveries.map((delivery) => delivery.deliveries)).toEqual([1, 2, 3])
    })

    it('lets other attempts through while one is rejected again and again', async ({ open }) => {
      const adapter = await open()
      await adapter.queue.offer([offerOf('bad'), offerOf('good-1'), offerOf('good-2')])
      const { taskIds } = await startWorker(adapter, { claimTtlMs }, async ({ offer }) => {
        if (offer.taskId === 'bad') throw new Error('never')
      })
      await eventually(
        'the good ones are delivered',
        () => taskIds().includes('good-1') && taskIds().includes('good-2'),
      )
    })

    it('says where an attempt is: unknown, queued, claimed by whom, queued again, settled', async ({ open }) => {
      const [coordinator, adapter] = [await open(), await open()]
      expect(await locate(coordinator, 'a')).toEqual({ at: 'unknown' })
      await coordinator.queue.offer([offerOf('a')])
      expect(await locate(coordinator, 'a')).toEqual({ at: 'queued', deliveries: 0 })
      const first = await startWorker(adapter, { claimTtlMs: ttlMs, workerId: 'worker-x' }, (delivery) => {
        delivery.progress({ done: 7, of: 9 })
        return forever()
      })
      await eventually('the claim is seen with its progress', async () => {
        const found = await locate(coordinator, 'a')
        return found.at === 'claimed' && JSON.stringify(found.progress) === '{"done":7,"of":9}'
      })
      const claimed = await locate(coordinator, 'a')
      expect(claimed.at === 'claimed' && [claimed.workerId, claimed.deliveries]).toEqual(['worker-x', 1])
      await first.consumer.close()
      await eventually('it is queued again', async () => (await locate(coordinator, 'a')).at === 'queued')
      await startWorker(adapter, { claimTtlMs })
      await eventually('it is settled', async () => (await locate(coordinator, 'a')).at === 'unknown')
    })

    it('never delivers an attempt that was withdrawn in time', async ({ open }) => {
      const [coordinator, worker] = [await open(), await open()]
      await coordinator.queue.offer([offerOf('a'), offerOf('b'), offerOf('c')])
      await withdraw(coordinator, 'b')
      expect(await locate(coordinator, 'b')).toEqual({ at: 'unknown' })
      const { taskIds } = await startWorker(worker, { claimTtlMs })
      await eventually('the others are delivered', () => taskIds().includes('c'))
      expect(taskIds()).toEqual(['a', 'c'])
    })

    it('aborts the handler of an attempt that is withdrawn, and does not deliver it again', async ({ open }) => {
      const [coordinator, worker] = [await open(), await open()]
      await coordinator.queue.offer([offerOf('a')])
      const { deliveries, taskIds } = await startWorker(worker, { claimTtlMs: ttlMs }, async ({ offer, signal }) => {
        if (offer.taskId !== 'a') return
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
        throw signal.reason
      })
      await eventually('it is claimed', () => deliveries.length >= 1)
      await withdraw(coordinator, 'a')
      await eventually('the handler is told', () => deliveries[0]?.signal.aborted === true)
      expect(reasonCode(deliveries[0]?.signal)).toBe('ATTEMPT_WITHDRAWN')
      await coordinator.queue.offer([offerOf('b')])
      await eventually('the next is delivered', () => taskIds().includes('b'))
      await throughout('the withdrawn one stays away', 3 * ttlMs, () => taskIds().join() === 'a,b')
    })

    it('takes the withdrawal of an attempt that is settled or was never offered', async ({ open }) => {
      const adapter = await open()
      await adapter.queue.offer([offerOf('a')])
      await startWorker(adapter, { claimTtlMs })
      await eventually('it is settled', async () => (await locate(adapter, 'a')).at === 'unknown')
      await withdraw(adapter, 'a')
      await withdraw(adapter, 'never')
    })

    it('drains on close: claims nothing more, waits for what runs, settles it', async ({ open }) => {
      const adapter = await open()
      const done = latch()
      await adapter.queue.offer([offerOf('a'), offerOf('b')])
      const { consumer, deliveries } = await startWorker(adapter, { claimTtlMs }, () => done.opened)
      await eventually('the first is claimed', () => deliveries.length >= 1)
      const closing = consumer.close({ drainMs: 20_000 })
      await throughout('the handler goes on undisturbed', ttlMs, () => deliveries[0]?.signal.aborted === false)
      done.open()
      await within('a drained close', closing)
      expect(deliveries.length).toBe(1)
      expect(await locate(adapter, 'a')).toEqual({ at: 'unknown' })
      expect(await locate(adapter, 'b')).toEqual({ at: 'queued', deliveries: 0 })
    })

    it('aborts and gives back what still runs when the time for draining is up', async ({ open }) => {
      const [one, other] = [await open(), await open()]
      await one.queue.offer([offerOf('a')])
      const { consumer, deliveries } = await startWorker(one, { claimTtlMs }, forever)
      await eventually('it is claimed', () => deliveries.length >= 1)
      await within('closing', consumer.close({ drainMs: 50 }))
      expect(reasonCode(deliveries[0]?.signal)).toBe('CLOSED')
      const heir = await startWorker(other, { claimTtlMs })
      await eventually('another worker has it', () => heir.deliveries.length >= 1)
    })

    it('gives back at once when closed without draining or when its signal aborts', async ({ open }) => {
      const [one, other] = [await open(), await open()]
      await one.queue.offer([offerOf('a')])
      const closed = await startWorker(one, { claimTtlMs }, forever)
      await eventually('it is claimed', () => closed.deliveries.length >= 1)
      await within('closing', closed.consumer.close())
      await within('closing twice', closed.consumer.close())
      expect(reasonCode(closed.deliveries[0]?.signal)).toBe('CLOSED')
      const controller = new AbortController()
      const aborted = await startWorker(one, { claimTtlMs, signal: controller.signal }, forever)
      await eventually('the second worker has it', () => aborted.deliveries.length >= 1)
      controller.abort()
      await eventually('its handler is told', () => reasonCode(aborted.deliveries[0]?.signal) === 'CLOSED')
      const heir = await startWorker(other, { claimTtlMs })
      await eventually('the third worker has it', () => heir.deliveries.length >= 1)
    })
  })
}
