import { jetstreamManager } from '@nats-io/jetstream'
import type { CommitRecord } from '@reprise/core/adapter'
import { describe, expect, it } from 'vitest'
import { chunkBytes } from '../src/artifact-manifest.js'
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
  recordAfter,
  run,
  scene,
  textsOf,
  untilThere,
  watch,
} from './log-facts.js'
import { withNats } from './nats-facts.js'

const countOf = (servers: string, stream: string): Promise<number> =>
  withNats(servers, async (client) => (await (await jetstreamManager(client)).streams.info(stream)).state.messages)

const lastSeqOf = (servers: string, stream: string): Promise<number> =>
  withNats(servers, async (client) => (await (await jetstreamManager(client)).streams.info(stream)).state.last_seq)

/**
 * Nothing is left but an empty message, which stays so that the server never counts from 1 again; two if messages came
 * while it was left.
 */
async function isTrimmed({ servers, prefix }: { servers: string; prefix: string }): Promise<boolean> {
  const stream = `${prefix}-inbox`
  return await withNats(servers, async (client) => {
    const manager = await jetstreamManager(client)
    const { messages: count, first_seq: from, last_seq: to } = (await manager.streams.info(stream)).state
    if (count < 1 || count > 2) return false
    const left = await Promise.all([from, to].map((seq) => manager.streams.getMessage(stream, { seq })))
    return left.every((message) => message?.data.length === 0)
  })
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
    const adapter = await untilThere(() => open({ ...faulty, requestTimeoutMs: 500 }))
    const records = history(2)
    await untilThere(() => appendAll(adapter.log, records.slice(0, 1)))
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
    const records: CommitRecord[] = []
    const cutsWanted = 60
    while (proxy.cuts < cutsWanted && records.length < 1_000) {
      // A cut waits until its byte comes, in whichever exchange that is.
      if (!proxy.cutPending) proxy.cutAfter(1 + proxy.cuts * 13, proxy.cuts % 2 === 0 ? 'toServer' : 'toClient')
      const record = recordAfter(records.at(-1) ?? null, 'note')
      await untilThere(() => adapter.log.append(run, record))
      records.push(record)
      await untilThere(() => adapter.inbox.send(run, messages('worker-1', 1, records.length)))
    }
    expect(proxy.cuts).toBe(cutsWanted)
    expect(await countOf(sound.servers, `${sound.prefix}-log`)).toBe(records.length)
    // The last cut may have come behind the last answer: then this finds another connection.
    await untilThere(() => adapter.log.head(run))
    expect(await readAll(adapter.log)).toEqual(textsOf(records))
    await eventually('all messages are there', () => receiver.received.some(({ seq }) => seq === records.length))
    expect(isInOrder(receiver.received)).toBe(true)
  })

  it('keeps the order of sends that are on their way when the connection is cut', async () => {
    const { proxy, faulty, sound } = await scene()
    const adapter = await open(faulty)
    const receiver = receive(await open(sound))
    const atOnce = 50
    // The first goes alone, then all others, with an answer each: cut before, in and behind both.
    const cuts = [
      ...[1, 60, 200, 400, 900, 1_500].map((bytes) => [bytes, 'toServer'] as const),
      ...[1, 40, 80, 120].map((bytes) => [bytes, 'toClient'] as const),
    ]
    for (const [round, [bytes, direction]] of cuts.entries()) {
      const sent = messages('worker-1', atOnce, 1 + round * atOnce)
      proxy.cutAfter(bytes, direction)
      // Those that fail are sent again below, in order.
      await Promise.all(sent.map((message) => adapter.inbox.send(run, [message]).catch(() => {})))
      expect(proxy.cuts).toBe(round + 1)
      await untilThere(() => adapter.inbox.send(run, sent))
    }
    const last = cuts.length * atOnce
    await eventually('the last is there', () => receiver.received.some(({ seq }) => seq === last))
    expect(isInOrder(receiver.received)).toBe(true)
  })

  it('stores an artifact whole, however often the connection is cut meanwhile', async () => {
    const { proxy, faulty, sound } = await scene()
    const { artifacts } = await open(faulty)
    if (artifacts === undefined) throw new Error('There is no artifact store.')
    const content = Buffer.alloc(3_000_000, 'abcdefg')
    const pieceBytes = 500_000
    const source = async function* (): AsyncIterable<Uint8Array> {
      for (let at = 0; at < content.length; at += pieceBytes) {
        const cuts = proxy.cuts + 1
        // Each piece fills at least one more chunk, and the cut is in it: chunks are sent while we wait here.
        proxy.cutAfter(1 + proxy.cuts * 45_000, 'toServer')
        yield content.subarray(at, at + pieceBytes)
        const chunks = Math.floor((at + pieceBytes) / chunkBytes)
        await eventually('it was cut, and the chunks have arrived', async () => {
          return proxy.cuts === cuts && (await countOf(sound.servers, `${sound.prefix}-artifacts`)) === chunks
        })
      }
    }
    const stored = await artifacts.put(source(), content.length)
    expect(proxy.cuts).toBe(content.length / pieceBytes)
    expect(await artifacts.check(stored, content.length)).toEqual({ ok: true, artifact: stored })
  })
})

