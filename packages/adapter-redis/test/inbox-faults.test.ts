import type { InboxHandler, InboxMessage } from '@reprise/core/adapter'
import { describe, expect, it } from 'vitest'
import type { RedisAdapter } from '../src/index.js'
import { redisKeys } from '../src/keys.js'
import { withDeadline } from './deadlines.js'
import { redisFixture } from './redis-fixture.js'
import { appendAll, codeOf, completedEvent, eventually, history, recordAfter, runId } from './redis-history.js'

const run = runId('run-1')
const fixture = redisFixture({ private: true, settings: { appendfsync: 'always' } })
const key = () => redisKeys(fixture.prefix).inbox(run)

const message = (seq: number, body = `{"seq":${seq}}`, sender = 'worker-1'): InboxMessage => ({
  ...{ sender, seq, kind: 'receipt', body },
})
const messages = (count: number, from = 1): InboxMessage[] => Array.from({ length: count }, (_, i) => message(from + i))

function startReceiver(adapter: RedisAdapter, handler: InboxHandler = async () => {}) {
  const stop = new AbortController()
  const received: InboxMessage[] = []
  const receiving = adapter.inbox.receive(
    run,
    (batch, caughtUp) => {
      received.push(...batch)
      return handler(batch, caughtUp)
    },
    stop.signal,
  )
  const seqs = () => [...new Set(received.map(({ seq }) => seq))]
  return {
    received,
    seqs,
    stop: () => {
      stop.abort()
      return receiving
    },
  }
}

/** Each is the next one, or one that was handed over before. */
function isInOrder(received: readonly InboxMessage[]): boolean {
  let last = 0
  return received.every(({ seq }) => {
    const isNext = seq <= last + 1
    last = Math.max(last, seq)
    return isNext
  })
}

