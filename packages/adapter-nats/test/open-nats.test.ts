import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { jetstreamManager } from '@nats-io/jetstream'
import { listRuns } from '@reprise/core/replay'
import { startNats, type TestServer } from '@reprise/test-servers'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { openNats } from '../src/index.js'
import type { OpenNatsOptions } from '../src/open-options.js'
import { appendAll, failureOf, history, open } from './log-facts.js'
import { removeStreams, uniquePrefix, withNats } from './nats-facts.js'

let server: TestServer
beforeAll(async () => {
  server = await startNats()
})
afterAll(async () => {
  await server.stop()
})

function place(): { servers: string; prefix: string } {
  const prefix = uniquePrefix()
  onTestFinished(() => removeStreams(server.url, prefix))
  return { servers: server.url, prefix }
}

/** Introduces itself as that server, and answers nothing but the first ping: no such old server can be had here. */
async function impostor(info: object): Promise<string> {
  return listening((socket) => {
    socket.on('error', () => {})
    socket.write(
      `INFO ${JSON.stringify({ server_id: 'x', headers: true, proto: 1, max_payload: 1048576, ...info })}\r\n`,
    )
    socket.on('data', (bytes) => {
      if (bytes.includes('PING')) socket.write('PONG\r\n')
    })
  })
}

