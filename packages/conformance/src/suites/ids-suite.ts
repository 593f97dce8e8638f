import { eventually } from '../eventually.js'
import { collect } from '../outcome.js'
import { message, startReceiver } from '../sample-messages.js'
import { offerOf, startWorker } from '../sample-offers.js'
import { appendAll, history, readAll, runId, textsOf } from '../sample-records.js'
import type { Suite } from '../suite.js'

/** Legal run ids, lanes and worker ids that file systems, key spaces and subjects like to confuse. */
const plainIds = [
  ...['A', 'a', 'Abc', 'aBc', 'abc', 'a.b', 'a..b', 'a...', 'a.', 'a:b', 'a::b', 'a@b', 'a-b', 'a_b', 'a--', 'a.b.c'],
  ...['CON', 'con', 'NUL.txt', 'COM1', 'LPT9', 'AUX', 'PRN', '0', '1', '01', '1e3', 'log', 'log.jsonl', 'lock', 'tmp'],
  ...['constructor', 'toString', 'hasOwnProperty', 'a.tmp', 'a.lock', 'a.jsonl', '2f', 'a-2fb', 'null', 'undefined'],
]
const longIds = (length: number): string[] => [
  'x'.repeat(length),
  `${'x'.repeat(length - 1)}y`,
  `X${'x'.repeat(length - 1)}`,
]

/** Legal task ids: any printable Unicode, at most 512 bytes. */
const taskIds = [
  ...plainIds,
  ...[
    '/',
    '//',
    'a/b',
    '/etc/passwd',
    '../../etc/passwd',
    '..',
    '.',
    '~',
    'C:\\x',
    '\\\\host\\x',
    'a\\b',
    '-rf',
    '--help',
  ],
  ...[
    '*',
    '>',
    'a.*',
    'a.>',
    '$JS.API.>',
    '{tag}',
    '{a}b',
    'a b',
    ' a',
    'a ',
    ' ',
    '?',
    '[a-z]',
    '%2e%2e%2f',
    '%',
    '"',
    "'",
  ],
  ...[
    '__proto__',
    '<script>',
    '$(x)',
    '`x`',
    'a;b',
    'a|b',
    'a,b',
    '\u00fc',
    'u\u0308',
    '\u00df',
    'SS',
    '\u0130',
    '\u0131',
    '\u212a',
    'k',
    'K',
  ],
  ...['\u65e5\u672c\u8a9e', '\ud83d\ude80', '\ud83d\udc69\ud83d\udcbb', '\u05d0', '\uffff', '\ufdd0', '\u3000'],
  ...[
    't'.repeat(512),
    `${'t'.repeat(511)}u`,
    '\u00e9'.repeat(256),
    '\ud83d\ude80'.repeat(128),
    '/'.repeat(512),
    '.'.repeat(512),
  ],
]

