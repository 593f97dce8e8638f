import {
  type Adapter,
  type CommitLog,
  type DeliveryHandler,
  type Inbox,
  type InboxHandler,
  type InboxMessage,
  type Leases,
  RepriseError,
  type RunId,
  type RunSummaries,
  type SnapshotStore,
} from '@reprise/core/adapter'
import { MemoryBackend, memoryAdapter } from '@reprise/core/testing'
import { describe, expect, it } from 'vitest'
import { testAdapter } from '../src/index.js'

type Break = (adapter: Adapter) => Adapter

/** Runs the test of the suite with this name on adapters that were broken, and says how it ended. */
async function outcome(name: string, broken: Break): Promise<'passed' | 'failed'> {
  const bodies = new Map<string, () => Promise<void>>()
  const create = async () => {
    const backend = new MemoryBackend()
    const open = async (): Promise<Adapter> => broken(memoryAdapter({ backend }))
    return { open, openMortal: () => Promise.reject(new Error('not needed here')) }
  }
  testAdapter(
    {
      name: 'broken',
      create,
      teardown: async () => {},
      capabilities: { artifacts: true, snapshots: true, summaries: true },
      ttlMs: 100,
    },
    { describe: (_name, body) => body(), it: (title, body) => bodies.set(title, body), expect },
  )
  const body = bodies.get(name)
  if (body === undefined) throw new Error(`The suite has no test "${name}".`)
  return body().then(
    () => 'passed' as const,
    () => 'failed' as const,
  )
}

const withLog =
  (change: (log: CommitLog) => Partial<CommitLog>): Break =>
  (adapter) => ({
    ...adapter,
    log: { ...adapter.log, ...change(adapter.log) },
  })

const withLeases =
  (change: (leases: Leases) => Partial<Leases>): Break =>
  (adapter) => ({
    ...adapter,
    leases: { ...adapter.leases, ...change(adapter.leases) },
  })

const withHandler =
  (change: (handler: DeliveryHandler) => DeliveryHandler): Break =>
  (adapter) => ({
    ...adapter,
    queue: {
      ...adapter.queue,
      consume: (lane, handler, options) => adapter.queue.consume(lane, change(handler), options),
    },
  })

const withInbox =
  (change: (inbox: Inbox) => Partial<Inbox>): Break =>
  (adapter) => ({
    ...adapter,
    inbox: { ...adapter.inbox, ...change(adapter.inbox) },
  })

const withReceiver =
  (change: (handler: InboxHandler) => InboxHandler): Break =>
  (adapter) => ({
    ...adapter,
    inbox: { ...adapter.inbox, receive: (run, handler, signal) => adapter.inbox.receive(run, change(handler), signal) },
  })

async function* mapTexts(batches: AsyncIterable<string[]>, map: (text: string) => string): AsyncIterable<string[]> {
  for await (const batch of batches) yield batch.map(map)
}

const withSnapshots =
  (change: (store: SnapshotStore, adapter: Adapter) => Partial<SnapshotStore>): Break =>
  (adapter) => {
    if (adapter.snapshots === undefined) throw new Error('The memory adapter keeps snapshots.')
    return { ...adapter, snapshots: { ...adapter.snapshots, ...change(adapter.snapshots, adapter) } }
  }

/** What a source gives until it fails. */
async function* asFarAsItGoes(pieces: AsyncIterable<string>): AsyncIterable<string> {
  try {
    yield* pieces
  } catch {}
}

const withSummaries =
  (change: (store: RunSummaries, adapter: Adapter) => Partial<RunSummaries>): Break =>
  (adapter) => {
    if (adapter.summaries === undefined) throw new Error('The memory adapter keeps summaries.')
    return { ...adapter, summaries: { ...adapter.summaries, ...change(adapter.summaries, adapter) } }
  }

