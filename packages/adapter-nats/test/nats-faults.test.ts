import { jetstreamManager } from '@nats-io/jetstream'
import { type FaultProxy, startNats, startProxy, type TestServer } from '@reprise/test-servers'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  appendAll,
  eventually,
  failureOf,
  history,
  isInOrder,
  messages,
  open,
  readAll,
  receive,
  run,
  textsOf,
  untilThere,
  watch,
} from './log-facts.js'
import { uniquePrefix, withNats } from './nats-facts.js'

interface Scene {
  readonly server: TestServer
  readonly proxy: FaultProxy
  /** Through the proxy. */
  readonly faulty: { servers: string; prefix: string; requestTimeoutMs: number }
  /** Past it. */
  readonly sound: { servers: string; prefix: string }
}

/** A server of its own, for it will be killed, and a proxy before it. */
async function scene(): Promise<Scene> {
  const server = await startNats({ private: true })
  const proxy = await startProxy(server.url)
  // Last in, first out: what the tests open is closed before.
  onTestFinished(async () => {
    await proxy[Symbol.asyncDispose]()
    await server.stop()
  })
  const prefix = uniquePrefix()
  const faulty = { servers: proxy.url(server.url), prefix, requestTimeoutMs: 1000 }
  return { server, proxy, faulty, sound: { servers: server.url, prefix } }
}

const countOf = (servers: string, stream: string): Promise<number> =>
  withNats(servers, async (client) => (await (await jetstreamManager(client)).streams.info(stream)).state.messages)

const lastSeqOf = (servers: string, stream: string): Promise<number> =>
  withNats(servers, async (client) => (await (await jetstreamManager(client)).streams.info(stream)).state.last_seq)

/** An empty message stays, so that the server never counts from 1 again; two if messages came while it was left. */
async function isTrimmed({ servers, prefix }: { servers: string; prefix: string }): Promise<boolean> {
  const count = await countOf(servers, `${prefix}-inbox`)
  return count === 1 || count === 2
}

async function deleteConsumers(servers: string, stream: string): Promise<number> {
  return await withNats(servers, async (client) => {
    const manager = await jetstreamManager(client)
    let count = 0
    for await (const { name } of manager.consumers.list(stream)) {
      await manager.consumers.delete(stream, name)
      count++
    }
    return count
  })
}

describe('when answers are lost', () => {
  it('stores one message and resolves, though the acknowledgement of an append is swallowed', async () => {
    const { proxy, faulty, sound } = await scene()
    const adapter = await open(faulty)
    const records = history(3)
    await appendAll(adapter.log, records.slice(0, 2))
    proxy.onData('toServer', (bytes) => {
      if (bytes.includes('HPUB')) proxy.swallow('toClient')
      if (bytes.includes('DIRECT.GET')) proxy.clear()
    })
    await appendAll(adapter.log, records.slice(2))
    expect(await countOf(sound.servers, `${sound.prefix}-log`)).toBe(3)
    await appendAll(adapter.log, records)
    expect(await readAll(adapter.log)).toEqual(textsOf(records))
  })

  it('says that the outcome is unknown when reading back is swallowed too, and learns it when called again', async () => {
    const { proxy, faulty, sound } = await scene()
    const adapter = await open(faulty)
    const records = history(2)
    await appendAll(adapter.log, records.slice(0, 1))
    const end = proxy.swallow('toClient')
    expect((await failureOf(() => appendAll(adapter.log, records.slice(1)))).code).toBe('ADAPTER_UNAVAILABLE')
    end()
    await untilThere(() => appendAll(adapter.log, records.slice(1)))
    expect(await countOf(sound.servers, `${sound.prefix}-log`)).toBe(2)
  })

  it('loses and repeats no commit and no message, wherever the connection is cut', async () => {
    const { proxy, faulty, sound } = await scene()
    const adapter = await open(faulty)
    const receiver = receive(await open(sound))
    const records = history(60)
    const sent = messages('worker-1', 60)
    for (const [i, record] of records.entries()) {
      proxy.cutAfter(1 + i * 13, i % 2 === 0 ? 'toServer' : 'toClient')
      await untilThere(() => adapter.log.append(run, record))
      await untilThere(() => adapter.inbox.send(run, sent.slice(i, i + 1)))
      proxy.clear()
    }
    expect(await countOf(sound.servers, `${sound.prefix}-log`)).toBe(60)
    expect(await readAll(adapter.log)).toEqual(textsOf(records))
    await eventually('all messages are there', () => receiver.received.some(({ seq }) => seq === 60))
    expect(isInOrder(receiver.received)).toBe(true)
  })

  it('keeps the order of sends that are on their way when the connection is cut', async () => {
    const { proxy, faulty, sound } = await scene()
    const adapter = await open(faulty)
    const receiver = receive(await open(sound))
    const sends: Promise<unknown>[] = []
    for (const message of messages('worker-1', 300)) {
      // Those that fail are sent again below, in order.
      sends.push(adapter.inbox.send(run, [message]).catch(() => {}))
      if (message.seq % 50 === 0) {
        await Promise.resolve()
        proxy.cut()
      }
    }
    await Promise.all(sends)
    await untilThere(() => adapter.inbox.send(run, messages('worker-1', 300)))
    await eventually('the last is there', () => receiver.received.some(({ seq }) => seq === 300))
    expect(isInOrder(receiver.received)).toBe(true)
  })

  it('stores an artifact whole, however often the connection is cut meanwhile', async () => {
    const { proxy, faulty } = await scene()
    const { artifacts } = await open(faulty)
    if (artifacts === undefined) throw new Error('There is no artifact store.')
    const content = Buffer.alloc(3_000_000, 'abcdefg')
    const source = async function* (): AsyncIterable<Uint8Array> {
      for (let at = 0; at < content.length; at += 500_000) {
        proxy.cutAfter(400_000 + at, 'toServer')
        yield content.subarray(at, at + 500_000)
      }
      proxy.clear()
    }
    const stored = await artifacts.put(source(), content.length)
    expect(await artifacts.check(stored, content.length)).toEqual({ ok: true, artifact: stored })
  })
})

