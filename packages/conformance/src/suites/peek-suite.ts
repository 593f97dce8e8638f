import { eventually, within } from '../eventually.js'
import { latch } from '../latch.js'
import { codeOf } from '../outcome.js'
import { inOrder, message, messages, startReceiver } from '../sample-messages.js'
import { runId } from '../sample-records.js'
import type { Suite } from '../suite.js'

const run = runId('run-1')

export function peekSuite({ describe, it, expect }: Suite): void {
  describe('a look into an inbox', () => {
    it('finds nothing for a run that nobody ever heard of', async ({ open }) => {
      const { inbox } = await open()
      expect(await inbox.peek(runId('nobody'), 1_000)).toEqual([])
    })

    it('shows what was sent, byte for byte, again and again, and takes none of it', async ({ open }) => {
      const [worker, outsider] = [await open(), await open()]
      const sent = [...messages('worker-1', 3), message('worker-1', 4, '"line\n\\n \u2028 ﬁ 𝄞"')]
      await worker.inbox.send(run, sent)
      expect(await outsider.inbox.peek(run, 10)).toEqual(sent)
      expect(await outsider.inbox.peek(run, 10)).toEqual(sent)
      const receiver = startReceiver(await open(), run)
      await eventually('all are handed over', () => receiver.distinct().length >= 4)
      expect(receiver.distinct()).toEqual(sent)
      await receiver.stop()
    })

    it('shows the oldest of each sender, in order, and at most as many as it was asked for', async ({ open }) => {
      const adapter = await open()
      for (let from = 1; from <= 40; from += 10) {
        for (const sender of ['worker-1', 'worker-2', 'worker-3']) {
          await adapter.inbox.send(run, messages(sender, 10, from))
        }
      }
      for (const max of [1, 7, 119, 120, 1_000]) {
        const found = await adapter.inbox.peek(run, max)
        expect(found.length).toBe(Math.min(max, 120))
        for (const sender of ['worker-1', 'worker-2', 'worker-3']) expect(inOrder(found, sender)).toBe(true)
      }
    })

    it('shows a message once that was sent twice', async ({ open }) => {
      const { inbox } = await open()
      await inbox.send(run, messages('worker-1', 3))
      await inbox.send(run, messages('worker-1', 3))
      expect(await inbox.peek(run, 10)).toEqual(messages('worker-1', 3))
    })

    it('shows the largest messages there can be', async ({ open }) => {
      const { inbox } = await open()
      const body = JSON.stringify('x'.repeat(448 * 1024 - 2))
      const sent = Array.from({ length: 20 }, (_, i) => message('worker-1', i + 1, body))
      await inbox.send(run, sent)
      const found = await inbox.peek(run, 1_000)
      expect(found.map(({ seq, body: { length } }) => [seq, length])).toEqual(sent.map(({ seq }) => [seq, body.length]))
    })

    it('shows what is in the hands of a receiver, and does not disturb it', async ({ open }) => {
      const [worker, coordinator, outsider] = [await open(), await open(), await open()]
      const done = latch()
      await worker.inbox.send(run, messages('worker-1', 5))
      const receiver = startReceiver(coordinator, run, (batch) => (batch.length > 0 ? done.opened : Promise.resolve()))
      await eventually('it has some', () => receiver.received.length > 0)
      expect(await outsider.inbox.peek(run, 10)).toEqual(messages('worker-1', 5))
      // The one who receives may look as well.
      expect(await coordinator.inbox.peek(run, 10)).toEqual(messages('worker-1', 5))
      done.open()
      await worker.inbox.send(run, messages('worker-1', 5, 6))
      await eventually('it has all', () => receiver.distinct().length >= 10)
      expect(receiver.distinct()).toEqual(messages('worker-1', 10))
      expect(inOrder(receiver.received, 'worker-1')).toBe(true)
      await receiver.stop()
    })

    it('soon shows no more what was acknowledged, while the receiver goes on and after it ended', async ({ open }) => {
      const [worker, coordinator, outsider] = [await open(), await open(), await open()]
      const receiver = startReceiver(coordinator, run)
      await worker.inbox.send(run, messages('worker-1', 20))
      await worker.inbox.send(run, messages('worker-2', 20))
      await eventually('it has all', () => receiver.distinct().length >= 40)
      await eventually('none is left', async () => (await outsider.inbox.peek(run, 1_000)).length === 0)
      await within('the receiver', receiver.stop())
      await worker.inbox.send(run, messages('worker-1', 2, 21))
      expect(await outsider.inbox.peek(run, 1_000)).toEqual(messages('worker-1', 2, 21))
    })

    it('keeps the inboxes of runs apart whose ids look alike', async ({ open }) => {
      const { inbox } = await open()
      const runs = ['run-1', 'run-2', 'run-10', 'run', 'Run-1', 'run*'].map(runId)
      for (const id of runs) await inbox.send(id, [message('worker-1', 1, JSON.stringify(id))])
      for (const id of runs) expect(await inbox.peek(id, 10)).toEqual([message('worker-1', 1, JSON.stringify(id))])
    })

    it('refuses a number of messages that is none from 1 to 1,000', async ({ open }) => {
      const { inbox } = await open()
      for (const max of [0, -1, 1.5, 1_001, Number.NaN, Number.POSITIVE_INFINITY]) {
        expect(await codeOf(() => inbox.peek(run, max))).toBe('INVALID_INPUT')
      }
    })

    it('shows what was in the hands of a receiver that was killed, and what came since', async ({
      open,
      openMortal,
    }) => {
      const [worker, dying] = [await open(), await openMortal()]
      await worker.inbox.send(run, messages('worker-1', 5))
      const forever = new Promise<void>(() => {})
      const receiver = startReceiver(dying.adapter, run, (batch) => (batch.length > 0 ? forever : Promise.resolve()))
      await eventually('it has some', () => receiver.received.length > 0)
      // Nobody will ever hear how this ended.
      dying.adapter.inbox.peek(run, 1_000).catch(() => {})
      await dying.kill()
      await worker.inbox.send(run, messages('worker-1', 1, 6))
      const heir = await open()
      expect(await heir.inbox.peek(run, 1_000)).toEqual(messages('worker-1', 6))
      const next = startReceiver(heir, run)
      await eventually('the next receiver has all', () => next.distinct().length >= 6)
      await next.stop()
    })
  })
}