export function idsSuite({ describe, it, expect, longTtlMs }: Suite): void {
  const runIds = [...plainIds, ...longIds(128)]

  describe('hostile ids', () => {
    it('keeps runs apart whose ids look alike', async ({ open }) => {
      const [one, other] = [await open(), await open()]
      for (const id of runIds) await appendAll(one.log, runId(id), history(2, id))
      for (const id of runIds) expect(await readAll(other.log, runId(id))).toEqual(textsOf(history(2, id)))
      expect((await collect(other.log.list())).sort()).toEqual([...runIds].sort())
      expect((await collect(other.log.list('a.'))).sort()).toEqual(runIds.filter((id) => id.startsWith('a.')).sort())
    })

    it('keeps the inboxes of such runs apart, and senders in them', async ({ open }) => {
      const adapter = await open()
      const senders = [
        'A',
        'a',
        'coordinator:host-1:4711:k3j',
        'command.host.4711.k3j',
        'CON',
        'a..b',
        'a-2fb',
        's'.repeat(200),
      ]
      for (const id of runIds) await adapter.inbox.send(runId(id), [message('worker-1', 1, JSON.stringify(id))])
      for (const sender of senders) await adapter.inbox.send(runId('senders'), [message(sender, 1), message(sender, 2)])
      for (const id of runIds) {
        const receiver = startReceiver(adapter, runId(id))
        await eventually(`the inbox of "${id}" has caught up`, () => receiver.caughtUp())
        expect(receiver.distinct()).toEqual([message('worker-1', 1, JSON.stringify(id))])
        await receiver.stop()
      }
      const receiver = startReceiver(adapter, runId('senders'))
      await eventually('all senders are heard', () => receiver.distinct().length >= 2 * senders.length)
      const heard = receiver.distinct().map(({ sender, seq }) => JSON.stringify([sender, seq]))
      expect(heard.sort()).toEqual(
        senders.flatMap((sender) => [1, 2].map((seq) => JSON.stringify([sender, seq]))).sort(),
      )
      await receiver.stop()
    })

    it('delivers, locates and withdraws tasks whatever they are called', async ({ open }) => {
      const adapter = await open()
      const withdrawn = new Set(taskIds.filter((_, i) => i % 7 === 3))
      await adapter.queue.offer(taskIds.map((id) => offerOf(id)))
      for (const id of taskIds) {
        const { runId: run, taskId } = offerOf(id)
        expect([id, await adapter.queue.locate(run, taskId, 1)]).toEqual([id, { at: 'queued', deliveries: 0 }])
        if (withdrawn.has(id)) await adapter.queue.withdraw(run, taskId, 1)
      }
      const worker = await startWorker(adapter, { claimTtlMs: longTtlMs })
      const expected = taskIds.filter((id) => !withdrawn.has(id))
      await eventually('all others are delivered', () => worker.deliveries.length >= expected.length)
      expect(worker.deliveries.map(({ offer }) => offer)).toEqual(expected.map((id) => offerOf(id)))
    })

    it('keeps lanes apart whose names look alike', async ({ open }) => {
      const [coordinator, adapter] = [await open(), await open()]
      const lanes = [...plainIds, ...longIds(64)]
      await coordinator.queue.offer(lanes.map((lane) => offerOf(`for ${lane}`, { lane })))
      for (const lane of lanes) {
        const worker = await startWorker(adapter, { claimTtlMs: longTtlMs, lane })
        await eventually(`lane "${lane}" is served`, () => worker.deliveries.length > 0)
        await worker.consumer.close({ drainMs: 1000 })
        expect(worker.taskIds()).toEqual([`for ${lane}`])
      }
    })

    it('tells workers apart whose ids look alike', async ({ open }) => {
      const adapter = await open()
      const workerIds = ['A', 'a', 'a..b', 'CON', 'con', 'a:b', 'a@b', ...longIds(128)]
      await adapter.queue.offer(workerIds.map((id) => offerOf(id)))
      for (const [i, workerId] of workerIds.entries()) {
        const worker = await startWorker(await open(), { claimTtlMs: longTtlMs, workerId }, () => new Promise(() => {}))
        await eventually(`worker "${workerId}" has a task`, () => worker.deliveries.length >= 1)
        const { runId: run, taskId } = offerOf(workerIds[i] ?? '')
        const found = await adapter.queue.locate(run, taskId, 1)
        expect(found.at === 'claimed' && found.workerId).toBe(workerId)
      }
    })

    it('keeps leases apart whose names look alike', async ({ open }) => {
      const { leases } = await open()
      const names = runIds.flatMap((id) => [`run/${id}`, `worker/${id}`])
      const holder = (name: string) => ({ id: `holder of ${name}`, host: 'elsewhere', pid: 1 })
      for (const name of names) {
        const answer = await leases.acquire(name, holder(name), longTtlMs)
        expect([name, answer.held]).toEqual([name, true])
      }
      const found = (await collect(leases.holders('run/'))).map((one) => [one.name, one.holder.id])
      const expected = runIds.map((id) => [`run/${id}`, `holder of run/${id}`])
      expect(found.sort()).toEqual(expected.sort())
    })
  })
}
