import type {
  Adapter,
  ArtifactStore,
  CommitLog,
  Inbox,
  Lease,
  Leases,
  RunSummaries,
  SnapshotStore,
  TaskQueue,
} from '@reprise/core/adapter'
import { eventually, within } from '../eventually.js'
import { codeOf, collect, reasonCode } from '../outcome.js'
import { message, startReceiver } from '../sample-messages.js'
import { offerOf, startWorker } from '../sample-offers.js'
import { appendAll, history, runId } from '../sample-records.js'
import type { Suite } from '../suite.js'

const run = runId('run-1')
const taskId = offerOf('a').taskId
const lease: Lease = {
  held: true,
  name: 'run/run-1',
  holder: { id: 'a', host: 'elsewhere', pid: 1 },
  ttlMs: 1000,
  nonce: '1',
}
const stored = { path: 'nowhere', sha256: '0'.repeat(64), bytes: 0 }

type Calls<Port> = { [Method in keyof Port]: (port: Port) => Promise<unknown> }

// A method that is added to a port is missing here: the compiler says so.
const logCalls: Calls<CommitLog> = {
  append: (log) => appendAll(log, run, history(1)),
  read: (log) => collect(log.read(run)),
  head: (log) => log.head(run),
  watch: (log) => collect(log.watch(run, 0, new AbortController().signal)),
  list: (log) => collect(log.list()),
  remove: (log) => log.remove(run),
}
const leaseCalls: Calls<Leases> = {
  acquire: (leases) => leases.acquire(lease.name, lease.holder, lease.ttlMs),
  renew: (leases) => leases.renew(lease),
  release: (leases) => leases.release(lease),
  holders: (leases) => collect(leases.holders('')),
}
const queueCalls: Calls<TaskQueue> = {
  offer: (queue) => queue.offer([offerOf('a')]),
  consume: (queue) => queue.consume('default', async () => {}, { workerId: 'w', concurrency: 1, claimTtlMs: 1000 }),
  withdraw: (queue) => queue.withdraw(run, taskId, 1),
  locate: (queue) => queue.locate(run, taskId, 1),
}
const inboxCalls: Calls<Inbox> = {
  send: (inbox) => inbox.send(run, [message('worker-1', 1)]),
  peek: (inbox) => inbox.peek(run, 1),
  receive: (inbox) => inbox.receive(run, async () => {}, new AbortController().signal),
}
const artifactCalls: Calls<ArtifactStore> = {
  put: (artifacts) => artifacts.put(collectNothing(), 1),
  check: (artifacts) => artifacts.check(stored, 1),
  read: (artifacts) => collect(artifacts.read(stored)),
}

const snapshotCalls: Calls<SnapshotStore> = {
  load: (snapshots) => collect(snapshots.load(run)),
  save: (snapshots) => snapshots.save(run, collectNothing()),
}

const summaryCalls: Calls<RunSummaries> = {
  put: (summaries) => summaries.put(run, { index: 0, hash: '0'.repeat(64) }, '{}'),
  list: (summaries) => collect(summaries.list()),
}

async function* collectNothing(): AsyncIterable<never> {}

async function codesOf<Port>(port: Port, calls: Calls<Port>): Promise<Record<string, string>> {
  const codes: Record<string, string> = {}
  for (const method of Object.keys(calls) as (keyof Port & string)[]) {
    codes[method] = await within(
      `${method} on a closed adapter`,
      codeOf(async () => calls[method](port)),
    )
  }
  return codes
}

const allClosed = (calls: object): Record<string, string> =>
  Object.fromEntries(Object.keys(calls).map((method) => [method, 'CLOSED']))

export function closingSuite({ describe, it, expect, longTtlMs }: Suite): void {
  const closed = async (open: () => Promise<Adapter>): Promise<Adapter> => {
    const adapter = await open()
    await adapter.close()
    return adapter
  }

  describe('closing', () => {
    it('fails every method of every port with CLOSED', async ({ open }) => {
      const adapter = await closed(open)
      expect(await codesOf(adapter.log, logCalls)).toEqual(allClosed(logCalls))
      expect(await codesOf(adapter.leases, leaseCalls)).toEqual(allClosed(leaseCalls))
      expect(await codesOf(adapter.queue, queueCalls)).toEqual(allClosed(queueCalls))
      expect(await codesOf(adapter.inbox, inboxCalls)).toEqual(allClosed(inboxCalls))
      if (adapter.artifacts !== undefined) {
        expect(await codesOf(adapter.artifacts, artifactCalls)).toEqual(allClosed(artifactCalls))
      }
      if (adapter.snapshots !== undefined) {
        expect(await codesOf(adapter.snapshots, snapshotCalls)).toEqual(allClosed(snapshotCalls))
      }
      if (adapter.summaries !== undefined) {
        expect(await codesOf(adapter.summaries, summaryCalls)).toEqual(allClosed(summaryCalls))
      }
      const { stored } = adapter.log
      if (stored !== undefined) expect(await codeOf(() => collect(stored.call(adapter.log, run)))).toBe('CLOSED')
      expect(await codeOf(() => adapter.diagnose())).toBe('CLOSED')
    })

    it('can be repeated', async ({ open }) => {
      const adapter = await closed(open)
      await Promise.all([adapter.close(), adapter.close()])
    })

    it('ends watches and receivers without an error', async ({ open }) => {
      const adapter = await open()
      const watching = collect(adapter.log.watch(run, 0, new AbortController().signal))
      const receiver = startReceiver(adapter, run)
      await eventually('the receiver is at work', () => receiver.caughtUp())
      await within('closing', adapter.close())
      expect(await within('the watch', watching)).toEqual([])
      await within('the receiver', receiver.stop())
    })

    it('aborts what its workers do and gives it back to others at once', async ({ open }) => {
      const [closing, other] = [await open(), await open()]
      await closing.queue.offer([offerOf('a')])
      const first = await startWorker(closing, { claimTtlMs: longTtlMs }, () => new Promise(() => {}))
      await eventually('it is claimed', () => first.deliveries.length >= 1)
      await within('closing', closing.close())
      expect(reasonCode(first.deliveries[0]?.signal)).toBe('CLOSED')
      await within('closing its consumer afterwards', first.consumer.close())
      const heir = await startWorker(other, { claimTtlMs: longTtlMs })
      await eventually('another worker has it', () => heir.deliveries.length >= 1)
    })

    it('keeps what was done, and leaves other adapters alone', async ({ open }) => {
      const [closing, other] = [await open(), await open()]
      await appendAll(closing.log, run, history(3))
      await closing.inbox.send(run, [message('worker-1', 1)])
      await closing.queue.offer([offerOf('a')])
      await closing.close()
      expect((await other.log.head(run))?.index).toBe(2)
      expect(await other.queue.locate(run, taskId, 1)).toEqual({ at: 'queued', deliveries: 0 })
      const receiver = startReceiver(other, run)
      await eventually('the message is there', () => receiver.received.length >= 1)
      await receiver.stop()
    })

    it('tells before it is closed what an acknowledged commit survives', async ({ open }) => {
      const adapter = await open()
      const { durable, findings } = await adapter.diagnose()
      expect(['process', 'os', 'failover', 'nothing'].includes(durable)).toBe(true)
      for (const { name, message: text } of findings)
        expect([/^[a-z0-9-]+$/.test(name), text.length > 0]).toEqual([true, true])
    })
  })
}