describe('when the server goes away', () => {
  it('has every acknowledged commit and message after SIGKILL, and goes on by itself', async () => {
    const { server, sound } = await scene()
    const [writer, reader] = [await open(sound), await open(sound)]
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
    const adapter = await open(sound)
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
    expect(await untilThere(() => adapter.inbox.peek(run, 1_000))).toEqual([])
    await receiver.stop()
    const next = receive(await open(sound))
    // From here on its connection stands.
    await untilThere(() => adapter.log.head(run))
    await adapter.inbox.send(run, messages('worker-1', 1, seq + 1))
    await eventually('the next receiver has the next', () => next.received.length > 0)
    expect(next.received.map((message) => message.seq)).toEqual([seq + 1])
  })

  it('fails every call by its deadline while the server is stopped, and recovers', async () => {
    const { server, sound } = await scene()
    const adapter = await untilThere(() => open({ ...sound, requestTimeoutMs: 300 }))
    const records = history(2)
    await untilThere(() => appendAll(adapter.log, records.slice(0, 1)))
    await server.pause()
    const calls: (() => Promise<unknown>)[] = [
      () => adapter.log.append(run, records[1]!),
      () => adapter.log.head(run),
      () => readAll(adapter.log),
      () => adapter.inbox.send(run, messages('worker-1', 1)),
      () => adapter.inbox.peek(run, 1),
      () => adapter.leases.acquire('run/run-1', { id: 'a', host: 'elsewhere', pid: 1 }, 60_000),
    ]
    const codes = await Promise.all(calls.map(async (call) => (await failureOf(call)).code))
    expect(codes).toEqual(calls.map(() => 'ADAPTER_UNAVAILABLE'))
    await server.resume()
    await untilThere(() => adapter.log.append(run, records[1]!))
    await untilThere(() => adapter.inbox.send(run, messages('worker-1', 1)))
    expect(await untilThere(() => readAll(adapter.log))).toEqual(textsOf(records))
    expect(await countOf(sound.servers, `${sound.prefix}-log`)).toBe(2)
  })
})

describe('when there is no connection', () => {
  it('fails every call soon after its deadline, and sends none of them late', async () => {
    const { proxy, faulty, sound } = await scene()
    const adapter = await untilThere(() => open({ ...faulty, requestTimeoutMs: 300 }))
    await untilThere(() => appendAll(adapter.log, history(1)))
    proxy.refuse()
    proxy.cut()
    const start = performance.now()
    const calls: (() => Promise<unknown>)[] = [
      () => adapter.log.append(run, history(2)[1]!),
      () => adapter.log.head(run),
      () => adapter.inbox.send(run, messages('worker-1', 1)),
      () => adapter.inbox.peek(run, 1),
      () => adapter.leases.acquire('run/run-1', { id: 'a', host: 'elsewhere', pid: 1 }, 60_000),
    ]
    const codes = await Promise.all(calls.map(async (call) => (await failureOf(call)).code))
    expect(codes).toEqual(calls.map(() => 'ADAPTER_UNAVAILABLE'))
    // Two deadlines at most each; the rest is a slow machine.
    expect(performance.now() - start).toBeLessThan(10_000)
    await proxy.accept()
    await untilThere(() => adapter.log.head(run))
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