async function listening(onConnection: (socket: Socket) => void): Promise<string> {
  const listener = createServer(onConnection)
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  onTestFinished(() => void listener.close())
  const address = listener.address()
  return `nats://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
}

describe('opening', () => {
  it('can be done by several at once, who find the same streams', async () => {
    const options = place()
    const adapters = await Promise.all(Array.from({ length: 6 }, () => open(options)))
    await appendAll(adapters[0]!.log, history(1))
    for (const { log } of adapters) expect((await log.head('run-1' as never))?.index).toBe(0)
  })

  it('refuses a stream whose settings endanger what it is for, and names the setting', async () => {
    const changes: [string, string, object][] = [
      ['log', 'discard', { discard: 'old' }],
      ['log', 'max_age', { max_age: 3_600_000_000_000 }],
      ['log', 'storage', { storage: 'memory' }],
      ['log', 'deny_purge', { deny_purge: false }],
      ['log', 'max_msgs_per_subject', { max_msgs_per_subject: 10 }],
      ['log', 'max_bytes', { max_bytes: 1024 * 1024 }],
      ['log', 'max_msgs', { max_msgs: 1000 }],
      ['inbox', 'max_bytes', { max_bytes: 1024 * 1024 }],
      ['inbox', 'retention', { retention: 'interest' }],
    ]
    for (const [kind, setting, change] of changes) {
      const options = place()
      await withNats(options.servers, async (client) => {
        const manager = await jetstreamManager(client)
        const sound = { discard: 'new', deny_delete: true, deny_purge: kind === 'log', allow_direct: true }
        const name = `${options.prefix}-${kind}`
        const subjects = [`${options.prefix}.${kind}.*`]
        await manager.streams.add({ name, subjects, ...sound, ...change } as Parameters<typeof manager.streams.add>[0])
      })
      const failure = await failureOf(() => openNats(options))
      expect([setting, failure.code, failure.message.includes(setting)]).toEqual([setting, 'UNSAFE_SERVER', true])
    }
  })

  it('takes a stream that was made with other settings than its own, where no promise hangs on them', async () => {
    const options = place()
    await withNats(options.servers, async (client) => {
      const manager = await jetstreamManager(client)
      const config = {
        name: `${options.prefix}-log`,
        subjects: [`${options.prefix}.log.*`],
        discard: 'new',
        deny_delete: true,
        deny_purge: true,
        allow_direct: true,
        max_consumers: 100,
        description: 'commits',
      }
      await manager.streams.add(config as Parameters<typeof manager.streams.add>[0])
    })
    const { log } = await open(options)
    await appendAll(log, history(3))
  })

  it('refuses an old server, one that takes only small messages, and one without JetStream', async () => {
    const old = await failureOf(async () => openNats({ servers: await impostor({ version: '2.8.4' }) }))
    expect([old.code, old.message.includes('2.8.4')]).toEqual(['UNSAFE_SERVER', true])
    const replicated = await impostor({ version: '2.10.29' })
    const unsafe = await failureOf(() => openNats({ servers: replicated, replicas: 3 }))
    expect([unsafe.code, unsafe.message.includes('replicas: 1')]).toEqual(['UNSAFE_SERVER', true])
    const small = await impostor({ version: '2.10.0', max_payload: 500_000 })
    const tooSmall = await failureOf(() => openNats({ servers: small }))
    expect([tooSmall.code, tooSmall.message.includes('max_payload')]).toEqual(['UNSAFE_SERVER', true])
    const config = 'accounts { PLAIN { users: [{ user: plain, password: plain }] } }\n'
    await using plain = await startNats({ private: true, config })
    const connection = { user: 'plain', pass: 'plain' }
    const off = await failureOf(() => openNats({ servers: plain.url, connection }))
    expect([off.code, off.message.includes('JetStream')]).toEqual(['UNSAFE_SERVER', true])
  })

  it('says that nobody is there, and what to start', async () => {
    const { code, message } = await failureOf(() => openNats({ servers: 'nats://127.0.0.1:1', requestTimeoutMs: 2000 }))
    expect([code, message.includes('127.0.0.1:1')]).toEqual(['ADAPTER_UNAVAILABLE', true])
  })

  it('gives up in time on a listener that takes connections and says nothing', async () => {
    const sockets: Socket[] = []
    const servers = await listening((socket) => sockets.push(socket))
    const { code, message } = await failureOf(() => openNats({ servers, requestTimeoutMs: 500 }))
    expect([code, message.includes('said nothing')]).toEqual(['ADAPTER_UNAVAILABLE', true])
    for (const socket of sockets) socket.destroy()
  })

  it('refuses options that it does not know or cannot use', async () => {
    const wrong: object[] = [
      {},
      { servers: '' },
      { servers: [] },
      { servers: 'http://x' },
      { servers: server.url, prefix: 'a.b' },
      { servers: server.url, replicas: 0 },
      { servers: server.url, requestTimeoutMs: 1 },
      { servers: server.url, artifactBytesMax: -1 },
      { servers: server.url, createStreams: 'no' },
      { servers: server.url, password: 'secret' },
    ]
    for (const options of wrong) {
      const failure = await failureOf(() => openNats(options as OpenNatsOptions))
      expect([options, failure.code]).toEqual([options, 'INVALID_INPUT'])
      expect(failure.message).not.toContain('secret')
    }
  })

  it('refuses addresses whose users or passwords it cannot read or use, and shows none of them', async () => {
    const { port } = new URL(server.url)
    const refused = [
      `nats://app:50%off@127.0.0.1:${port}`,
      `nats://50%off:secret@127.0.0.1:${port}`,
      [`nats://app:secret@127.0.0.1:${port}`, `nats://app:off@127.0.0.1:${port}`],
      `nats://app:secret@127.0.0.1:${port},nats://off:secret@127.0.0.1:${port}`,
    ]
    for (const servers of refused) {
      const failure = await failureOf(() => openNats({ servers }))
      expect(failure.code).toBe('INVALID_INPUT')
      expect(`${failure.message} ${JSON.stringify(failure)} ${String(failure.cause)}`).not.toMatch(/off|secret|app/)
    }
    const same = [`nats://app:50%25off@127.0.0.1:${port}`, `nats://app:50%25off@127.0.0.1:${port}`]
    await open({ ...place(), servers: [...same, server.url] })
  })

  it('keeps artifacts below its own limit too', async () => {
    const { artifacts } = await open({ ...place(), artifactBytesMax: 10 })
    const source = async function* (): AsyncIterable<Uint8Array> {
      yield Buffer.alloc(11)
    }
    expect((await failureOf(async () => artifacts?.put(source(), 1000))).code).toBe('ARTIFACT_TOO_LARGE')
  })

  it('tells what it found', async () => {
    const adapter = await open(place())
    const { durable, findings } = await adapter.diagnose()
    expect(durable).toBe('process')
    const names = ['server', 'max-payload', 'jetstream', 'log-stream', 'sync', 'publish-cost', 'clock']
    expect(findings.map(({ name }) => name)).toEqual(names)
    expect(findings.filter(({ level }) => level === 'problem')).toEqual([])
  })

  it('lists runs by their logs, and fails to list leases, where the stream of the others was deleted or never made', async () => {
    const options = place()
    const adapter = await open(options)
    await appendAll(adapter.log, history(1))
    await withNats(options.servers, async (client) => {
      const manager = await jetstreamManager(client)
      await manager.streams.delete(`${options.prefix}-summaries`)
      const rows: unknown[] = []
      for await (const { runId, source } of listRuns(adapter)) rows.push([runId, source])
      expect(rows).toEqual([['run-1', 'log']])
      await manager.streams.delete(`KV_${options.prefix}-leases`)
    })
    const listing = async () => {
      for await (const _ of adapter.leases.holders('run/')) expect.fail('There are none.')
    }
    expect(await failureOf(listing)).toMatchObject({ code: 'ADAPTER_UNAVAILABLE' })
  })

  it('lets its process end once it is closed', async () => {
    const { servers, prefix } = place()
    const script = fileURLToPath(new URL('./open-and-close.mjs', import.meta.url))
    await promisify(execFile)(process.execPath, [script, servers, prefix], { timeout: 20_000 })
  })
})