describe('when the server goes away', () => {
  it('has every acknowledged commit and message after SIGKILL, and goes on by itself', async () => {
    const { server, sound } = await scene()
    const options = { ...sound, requestTimeoutMs: 1000 }
    const [writer, reader] = [await open(options), await open(options)]
    const [follower, receiver] = [watch(reader.log), receive(reader)]
    const records = history(90)
    const kills = new Set([30, 60])
    for (const record of records) {
      const killing = kills.has(record.index) ? server.kill().then(() => server.restart()) : null
      await untilThere(() => writer.log.append(run, record))
      await untilThere(() => writer.inbox.send(run, messages('worker-1', 1, record.index + 1)))
      await killing
    }
    expect(await readAll(writer.log)).toEqual(textsOf(records))
    await eventually('the watch has them all', () => follower.texts.length >= 90)
    expect(follower.texts).toEqual(textsOf(records))
    await eventually('the receiver has them all', () => receiver.received.some(({ seq }) => seq === 90))
    expect(isInOrder(receiver.received)).toBe(true)
  })

  it('hands over what is sent after a SIGKILL, though everything before it was acknowledged and trimmed', async () => {
    const { server, sound } = await scene()
    const adapter = await open({ ...sound, requestTimeoutMs: 1000 })
    const receiver = receive(adapter)
    let seq = 0
    for (let kill = 0; kill < 4; kill++) {
      for (let i = 0; i < 5; i++) {
        seq++
        await untilThere(() => adapter.inbox.send(run, messages('worker-1', 1, seq)))
        await eventually('it is there', () => receiver.received.some((message) => message.seq === seq))
      }
      await eventually('it is trimmed', () => isTrimmed(sound))
      await server.kill()
      await server.restart()
    }
    expect(isInOrder(receiver.received)).toBe(true)
    await receiver.stop()
    const next = receive(await open(sound))
    await adapter.inbox.send(run, messages('worker-1', 1, seq + 1))
    await eventually('the next receiver has the next', () => next.received.length > 0)
    expect(next.received.map((message) => message.seq)).toEqual([seq + 1])
  })

  it('fails every call by its deadline while the server is stopped, and recovers', async () => {
    const { server, sound } = await scene()
    const adapter = await open({ ...sound, requestTimeoutMs: 300 })
    const records = history(2)
    await appendAll(adapter.log, records.slice(0, 1))
    await server.pause()
    const calls: (() => Promise<unknown>)[] = [
      () => adapter.log.append(run, records[1]!),
      () => adapter.log.head(run),
      () => readAll(adapter.log),
      () => adapter.inbox.send(run, messages('worker-1', 1)),
      () => adapter.leases.acquire('run/run-1', { id: 'a', host: 'elsewhere', pid: 1 }, 60_000),
    ]
    const codes = await Promise.all(calls.map(async (call) => (await failureOf(call)).code))
    expect(codes).toEqual(calls.map(() => 'ADAPTER_UNAVAILABLE'))
    await server.resume()
    await untilThere(() => adapter.log.append(run, records[1]!))
    await untilThere(() => adapter.inbox.send(run, messages('worker-1', 1)))
    expect(await readAll(adapter.log)).toEqual(textsOf(records))
    expect(await countOf(sound.servers, `${sound.prefix}-log`)).toBe(2)
  })
})

