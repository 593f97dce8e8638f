import type { Adapter, CommitRecord } from '@reprise/core/adapter'
import { eventually } from '../eventually.js'
import { codeOf } from '../outcome.js'
import { inOrder, messages, startReceiver } from '../sample-messages.js'
import { note, readAll, recordAfter, runId } from '../sample-records.js'
import type { Suite } from '../suite.js'

const run = runId('run-1')
const writersCount = 8
const commitsPerWriter = 20

/** Appends until it has won `commitsPerWriter` indexes, each time after what it has read. Returns what it won. */
async function competeForHead({ log }: Adapter, writer: number): Promise<CommitRecord[]> {
  const won: CommitRecord[] = []
  while (won.length < commitsPerWriter) {
    const head = await log.head(run)
    const previous = head === null ? null : { ...head, text: '' }
    const record = recordAfter(previous, note(`commit ${won.length} of writer ${writer}`))
    const code = await codeOf(() => log.append(run, record))
    if (code === 'ok') won.push(record)
    else if (code !== 'VERSION_CONFLICT') throw new Error(`An append ended with ${code}.`)
  }
  return won
}

export function concurrencySuite({ describe, it, expect }: Suite): void {
  describe('concurrency', () => {
    it(`gives ${writersCount} writers one history: no index twice, no acknowledged record lost`, async ({ open }) => {
      const adapters = await Promise.all(Array.from({ length: writersCount }, () => open()))
      const won = (await Promise.all(adapters.map(competeForHead))).flat()
      won.sort((a, b) => a.index - b.index)
      expect(won.map(({ index }) => index)).toEqual(
        Array.from({ length: writersCount * commitsPerWriter }, (_, i) => i),
      )
      const texts = won.map(({ text }) => text)
      for (const { log } of [...adapters, await open()])
        expect((await readAll(log, run)).join('\n')).toBe(texts.join('\n'))
    })

    it('lets exactly one of several different records have an index', async ({ open }) => {
      const adapters = await Promise.all(Array.from({ length: writersCount }, () => open()))
      let previous: CommitRecord | null = null
      for (let round = 0; round < 10; round++) {
        const rivals: CommitRecord[] = adapters.map((_, i) =>
          recordAfter(previous, note(`round ${round}, writer ${i}`)),
        )
        const codes = await Promise.all(
          rivals.map((record, i) => codeOf(async () => adapters[i]?.log.append(run, record))),
        )
        expect([...codes].sort()).toEqual([...Array(writersCount - 1).fill('VERSION_CONFLICT'), 'ok'])
        previous = rivals[codes.indexOf('ok')] ?? null
        const head = { index: previous?.index, hash: previous?.hash }
        for (const { log } of adapters) expect(await log.head(run)).toEqual(head)
      }
    })

    it('takes the same record from several at once as a success for each', async ({ open }) => {
      const adapters = await Promise.all(Array.from({ length: writersCount }, () => open()))
      const record = recordAfter(null, note('the same'))
      const twice = [...adapters, ...adapters]
      const codes = await Promise.all(twice.map(({ log }) => codeOf(() => log.append(run, record))))
      expect(codes).toEqual(twice.map(() => 'ok'))
      expect(await readAll(adapters[0]?.log ?? (await open()).log, run)).toEqual([record.text])
    })

    it('hands over everything that several send while others append', async ({ open }) => {
      const coordinator = await open()
      const receiver = startReceiver(coordinator, run)
      const senders = Array.from({ length: writersCount }, (_, i) => `worker-${i}`)
      const sendAll = async (sender: string): Promise<void> => {
        const { inbox } = await open()
        for (let from = 1; from <= 60; from += 3) await inbox.send(run, messages(sender, 3, from))
      }
      await Promise.all([...senders.map(sendAll), competeForHead(coordinator, 0)])
      await eventually('all messages are there', () => receiver.distinct().length >= senders.length * 60)
      for (const sender of senders) expect(inOrder(receiver.received, sender)).toBe(true)
      await receiver.stop()
    })
  })
}
