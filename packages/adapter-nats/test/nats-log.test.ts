import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { headers } from '@nats-io/transport-node'
import { type Adapter, type CommitLog, isRepriseError, type RunId } from '@reprise/core/adapter'
import { startNats, type TestServer } from '@reprise/test-servers'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { NatsConnection } from '../src/nats-connection.js'
import { getMessage, type StoredMessage } from '../src/stored-message.js'
import {
  appendAll,
  closedHistory,
  eventually,
  failureOf,
  history,
  messages,
  open,
  readAll,
  recordAfter,
  run,
  textsOf,
  watch,
} from './log-facts.js'
import { placeOn, removeStreams, withNats } from './nats-facts.js'

let server: TestServer
beforeAll(async () => {
  server = await startNats()
})
afterAll(async () => {
  await server.stop()
})

const place = () => placeOn(server)

describe('the log in a stream', () => {
  it('finds any index in a log that is mixed with others', async () => {
    const options = place()
    const [writer, reader] = [await open(options), await open(options)]
    const records = history(60)
    for (const record of records) {
      await writer.log.append(run, record)
      if (record.index % 3 === 0)
        await appendAll(writer.log, history(record.index % 7), `other-${record.index}` as RunId)
    }
    for (let from = 0; from <= records.length; from++) {
      expect(await readAll(reader.log, run, from)).toEqual(textsOf(records.slice(from)))
    }
    for (const record of records) await reader.log.append(run, record)
    expect((await reader.log.head(run))?.index).toBe(59)
  })

  it('reads the same through the leader of a stream as directly', async () => {
    const options = place()
    const { log } = await open(options)
    const records = history(4)
    await appendAll(log, records)
    const connection = await NatsConnection.open({ ...options, requestTimeoutMs: 5000 })
    onTestFinished(() => connection.close())
    const stream = `${options.prefix}-log`
    const subject = `${options.prefix}.log.${run}`
    for (const wanted of [
      { lastOf: subject },
      { firstOf: subject, fromSeq: 2 },
      { firstOf: subject, fromSeq: 9 },
      { at: 3 },
      { lastOf: `${subject}-other` },
    ]) {
      const [direct, led] = await Promise.all(
        [true, false].map((how) => getMessage(connection, { stream, direct: how }, wanted, 'Reading')),
      )
      const shown = (found: StoredMessage | null | undefined) =>
        found && [found.seq, found.subject, Buffer.from(found.data).toString(), found.headers?.get('Reprise-Commit')]
      expect([wanted, shown(led)]).toEqual([wanted, shown(direct)])
      expect(Date.parse(led?.time ?? '')).toEqual(Date.parse(direct?.time ?? ''))
    }
  })

  it('begins a removed run anew, also for adapters that knew the old one', async () => {
    const options = place()
    const [one, other] = [await open(options), await open(options)]
    const [first, second] = [closedHistory(4, 'first'), closedHistory(6, 'second')]
    await appendAll(one.log, first)
    const follower = watch(other.log)
    await eventually('the watch has the first life', () => follower.texts.length === 4)
    expect(await readAll(other.log)).toEqual(textsOf(first))
    await one.log.remove(run)
    await appendAll(other.log, second)
    for (const { log } of [one, other, await open(options)]) {
      expect(await readAll(log)).toEqual(textsOf(second))
      expect(await readAll(log, run, 3)).toEqual(textsOf(second.slice(3)))
      expect((await log.head(run))?.index).toBe(5)
      for (const record of first) {
        expect((await failureOf(() => log.append(run, record))).code).toBe('VERSION_CONFLICT')
      }
    }
    await eventually('the watch has both lives', () => follower.texts.length === 10)
    expect(follower.texts).toEqual([...textsOf(first), ...textsOf(second)])
    await one.log.remove(run)
    await appendAll(one.log, first)
    expect(await readAll(other.log)).toEqual(textsOf(first))
  })

  it('takes the messages of a removed run with it', async () => {
    const adapter = await open(place())
    await appendAll(adapter.log, closedHistory(2))
    await adapter.inbox.send(run, [{ sender: 'late', seq: 1, kind: 'command', body: '{}' }])
    await adapter.log.remove(run)
    const calls: number[] = []
    const abort = new AbortController()
    const receiving = adapter.inbox.receive(run, async (batch) => void calls.push(batch.length), abort.signal)
    await eventually('the receiver has caught up', () => calls.length > 0)
    abort.abort()
    await receiving
    expect(calls).toEqual([0])
  })

  it('lists no run that was removed, among many', async () => {
    const adapter = await open(place())
    const ids = Array.from({ length: 120 }, (_, i) => `run-${i}` as RunId)
    for (const id of ids) await appendAll(adapter.log, closedHistory(2, id), id)
    for (const id of ids.filter((_, i) => i % 2 === 0)) await adapter.log.remove(id)
    const listed: string[] = []
    for await (const id of adapter.log.list()) listed.push(id)
    expect(listed.sort()).toEqual(ids.filter((_, i) => i % 2 === 1).sort())
  })

  it('shows neither runs, messages nor leases of another prefix', async () => {
    const [one, other] = [await open(place()), await open(place())]
    await appendAll(one.log, history(3))
    await one.leases.acquire('run/run-1', { id: 'a', host: 'elsewhere', pid: 1 }, 60_000)
    expect(await other.log.head(run)).toBe(null)
    expect((await other.leases.acquire('run/run-1', { id: 'b', host: 'elsewhere', pid: 1 }, 60_000)).held).toBe(true)
    await appendAll(other.log, history(2, 'other'))
    expect(await readAll(one.log)).toEqual(textsOf(history(3)))
  })

  it('refuses to read damaged text, foreign messages and a gap', async () => {
    const damage: [string, (records: ReturnType<typeof history>) => { text: Uint8Array; header: string }][] = [
      ['not UTF-8', ([, , third]) => ({ text: damaged(third?.text ?? ''), header: `2 ${third?.hash} 0` })],
      ['not a record', () => ({ text: Buffer.from('{"hash":"nonsense"}'), header: `2 ${'0'.repeat(64)} 0` })],
      ['a gap', ([, , , fourth]) => ({ text: Buffer.from(fourth?.text ?? ''), header: `3 ${fourth?.hash} 0` })],
      ['a forged index', ([, , third]) => ({ text: Buffer.from(third?.text ?? ''), header: `1000 ${third?.hash} 0` })],
      ['a forged hash', ([, , third]) => ({ text: Buffer.from(third?.text ?? ''), header: `2 ${'1'.repeat(64)} 0` })],
      ['no text', ([, , third]) => ({ text: Buffer.alloc(0), header: `2 ${third?.hash} 0` })],
    ]
    for (const [what, make] of damage) {
      const options = place()
      const adapter = await open(options)
      const records = history(4)
      await appendAll(adapter.log, records.slice(0, 2))
      const { text, header } = make(records)
      await withNats(options.servers, async (client) => {
        const given = headers()
        given.set('Reprise-Commit', header)
        await jetstream(client).publish(`${options.prefix}.log.${run}`, text, { headers: given })
      })
      expect([what, (await failureOf(() => readAll(adapter.log))).code]).toEqual([what, 'LOG_CORRUPT'])
      expect([what, isRepriseError(await watch(adapter.log).ended, 'LOG_CORRUPT')]).toEqual([what, true])
    }
  })

  it('lets nobody delete or purge a commit', async () => {
    const options = place()
    const adapter = await open(options)
    await appendAll(adapter.log, history(3))
    await withNats(options.servers, async (client) => {
      const manager = await jetstreamManager(client)
      await expect(manager.streams.deleteMessage(`${options.prefix}-log`, 2)).rejects.toThrow()
      await expect(manager.streams.purge(`${options.prefix}-log`)).rejects.toThrow()
    })
    expect(await readAll(adapter.log)).toEqual(textsOf(history(3)))
  })

  it('says that a log went back when its stream was made again, empty or with another history', async () => {
    const options = place()
    const records = history(5)
    const next = recordAfter(records[4] ?? null, 'next')
    // Each by an adapter that has asked nothing since.
    const calls: Record<string, (log: CommitLog) => Promise<unknown>> = {
      head: (log) => log.head(run),
      read: (log) => readAll(log),
      append: (log) => log.append(run, next),
    }
    for (const count of [0, 3, 5, 9]) {
      await removeStreams(options.servers, options.prefix)
      const writer = await open(options)
      await appendAll(writer.log, records)
      const adapters: [string, Adapter][] = []
      for (const name of Object.keys(calls)) {
        const adapter = await open(options)
        await adapter.log.append(run, records[4]!)
        adapters.push([name, adapter])
      }
      await removeStreamsAloud(options)
      const other = history(count, 'another')
      await appendAll((await open(options)).log, other)
      // By the answer each has heard what the server told before.
      for (const { inbox } of [writer, ...adapters.map(([, adapter]) => adapter)]) {
        await inbox.send(run, messages('anybody', 1))
      }
      for (const [name, { log }] of [...adapters, ['append', writer] as const]) {
        const { code, message } = await failureOf(async () => calls[name]?.(log))
        expect([count, name, code, message.includes('went back')]).toEqual([count, name, 'LOG_CORRUPT', true])
      }
      expect(await readAll((await open(options)).log)).toEqual(textsOf(other))
    }
  })

  it('takes no commit that was decided on another one than the newest', async () => {
    const options = place()
    await appendAll((await open(options)).log, history(3))
    const { log } = await open(options)
    const failure = await failureOf(() => log.append(run, history(4, 'another')[3]!))
    expect(failure.code).toBe('VERSION_CONFLICT')
    expect(await readAll(log)).toEqual(textsOf(history(3)))
  })

  it('says which stream is gone', async () => {
    const options = place()
    const adapter = await open(options)
    await appendAll(adapter.log, history(2))
    const follower = watch(adapter.log)
    await eventually('the watch is there', () => follower.texts.length === 2)
    await removeStreams(options.servers, options.prefix)
    const append = await failureOf(() => adapter.log.append(run, recordAfter(history(2)[1] ?? null, 'next')))
    expect([append.code, append.message.includes('deleted')]).toEqual(['ADAPTER_UNAVAILABLE', true])
    const head = await failureOf(() => adapter.log.head(run))
    expect([head.code, head.message.includes('deleted')]).toEqual(['ADAPTER_UNAVAILABLE', true])
    expect(String(await follower.ended)).toContain('deleted')
  })
})

/** Resolves once the server has told all who listen that the log is gone: it does so when it has the time. */
const removeStreamsAloud = ({ servers, prefix }: { servers: string; prefix: string }): Promise<void> =>
  withNats(servers, async (client) => {
    let told = false
    const callback = (): void => {
      told = true
    }
    client.subscribe(`$JS.EVENT.ADVISORY.STREAM.DELETED.${prefix}-log`, { callback })
    await client.flush()
    await removeStreams(servers, prefix)
    await eventually('the server has told', () => told)
  })

const damaged = (text: string): Uint8Array => {
  const bytes = Buffer.from(text)
  bytes[bytes.length - 10] = 0xff
  return bytes
}