describe('the inbox', () => {
  it.each(['toServer', 'toClient'] as const)(
    'loses nothing and keeps the order when cut at any byte %s',
    async (direction) => {
      const { proxy, adapter } = await fixture.openBehindProxy()
      const receiver = startReceiver(adapter)
      // A cut waits until its byte comes, in whichever exchange that is.
      const [cutsWanted, step] = direction === 'toServer' ? [30, 61] : [30, 7]
      let sent = 0
      while (proxy.cuts < cutsWanted && sent < 3_000) {
        if (!proxy.cutPending) proxy.cutAfter(1 + proxy.cuts * step, direction)
        await Promise.all([
          adapter.inbox.send(run, [message(sent + 1)]),
          adapter.inbox.send(run, messages(2, sent + 2)),
        ])
        sent += 3
      }
      expect(proxy.cuts).toBe(cutsWanted)
      await eventually('all have come', () => receiver.seqs().length >= sent)
      // Those that went out twice as well.
      await eventually('all are trimmed', async () => (await fixture.raw.xlen(key())) === 0)
      expect(isInOrder(receiver.received)).toBe(true)
      await receiver.stop()
      expect(proxy.connectionsTotal).toBeGreaterThan(5)
    },
  )

  it('hands over again what was sent without a reply, and the sender is told that it does not know', async () => {
    const { proxy, adapter } = await fixture.openBehindProxy()
    await adapter.inbox.send(run, messages(1))
    const end = proxy.swallow('toClient')
    const code = await withDeadline(400, () => codeOf(() => adapter.inbox.send(run, messages(1, 2))))
    expect(code).toBe('ADAPTER_UNAVAILABLE')
    end()
    await adapter.inbox.send(run, messages(2, 2))
    const receiver = startReceiver(await fixture.open())
    await eventually('all have come', () => receiver.seqs().length >= 3)
    expect(isInOrder(receiver.received)).toBe(true)
    await receiver.stop()
  })

  it('trims only what a handler has taken', async () => {
    const adapter = await fixture.open()
    await adapter.inbox.send(run, messages(5))
    let take = (): void => {}
    const taken = new Promise<void>((resolve) => {
      take = resolve
    })
    const receiver = startReceiver(adapter, (batch) => (batch.length > 0 ? taken : Promise.resolve()))
    await eventually('the handler has them', () => receiver.received.length === 5)
    await adapter.inbox.send(run, messages(5, 6))
    expect(await fixture.raw.xlen(key())).toBe(10)
    take()
    await eventually('the rest has come', () => receiver.received.length === 10)
    await receiver.stop()
    expect(await fixture.raw.xlen(key())).toBe(0)
  })

  it('goes on after the server was killed and started again, in the middle of a stream of messages', async () => {
    const [worker, coordinator] = [await fixture.open(), await fixture.open()]
    const receiver = startReceiver(coordinator)
    let [sent, restarts] = [0, 0]
    const sending = (async () => {
      // Until the last restart is over, however fast the sending is.
      while (sent < 120 || restarts < 2) {
        while ((await codeOf(() => worker.inbox.send(run, messages(1, sent + 1)))) !== 'ok');
        sent++
      }
    })()
    for (const count of [20, 70]) {
      await eventually(`${count} have come`, () => receiver.seqs().length >= count)
      await fixture.server.kill()
      await fixture.server.restart()
      restarts++
    }
    await sending
    await eventually('all have come', () => receiver.seqs().length >= sent)
    expect(isInOrder(receiver.received)).toBe(true)
    await receiver.stop()
  })

  it('hears what is sent after the server has forgotten everything', async () => {
    const adapter = await fixture.open()
    const receiver = startReceiver(adapter)
    await adapter.inbox.send(run, messages(1))
    await eventually('the first has come', () => receiver.seqs().length === 1)
    await fixture.raw.flushall()
    // As if by a server whose clock is behind: below every id that was handed out.
    await fixture.raw.xadd(key(), '5-1', 'm', 'c2 8 worker-1{}')
    await eventually('the next has come', () => receiver.seqs().length === 2)
    await receiver.stop()
  })

  it.each([
    ['nothing else comes', 0],
    ['more and more comes, above what was read', 1],
  ])('removes nothing that it has not read when the server has forgotten, and %s', async (_what, more) => {
    const adapter = await fixture.open()
    let take = (): void => {}
    const taken = new Promise<void>((resolve) => {
      take = resolve
    })
    const receiver = startReceiver(adapter, (batch) => (batch.length > 0 ? taken : Promise.resolve()))
    await adapter.inbox.send(run, messages(1))
    await eventually('the handler has the first', () => receiver.seqs().length === 1)
    await fixture.raw.del(key())
    await fixture.raw.xadd(key(), '5-1', 'm', 'c2 8 worker-1{}')
    let sent = 2
    await adapter.inbox.send(run, messages(more, 3))
    sent += more
    take()
    await eventually('what lies below has come', async () => {
      // Without a silence.
      await adapter.inbox.send(run, messages(more, sent + 1))
      sent += more
      return receiver.seqs().includes(2)
    })
    await eventually('all have come, and are removed', async () => {
      return receiver.seqs().length === sent && (await fixture.raw.xlen(key())) === 0
    })
    await receiver.stop()
  })

  it('does not hand over again what it could not remove, and removes it later', async () => {
    const adapter = await fixture.open()
    let take = (): void => {}
    const taken = new Promise<void>((resolve) => {
      take = resolve
    })
    const receiver = startReceiver(adapter, (batch) => (batch.length > 0 ? taken : Promise.resolve()))
    await adapter.inbox.send(run, messages(3))
    await eventually('the handler has them', () => receiver.received.length === 3)
    // Writes are refused, reads are not.
    await fixture.raw.config('SET', 'min-replicas-to-write', '1')
    try {
      take()
      const reads = async (): Promise<number> =>
        Number(/cmdstat_xread:calls=(\d+)/.exec(await fixture.raw.info('commandstats'))?.[1])
      const before = await reads()
      await eventually('it was silent several times', async () => (await reads()) >= before + 3)
      expect(receiver.received).toEqual(messages(3))
    } finally {
      await fixture.raw.config('SET', 'min-replicas-to-write', '0')
    }
    await eventually('all are removed', async () => (await fixture.raw.xlen(key())) === 0)
    expect(receiver.received).toEqual(messages(3))
    await receiver.stop()
  })

  it('keeps messages to a run without a log for a month, and for good once there is a log or a receiver', async () => {
    const adapter = await fixture.open()
    const month = 30 * 24 * 3600
    const ttl = () => fixture.raw.ttl(key())
    await adapter.inbox.send(run, messages(1))
    expect(await ttl()).toBeGreaterThan(month - 600)
    expect(await ttl()).toBeLessThanOrEqual(month)
    const receiver = startReceiver(adapter)
    await eventually('they stay', async () => (await ttl()) === -1)
    await receiver.stop()
    await adapter.inbox.send(run, messages(1))
    expect(await ttl()).toBeGreaterThan(0)
    const records = history(1)
    await appendAll(adapter.log, run, records)
    await adapter.inbox.send(run, messages(1, 2))
    expect(await ttl()).toBe(-1)
    await adapter.log.append(run, recordAfter(records[0], completedEvent))
    await adapter.log.remove(run)
    expect(await ttl()).toBe(-2)
    await adapter.inbox.send(run, messages(2, 3))
    expect(await ttl()).toBeGreaterThan(0)
  })

  it('passes over what is no message, and forgets it', async () => {
    const adapter = await fixture.open()
    await adapter.inbox.send(run, messages(1))
    const broken = Buffer.concat([Buffer.from('r7 8 worker-1{"a":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')])
    for (const value of ['', 'x', 'r0 1 a', 'r1 99 short', `r2 1 a${'x'.repeat(500_000)}`, broken]) {
      await fixture.raw.xadd(key(), '*', 'm', value)
    }
    await fixture.raw.xadd(key(), '*', 'other', 'field', 'and', 'more')
    await adapter.inbox.send(run, messages(1, 2))
    expect(await adapter.inbox.peek(run, 1_000)).toEqual(messages(2))
    expect(await adapter.inbox.peek(run, 2)).toEqual(messages(2))
    const receiver = startReceiver(adapter)
    await eventually('the good ones have come', () => receiver.seqs().includes(2))
    expect(receiver.received).toEqual(messages(2))
    await receiver.stop()
    expect(await fixture.raw.xlen(key())).toBe(0)
  })

  it('gives back senders and bodies with every kind of character', async () => {
    const adapter = await fixture.open()
    const sent = ['{}', 'a:b c 12 34 \t', '\u{1f680}', 'é€\u2028', ' '].map((sender, i) =>
      message(i + 1, `"${sender}"`, sender),
    )
    await adapter.inbox.send(run, sent)
    const receiver = startReceiver(adapter)
    await eventually('all have come', () => receiver.received.length >= sent.length)
    expect(receiver.received).toEqual(sent)
    await receiver.stop()
  })

  it('is looked into by its deadline while the server is paused, and again after a restart', async () => {
    const adapter = await fixture.open()
    await adapter.inbox.send(run, messages(200))
    await fixture.server.pause()
    try {
      const code = await withDeadline(400, () => codeOf(() => adapter.inbox.peek(run, 1_000)))
      expect(code).toBe('ADAPTER_UNAVAILABLE')
    } finally {
      await fixture.server.resume()
    }
    await fixture.server.kill()
    await fixture.server.restart()
    expect(await adapter.inbox.peek(run, 1_000)).toEqual(messages(200))
  })

  it('is looked into whole, however often the connection is cut meanwhile', async () => {
    const { proxy, adapter } = await fixture.openBehindProxy()
    await adapter.inbox.send(run, messages(500))
    for (const bytes of [1, 300, 5_000, 12_000]) {
      const before = proxy.cuts
      proxy.cutAfter(bytes, 'toClient')
      expect(await adapter.inbox.peek(run, 1_000)).toEqual(messages(500))
      expect(proxy.cuts).toBe(before + 1)
    }
  })

  it('ends at once, with its connection, while the server is paused', async () => {
    // Whoever waits for the server waits ten minutes.
    const adapter = await fixture.open({ commandTimeoutMs: 600_000 })
    const receiver = startReceiver(adapter)
    await adapter.inbox.send(run, messages(1))
    await eventually('it is at work, and has removed what came', async () => {
      return receiver.seqs().length === 1 && (await fixture.raw.xlen(key())) === 0
    })
    await fixture.server.pause()
    try {
      const from = performance.now()
      await receiver.stop()
      expect(performance.now() - from).toBeLessThan(5_000)
    } finally {
      await fixture.server.resume()
    }
  })

  it('keeps the order when a send that takes several steps is not awaited', async () => {
    const adapter = await fixture.open()
    const count = 1_500
    await Promise.all([
      adapter.inbox.send(run, messages(count)),
      adapter.inbox.send(run, messages(1, count + 1)),
      adapter.inbox.send(run, messages(count, count + 2)),
      adapter.inbox.send(run, messages(1, 2 * count + 2)),
    ])
    const receiver = startReceiver(adapter)
    await eventually('all have come', () => receiver.received.length >= 2 * count + 2)
    expect(receiver.received.map(({ seq }) => seq)).toEqual(messages(2 * count + 2).map(({ seq }) => seq))
    await receiver.stop()
  })

  it('keeps the order of sends under way while the server learns the script from somebody else', async () => {
    const { proxy, adapter } = await fixture.openBehindProxy()
    const other = await fixture.open()
    await fixture.raw.script('FLUSH')
    proxy.hold('toClient')
    const sends: Promise<void>[] = []
    for (const seq of [1, 2]) {
      const before = proxy.bytes.toServer
      sends.push(adapter.inbox.send(run, messages(1, seq)))
      await eventually('it is under way', () => proxy.bytes.toServer > before)
      await other.inbox.send(run, [message(seq, '{}', 'worker-2')])
    }
    proxy.release('toClient')
    await Promise.all(sends)
    const receiver = startReceiver(other)
    await eventually('all have come', () => receiver.received.length >= 4)
    const seqs = receiver.received.filter(({ sender }) => sender === 'worker-1').map(({ seq }) => seq)
    expect(seqs).toEqual([1, 2])
    await receiver.stop()
  })

  it('refuses a message that no receiver would take', async () => {
    const { inbox } = await fixture.open()
    expect(await codeOf(() => inbox.send(run, [message(0)]))).toBe('INVALID_INPUT')
    expect(await codeOf(() => inbox.send(run, [message(1.5)]))).toBe('INVALID_INPUT')
    expect(await codeOf(() => inbox.send(run, [message(1, 'x'.repeat(448 * 1024 + 1))]))).toBe('TOO_LARGE')
    expect(await fixture.raw.exists(key())).toBe(0)
  })
})
