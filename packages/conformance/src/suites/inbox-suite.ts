import { eventually, within } from '../eventually.js'
import { latch } from '../latch.js'
import { inOrder, message, messages, startReceiver } from '../sample-messages.js'
import { runId } from '../sample-records.js'
import type { Suite } from '../suite.js'

const run = runId('run-1')

export function inboxSuite({ describe, it, expect }: Suite): void {
  describe('inbox', () => {
    it('hands over what was sent before and after the receiver began, byte for byte', async ({ open }) => {
      const [worker, coordinator] = [await open(), await open()]
      const [before, after] = [messages('worker-1', 3), messages('worker-1', 3, 4)]
      await worker.inbox.send(run, before)
      const receiver = startReceiver(coordinator, run)
      await eventually('the first are there', () => receiver.distinct().length >= 3)
      await worker.inbox.send(run, after)
      await eventually('all are there', () => receiver.distinct().length >= 6)
      expect(receiver.distinct()).toEqual([...before, ...after])
      await receiver.stop()
    })

    it('says that it has caught up, once even if nothing was ever sent', async ({ open }) => {
      const { inbox } = await open()
      const stop = new AbortController()
      const calls: [number, boolean][] = []
      const receiving = inbox.receive(
        run,
        async (batch, caughtUp) => {
          calls.push([batch.length, caughtUp])
        },
        stop.signal,
      )
      await eventually('the handler was called', () => calls.length > 0)
      expect(calls[0]).toEqual([0, true])
      stop.abort()
      await within('a receiver whose signal aborted', receiving)
    })

    it('says so only when everything sent before it began has been handed over', async ({ open }) => {
      const [worker, coordinator] = [await open(), await open()]
      for (let from = 1; from <= 500; from += 50) await worker.inbox.send(run, messages('worker-1', 50, from))
      let countWhenCaughtUp = 0
      const receiver = startReceiver(coordinator, run, async (_batch, caughtUp) => {
        if (caughtUp && countWhenCaughtUp === 0) countWhenCaughtUp = receiver.distinct().length
      })
      await eventually('it has caught up', () => countWhenCaughtUp > 0)
      expect(countWhenCaughtUp).toBe(500)
      await receiver.stop()
    })

    it('keeps the order of each of several senders', async ({ open }) => {
      const coordinator = await open()
      const senders = ['worker-1', 'worker-2', 'worker-3', 'worker-10']
      const receiver = startReceiver(coordinator, run)
      const sendAll = async (sender: string): Promise<void> => {
        const { inbox } = await open()
        for (let from = 1; from <= 100; from += 4) await inbox.send(run, messages(sender, 4, from))
      }
      await Promise.all(senders.map(sendAll))
      await eventually('all are there', () => receiver.distinct().length >= 400)
      for (const sender of senders) expect(inOrder(receiver.received, sender)).toBe(true)
      await receiver.stop()
    })

    it('keeps the order of sends that were not awaited', async ({ open }) => {
      const [worker, coordinator] = [await open(), await open()]
      await Promise.all(messages('worker-1', 50).map((one) => worker.inbox.send(run, [one])))
      const receiver = startReceiver(coordinator, run)
      await eventually('all are there', () => receiver.distinct().length >= 50)
      expect(inOrder(receiver.received, 'worker-1')).toBe(true)
      await receiver.stop()
    })

    it('takes a message that is sent again without disturbing the order', async ({ open }) => {
      const [worker, coordinator] = [await open(), await open()]
      const sent = messages('worker-1', 4)
      await worker.inbox.send(run, sent.slice(0, 2))
      await worker.inbox.send(run, sent.slice(0, 2))
      const receiver = startReceiver(coordinator, run)
      await worker.inbox.send(run, sent.slice(1))
      await eventually('all are there', () => receiver.distinct().length >= 4)
      expect(receiver.distinct()).toEqual(sent)
      expect(inOrder(receiver.received, 'worker-1')).toBe(true)
      await receiver.stop()
    })

    it('hands over again, in order, what its handler rejected', async ({ open }) => {
      const adapter = await open()
      await adapter.inbox.send(run, messages('worker-1', 5))
      let failures = 3
      const recorded: number[] = []
      const receiver = startReceiver(adapter, run, async (batch) => {
        if (batch.length > 0 && failures-- > 0) throw new Error('the append failed')
        recorded.push(...batch.map(({ seq }) => seq))
      })
      await eventually('all are recorded', () => recorded.includes(5))
      expect([...new Set(recorded)]).toEqual([1, 2, 3, 4, 5])
      expect(inOrder(receiver.received, 'worker-1')).toBe(true)
      await receiver.stop()
    })

    it('hands over to the next receiver what the last one rejected to the end', async ({ open }) => {
      const [one, other] = [await open(), await open()]
      await one.inbox.send(run, messages('worker-1', 5))
      const failing = startReceiver(one, run, () => Promise.reject(new Error('the append failed')))
      await eventually('the first has seen them', () => failing.received.length > 0)
      await within('a failing receiver', failing.stop())
      const receiver = startReceiver(other, run)
      await eventually('the second has them', () => receiver.distinct().length >= 5)
      expect(receiver.distinct()).toEqual(messages('worker-1', 5))
      await receiver.stop()
    })

    it('hands over one batch at a time, and ends only when the handler in progress has ended', async ({ open }) => {
      const adapter = await open()
      const done = latch()
      let [running, most, ended] = [0, 0, false]
      const receiver = startReceiver(adapter, run, async (batch) => {
        running++
        most = Math.max(most, running)
        if (batch.length > 0) await done.opened
        running--
      })
      await adapter.inbox.send(run, [message('worker-1', 1)])
      await eventually('the handler runs', () => receiver.received.length >= 1)
      await adapter.inbox.send(run, messages('worker-1', 3, 2))
      const stopping = receiver.stop().then(() => {
        ended = true
      })
      await adapter.inbox.send(run, messages('worker-2', 3))
      expect([running, ended]).toEqual([1, false])
      done.open()
      await within('the receiver', stopping)
      expect([running, most]).toEqual([0, 1])
    })

    it('does not hand over again what was acknowledged before a receiver ended', async ({ open }) => {
      const [worker, one, other] = [await open(), await open(), await open()]
      await worker.inbox.send(run, messages('worker-1', 20))
      const first = startReceiver(one, run)
      await eventually('the first has them all', () => first.distinct().length >= 20 && first.caughtUp())
      await within('the first receiver', first.stop())
      await worker.inbox.send(run, messages('worker-1', 1, 21))
      const second = startReceiver(other, run)
      await eventually('the second has the new one', () => second.received.length > 0 && second.caughtUp())
      expect(second.received).toEqual(messages('worker-1', 1, 21))
      await second.stop()
    })

    it('keeps the inboxes of runs apart', async ({ open }) => {
      const adapter = await open()
      const runs = ['run-1', 'run-2', 'run-10', 'run'].map(runId)
      for (const id of runs) await adapter.inbox.send(id, [message('worker-1', 1, JSON.stringify(id))])
      for (const id of runs) {
        const receiver = startReceiver(adapter, id)
        await eventually('it has caught up', () => receiver.caughtUp())
        expect(receiver.distinct()).toEqual([message('worker-1', 1, JSON.stringify(id))])
        await receiver.stop()
      }
    })
  })
}
