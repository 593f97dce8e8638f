import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { Adapter, InboxMessage } from '@reprise/core/adapter'
import { startNats, startProxy, type TestServer } from '@reprise/test-servers'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { openNats } from '../src/index.js'
import { packMessages } from '../src/pack-messages.js'
import { authorization, connectionOf, passwordOf } from './acl-roles.js'
import { eventually, failureOf, messages, open, receive, run } from './log-facts.js'
import { placeOn, withNats } from './nats-facts.js'

let server: TestServer
beforeAll(async () => {
  server = await startNats()
})
afterAll(async () => {
  await server.stop()
})

const place = () => placeOn(server)

interface Place {
  readonly servers: string
  readonly prefix: string
}

/** Past the adapter, into the inbox of the run. */
const put = ({ servers, prefix }: Place, payloads: readonly (string | Uint8Array)[]): Promise<void> =>
  withNats(servers, async (client) => {
    for (const payload of payloads) await jetstream(client).publish(`${prefix}.inbox.${run}`, payload)
  })

const countOf = ({ servers, prefix }: Place): Promise<number> =>
  withNats(
    servers,
    async (client) => (await (await jetstreamManager(client)).streams.info(`${prefix}-inbox`)).state.messages,
  )

/** What it was given, and how it ended. */
function receiveUntilFailure(adapter: Adapter): { received: InboxMessage[]; failing: ReturnType<typeof failureOf> } {
  const received: InboxMessage[] = []
  const abort = new AbortController()
  const failing = failureOf(() =>
    adapter.inbox.receive(run, async (batch) => void received.push(...batch), abort.signal),
  )
  onTestFinished(() => abort.abort())
  return { received, failing }
}

describe('a receiver', () => {
  it('stops before what a later version has sent, and leaves it there', async () => {
    const options = place()
    const adapter = await open(options)
    const later = '2 something else'
    await put(options, [packMessages(messages('worker-1', 3)), later, packMessages(messages('worker-1', 1, 4))])
    expect(await adapter.inbox.peek(run, 3)).toEqual(messages('worker-1', 3))
    expect((await failureOf(() => adapter.inbox.peek(run, 4))).code).toBe('LOG_TOO_NEW')
    for (let time = 0; time < 2; time++) {
      const { received, failing } = receiveUntilFailure(adapter)
      expect((await failing).code).toBe('LOG_TOO_NEW')
      if (time === 0) expect(received.map(({ seq }) => seq)).toEqual([1, 2, 3])
    }
    const stored = await withNats(options.servers, async (client) => {
      const manager = await jetstreamManager(client)
      return await manager.streams.getMessage(`${options.prefix}-inbox`, { seq: 2 })
    })
    expect(stored?.string()).toBe(later)
  })

  it('trims what nobody can read, also when there is nothing else', async () => {
    const options = place()
    const receiver = receive(await open(options))
    await put(options, Array<string>(40).fill('no pack'))
    await eventually('it is trimmed', async () => (await countOf(options)) <= 2)
    await put(options, Array<string>(40).fill(''))
    await eventually('it is trimmed again', async () => (await countOf(options)) <= 2)
    expect(receiver.received).toEqual([])
  })

  it('goes on when the server has room for its consumer again', async () => {
    const options = place()
    const proxy = await startProxy(server.url)
    onTestFinished(() => proxy[Symbol.asyncDispose]())
    const name = `${options.prefix}-inbox`
    await withNats(options.servers, async (client) => {
      const config = {
        name,
        subjects: [`${options.prefix}.inbox.*`],
        discard: 'new',
        deny_delete: true,
        allow_direct: true,
        max_consumers: 1,
      }
      const manager = await jetstreamManager(client)
      await manager.streams.add(config as Parameters<typeof manager.streams.add>[0])
    })
    const receiver = receive(await open({ ...options, servers: proxy.url(server.url) }))
    const sender = await open(options)
    await sender.inbox.send(run, messages('worker-1', 1))
    await eventually('the first is there', () => receiver.received.length > 0)
    // The server keeps the consumer of the lost connection for some seconds, and refuses another one meanwhile.
    proxy.cut()
    await sender.inbox.send(run, messages('worker-1', 1, 2))
    await eventually('the second is there', () => receiver.received.some(({ seq }) => seq === 2))
  })

  it('says that it may not purge, instead of letting the inbox grow', async () => {
    const prefix = 'acl'
    const right = `$JS.API.STREAM.PURGE.${prefix}-inbox`
    const config = authorization(prefix).replaceAll(right, 'no.such.right')
    expect([config.includes('no.such.right'), config.includes(right)]).toEqual([true, false])
    await using guarded = await startNats({ private: true, config })
    const connection = { user: 'admin', pass: passwordOf('admin') }
    const admin = await openNats({ servers: guarded.url, prefix, connection })
    const options = { servers: guarded.url, prefix, createStreams: false, connection: connectionOf('coordinator') }
    const coordinator = await openNats(options)
    try {
      const { received, failing } = receiveUntilFailure(coordinator)
      await admin.inbox.send(run, messages('worker-1', 3))
      const failure = await failing
      expect([failure.code, failure.message.includes('STREAM.PURGE')]).toEqual(['ADAPTER_UNAVAILABLE', true])
      expect(received.length).toBe(3)
    } finally {
      await coordinator.close()
      await admin.close()
    }
  })
})