const cases: readonly { what: string; broken: Break; foundBy: string }[] = [
  {
    what: 'keeps half a snapshot',
    foundBy: 'keeps the one before until the new one is whole, and if that fails on the way',
    broken: withSnapshots(({ save }) => ({ save: (run, pieces) => save(run, asFarAsItGoes(pieces)) })),
  },
  {
    what: 'keeps a snapshot of a run that was removed',
    foundBy: 'goes with the run when that is removed, also one that is on its way',
    broken: withSnapshots(({ save }) => ({ save: (run, pieces) => save(run, pieces).catch(() => {}) })),
  },
  {
    what: 'takes an old summary for one of the newest commit',
    foundBy: 'gives none once the log has gone on, whoever appended, until there is one of the new end',
    broken: withSummaries(({ put }, { log }) => ({
      put: async (run, head, text) => put(run, (await log.head(run)) ?? head, text),
    })),
  },
  {
    what: 'lists only runs that have a summary',
    foundBy: 'lists every run of a thousand once, with the summaries that there are, and by prefix',
    broken: withSummaries(({ list }) => ({
      list: async function* (prefix) {
        for await (const runs of list(prefix)) yield runs.filter(({ summary }) => summary !== null)
      },
    })),
  },
  {
    what: 'lets a conflicting append pass',
    foundBy: 'refuses another record at a taken index and changes nothing',
    broken: withLog((log) => ({ append: (run, record) => log.append(run, record).catch(() => {}) })),
  },
  {
    what: 'refuses a record that it holds',
    foundBy: 'takes the same record again as a success, at the head and below it, and stores it once',
    broken: withLog((log) => ({
      append: async (run, record) => {
        const head = await log.head(run)
        if (head !== null && record.index <= head.index) throw new RepriseError('VERSION_CONFLICT', 'It is taken.')
        await log.append(run, record)
      },
    })),
  },
  {
    what: 'remembers a head that others have moved',
    foundBy: 'names the newest record as the head, whichever adapter appended it',
    broken: withLog((log) => {
      const heads = new Map<RunId, ReturnType<CommitLog['head']>>()
      return {
        head: (run) => {
          const head = heads.get(run) ?? log.head(run)
          heads.set(run, head)
          return head
        },
      }
    }),
  },
  {
    what: 'parses records and writes them anew',
    foundBy: 'gives records back byte for byte, whatever is in them',
    broken: withLog((log) => ({
      read: (run, from) => mapTexts(log.read(run, from), (text) => JSON.stringify(JSON.parse(text))),
    })),
  },
  {
    what: 'normalizes Unicode',
    foundBy: 'gives records back byte for byte, whatever is in them',
    broken: withLog((log) => ({ read: (run, from) => mapTexts(log.read(run, from), (text) => text.normalize()) })),
  },
  {
    what: 'folds the case of run ids, as some file systems do',
    foundBy: 'keeps runs apart whose ids look alike',
    broken: withLog((log) => ({ append: (run, record) => log.append(run.toLowerCase() as RunId, record) })),
  },
  {
    what: 'removes open runs',
    foundBy: 'refuses to remove an open run and keeps it',
    broken: withLog(() => ({ remove: async () => {} })),
  },
  {
    what: 'answers after it was closed',
    foundBy: 'fails every method of every port with CLOSED',
    broken: withLog(() => ({ head: async () => null })),
  },
  {
    what: 'renews a lease that somebody else has',
    foundBy: 'takes a lease by force, and the earlier holder learns it',
    broken: withLeases(() => ({ renew: async () => true })),
  },
  {
    what: 'never gives a lease back',
    foundBy: 'frees a released lease, and nobody is said to have lost it',
    broken: withLeases(() => ({ release: async () => {} })),
  },
  {
    what: 'takes force for politeness',
    foundBy: 'takes a lease by force, and the earlier holder learns it',
    broken: withLeases((leases) => ({ acquire: (name, holder, ttlMs) => leases.acquire(name, holder, ttlMs) })),
  },
  {
    what: 'delivers attempts twice now and then',
    foundBy: 'delivers 10000 attempts to three workers, each once',
    broken: withHandler((handler) => async (delivery) => {
      if (delivery.offer.taskId === 'task-777') await handler(delivery)
      await handler(delivery)
    }),
  },
  {
    what: 'runs more handlers than it may',
    foundBy: 'runs as many handlers at once as it is allowed, and no more',
    broken: (adapter) => ({
      ...adapter,
      queue: {
        ...adapter.queue,
        consume: (lane, handler, options) =>
          adapter.queue.consume(lane, handler, { ...options, concurrency: options.concurrency + 1 }),
      },
    }),
  },
  {
    what: 'folds the case of lanes',
    foundBy: 'keeps lanes apart whose names look alike',
    broken: (adapter) => ({
      ...adapter,
      queue: {
        ...adapter.queue,
        offer: (offers) => adapter.queue.offer(offers.map((one) => ({ ...one, lane: one.lane.toLowerCase() }))),
        consume: (lane, handler, options) => adapter.queue.consume(lane.toLowerCase(), handler, options),
      },
    }),
  },
  {
    what: 'delivers what was withdrawn',
    foundBy: 'never delivers an attempt that was withdrawn in time',
    broken: (adapter) => ({ ...adapter, queue: { ...adapter.queue, withdraw: async () => {} } }),
  },
  {
    what: 'claims to have caught up too early',
    foundBy: 'says so only when everything sent before it began has been handed over',
    broken: withReceiver((handler) => (batch) => handler(batch, true)),
  },
  {
    what: 'hands over messages out of order',
    foundBy: 'hands over what was sent before and after the receiver began, byte for byte',
    broken: withReceiver((handler) => (batch, caughtUp) => handler([...batch].reverse(), caughtUp)),
  },
  {
    what: 'forgets acknowledgements',
    foundBy: 'does not hand over again what was acknowledged before a receiver ended',
    broken: withReceiver((handler) => async (batch, caughtUp) => {
      await handler(batch, caughtUp)
      if (batch.length > 0) throw new Error('forgotten')
    }),
  },
  {
    what: 'takes what it was asked to look at',
    foundBy: 'shows what was sent, byte for byte, again and again, and takes none of it',
    broken: withInbox((inbox) => {
      const taken = new Set<InboxMessage>()
      return {
        peek: async (run, max) => {
          const found = (await inbox.peek(run, max)).filter((message) => !taken.has(message))
          for (const message of found) taken.add(message)
          return found
        },
      }
    }),
  },
  {
    what: 'shows the newest messages instead of the oldest',
    foundBy: 'shows the oldest of each sender, in order, and at most as many as it was asked for',
    broken: withInbox((inbox) => ({ peek: async (run, max) => (await inbox.peek(run, 1_000)).slice(-max) })),
  },
  {
    what: 'goes on showing what was acknowledged',
    foundBy: 'soon shows no more what was acknowledged, while the receiver goes on and after it ended',
    broken: withInbox((inbox) => {
      const seen = new Map<string, InboxMessage>()
      return {
        send: async (run, batch) => {
          await inbox.send(run, batch)
          for (const message of batch) seen.set(`${message.seq} ${message.sender}`, message)
        },
        peek: async () => [...seen.values()],
      }
    }),
  },
  {
    what: 'hides what is in the hands of a receiver',
    foundBy: 'shows what is in the hands of a receiver, and does not disturb it',
    broken: withInbox((inbox) => {
      const held = new Set<InboxMessage>()
      return {
        receive: (run, handler, signal) =>
          inbox.receive(
            run,
            (batch, caughtUp) => {
              for (const message of batch) held.add(message)
              return handler(batch, caughtUp)
            },
            signal,
          ),
        peek: async (run, max) => (await inbox.peek(run, max)).filter((message) => !held.has(message)),
      }
    }),
  },
  {
    what: 'believes what a receipt says about an artifact',
    foundBy: 'refuses a claim with another size, digest or limit, or about nothing',
    broken: (adapter) => ({
      ...adapter,
      ...(adapter.artifacts && {
        artifacts: { ...adapter.artifacts, check: async (artifact) => ({ ok: true, artifact }) },
      }),
    }),
  },
]

describe('the suite finds an adapter that', () => {
  it.each(cases)('$what', async ({ foundBy, broken }) => {
    expect(await outcome(foundBy, (adapter) => adapter)).toBe('passed')
    expect(await outcome(foundBy, broken)).toBe('failed')
  })
})
