import { eventually, throughout } from '../eventually.js'
import { collect } from '../outcome.js'
import { inOrder, messages, startReceiver } from '../sample-messages.js'
import { offerOf, startWorker } from '../sample-offers.js'
import { history, note, readAll, recordAfter, runId, textsOf } from '../sample-records.js'
import type { Suite } from '../suite.js'

const run = runId('run-1')
const forever = (): Promise<void> => new Promise(() => {})

export function crashSuite({ describe, it, expect, ttlMs, capabilities }: Suite): void {
  describe('after a crash', () => {
    it('has every commit that was appended, and takes the next', async ({ open, openMortal }) => {
      const records = history(5)
      for (const record of records) {
        const dying = await openMortal()
        await dying.adapter.log.append(run, record)
        await dying.kill()
      }
      const heir = await open()
      expect(await readAll(heir.log, run)).toEqual(textsOf(records))
      await heir.log.append(run, recordAfter(records.at(-1) ?? null, note('next')))
      expect((await heir.log.head(run))?.index).toBe(5)
    })

    it('learns the outcome of an append that was in flight by making it again', async ({ open, openMortal }) => {
      const records = history(5)
      for (const record of records) {
        const dying = await openMortal()
        // Nobody will ever hear how this ended.
        dying.adapter.log.append(run, record).catch(() => {})
        await dying.kill()
        await (await open()).log.append(run, record)
      }
      expect(await readAll((await open()).log, run)).toEqual(textsOf(records))
    })

    it('delivers what was offered', async ({ open, openMortal }) => {
      const dying = await openMortal()
      await dying.adapter.queue.offer([offerOf('a'), offerOf('b')])
      await dying.kill()
      const heir = await open()
      await heir.queue.offer([offerOf('a'), offerOf('b')])
      const worker = await startWorker(heir, { claimTtlMs: ttlMs })
      await eventually('both are delivered', () => worker.deliveries.length >= 2)
      expect(worker.taskIds()).toEqual(['a', 'b'])
    })

    it('delivers again what was claimed, though the coordinator offers it again meanwhile', async ({
      open,
      openMortal,
    }) => {
      const [coordinator, dying] = [await open(), await openMortal()]
      await coordinator.queue.offer([offerOf('a')])
      const first = await startWorker(dying.adapter, { claimTtlMs: ttlMs }, forever)
      await eventually('it is claimed', () => first.deliveries.length >= 1)
      await dying.kill()
      const heir = await open()
      await heir.queue.offer([offerOf('a')])
      const second = await startWorker(heir, { claimTtlMs: ttlMs })
      await eventually('it is delivered again', () => second.deliveries.length >= 1)
      await throughout('it is delivered once more only', 3 * ttlMs, () => second.deliveries.length === 1)
      expect(second.deliveries[0]?.deliveries).toBe(2)
    })

    it('delivers again and again what kills every worker, and counts', async ({ open, openMortal }) => {
      const coordinator = await open()
      await coordinator.queue.offer([offerOf('poison')])
      const dead: string[] = []
      for (let generation = 1; generation <= 3; generation++) {
        const dying = await openMortal()
        const workerId = `dying-${generation}`
        const worker = await startWorker(dying.adapter, { claimTtlMs: ttlMs, workerId }, forever)
        await eventually(`delivery ${generation} is made`, () => worker.deliveries.length >= 1)
        const [delivery] = worker.deliveries
        expect(delivery?.deliveries).toBe(generation)
        expect(delivery?.earlierWorkers).toEqual(capabilities.earlierWorkers === true ? dead : null)
        dead.push(workerId)
        await dying.kill()
      }
    })

    it('does not deliver again what was settled', async ({ open, openMortal }) => {
      const [coordinator, dying] = [await open(), await openMortal()]
      await coordinator.queue.offer([offerOf('a'), offerOf('b')])
      const first = await startWorker(dying.adapter, { claimTtlMs: ttlMs })
      await eventually('both are settled', async () => {
        const found = await Promise.all(['a', 'b'].map((id) => coordinator.queue.locate(run, offerOf(id).taskId, 1)))
        return found.every(({ at }) => at === 'unknown')
      })
      await dying.kill()
      expect(first.taskIds()).toEqual(['a', 'b'])
      const second = await startWorker(await open(), { claimTtlMs: ttlMs })
      await coordinator.queue.offer([offerOf('c')])
      await eventually('the next is delivered', () => second.deliveries.length > 0)
      await throughout('the settled ones stay away', 3 * ttlMs, () => second.taskIds().join() === 'c')
    })

    it('hands over what was sent', async ({ open, openMortal }) => {
      for (let seq = 1; seq <= 5; seq++) {
        const dying = await openMortal()
        await dying.adapter.inbox.send(run, messages('worker-1', 1, seq))
        await dying.kill()
      }
      const receiver = startReceiver(await open(), run)
      await eventually('all are there', () => receiver.distinct().length >= 5)
      expect(receiver.distinct()).toEqual(messages('worker-1', 5))
      await receiver.stop()
    })

    it('hands over again what was in the hands of the receiver that died', async ({ open, openMortal }) => {
      const [worker, dying] = [await open(), await openMortal()]
      await worker.inbox.send(run, messages('worker-1', 5))
      const first = startReceiver(dying.adapter, run, (batch) => (batch.length > 0 ? forever() : Promise.resolve()))
      await eventually('the first has some', () => first.received.length > 0)
      await dying.kill()
      await worker.inbox.send(run, messages('worker-1', 5, 6))
      const second = startReceiver(await open(), run)
      await eventually('the second has all', () => second.distinct().length >= 10)
      expect(second.distinct()).toEqual(messages('worker-1', 10))
      expect(inOrder(second.received, 'worker-1')).toBe(true)
      await second.stop()
    })

    it('loses no message between a receiver that dies after recording some and the next', async ({
      open,
      openMortal,
    }) => {
      const [worker, dying] = [await open(), await openMortal()]
      const recorded = new Set<number>()
      for (let from = 1; from <= 100; from += 10) await worker.inbox.send(run, messages('worker-1', 10, from))
      const first = startReceiver(dying.adapter, run, async (batch) => {
        for (const { seq } of batch) recorded.add(seq)
      })
      await eventually('the first has recorded some', () => recorded.size > 0)
      await dying.kill()
      await worker.inbox.send(run, messages('worker-1', 10, 101))
      const second = startReceiver(await open(), run, async (batch) => {
        for (const { seq } of batch) recorded.add(seq)
      })
      await eventually('all are recorded', () => recorded.size >= 110)
      expect(inOrder([...first.received, ...second.received], 'worker-1')).toBe(true)
      await second.stop()
    })

    if (!capabilities.artifacts) return

    it('has every artifact that was put', async ({ open, openMortal }) => {
      const dying = await openMortal()
      const content = Buffer.from('kept')
      const source = async function* (): AsyncIterable<Uint8Array> {
        yield content
      }
      const stored = await dying.adapter.artifacts?.put(source(), 100)
      await dying.kill()
      const { artifacts } = await open()
      if (stored === undefined || artifacts === undefined) throw new Error('There is no artifact store.')
      expect(await artifacts.check(stored, 100)).toEqual({ ok: true, artifact: stored })
      expect(Buffer.concat(await collect(artifacts.read(stored))).toString()).toBe('kept')
    })
  })
}