describe('when there is no connection', () => {
  it('fails every call soon after its deadline, and sends none of them late', async () => {
    const { proxy, faulty, sound } = await scene()
    const adapter = await open({ ...faulty, requestTimeoutMs: 300 })
    await appendAll(adapter.log, history(1))
    proxy.refuse()
    proxy.cut()
    const start = performance.now()
    const calls: (() => Promise<unknown>)[] = [
      () => adapter.log.append(run, history(2)[1]!),
      () => adapter.log.head(run),
      () => adapter.inbox.send(run, messages('worker-1', 1)),
      () => adapter.leases.acquire('run/run-1', { id: 'a', host: 'elsewhere', pid: 1 }, 60_000),
    ]
    const codes = await Promise.all(calls.map(async (call) => (await failureOf(call)).code))
    expect(codes).toEqual(calls.map(() => 'ADAPTER_UNAVAILABLE'))
    // Two deadlines at most each; the rest is a slow machine.
    expect(performance.now() - start).toBeLessThan(10_000)
    await proxy.accept()
    await untilThere(async () => void (await adapter.log.head(run)))
    expect(await countOf(sound.servers, `${sound.prefix}-log`)).toBe(1)
    expect(await countOf(sound.servers, `${sound.prefix}-inbox`)).toBe(0)
  })
})

describe('when a consumer is deleted', () => {
  it('goes on watching and receiving where it was', async () => {
    const { sound } = await scene()
    const adapter = await open(sound)
    const [follower, receiver] = [watch(adapter.log), receive(adapter)]
    const records = history(6)
    await appendAll(adapter.log, records.slice(0, 3))
    await adapter.inbox.send(run, messages('worker-1', 3))
    await eventually('the first are there', () => follower.texts.length === 3 && receiver.received.length === 3)
    expect(await deleteConsumers(sound.servers, `${sound.prefix}-log`)).toBe(1)
    expect(await deleteConsumers(sound.servers, `${sound.prefix}-inbox`)).toBe(1)
    await appendAll(adapter.log, records.slice(3))
    await adapter.inbox.send(run, messages('worker-1', 3, 4))
    await eventually('all are there', () => follower.texts.length >= 6 && receiver.received.length >= 6)
    expect(follower.texts).toEqual(textsOf(records))
    expect(isInOrder(receiver.received)).toBe(true)
  })
})

describe('under load', () => {
  it('hands over every message of several senders while it trims the inbox behind them', async () => {
    const { sound } = await scene()
    const [sender, receiver] = [await open(sound), receive(await open(sound))]
    const count = 2000
    const names = ['worker-1', 'worker-2', 'worker-3']
    const sends = names.flatMap((name) => messages(name, count).map((message) => sender.inbox.send(run, [message])))
    await Promise.all(sends)
    await eventually('all are there', () => receiver.received.length >= names.length * count)
    expect(receiver.received.length).toBe(names.length * count)
    expect(isInOrder(receiver.received)).toBe(true)
    await eventually('the inbox is trimmed', () => isTrimmed(sound))
  })

  it('purges what came one by one once a second, not with each message', async () => {
    const { sound } = await scene()
    const [sender, receiver] = [await open(sound), receive(await open(sound))]
    const count = 100
    const startMs = performance.now()
    for (const [at, message] of messages('worker-1', count).entries()) {
      await sender.inbox.send(run, [message])
      await eventually('it is there', () => receiver.received.length > at)
    }
    await eventually('the inbox is trimmed', () => isTrimmed(sound))
    // Each purge leaves an empty message behind, which has a number of its own.
    const purges = (await lastSeqOf(sound.servers, `${sound.prefix}-inbox`)) - count
    expect(purges).toBeLessThanOrEqual(1 + (performance.now() - startMs) / 1000)
    expect(purges).toBeGreaterThan(0)
  })
})
