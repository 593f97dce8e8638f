import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { startRedis } from '@reprise/test-servers'
import { Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { type OpenRedisOptions, openRedis } from '../src/index.js'
import { patientMs } from './deadlines.js'
import { redisFixture } from './redis-fixture.js'
import { appendAll, codeOf, collect, eventually, failureOf, history, readAll, runId, textsOf } from './redis-history.js'

const run = runId('run-1')
const fixture = redisFixture({ private: true })

/** Runs `work` while the server has that setting. */
async function withSetting<T>(name: string, value: string, work: () => Promise<T>): Promise<T> {
  const [, before] = (await fixture.raw.config('GET', name)) as [string, string]
  await fixture.raw.config('SET', name, value)
  try {
    return await work()
  } finally {
    await fixture.raw.config('SET', name, before)
  }
}

describe('openRedis', () => {
  it.each([
    ['nothing', {}],
    ['both a url and a connection', { url: 'redis://127.0.0.1', connection: {} }],
    ['a url of another kind', { url: 'http://127.0.0.1:6379' }],
    ['a url that is none', { url: 'redis://:secret-1@' }],
    ['a connection that is none', { connection: 'redis://127.0.0.1' }],
    ['a key prefix of ioredis', { connection: { keyPrefix: 'x' } }],
    ['an unknown option', { url: 'redis://127.0.0.1', prefx: 'a' }],
    ['a prefix with braces', { url: 'redis://127.0.0.1', prefix: '{a}' }],
    ['a prefix that is no text', { url: 'redis://127.0.0.1', prefix: 7 }],
    ['another durability', { url: 'redis://127.0.0.1', requireDurable: 'disk' }],
    ['a timeout of no time', { url: 'redis://127.0.0.1', commandTimeoutMs: 0 }],
    ['a negative artifact size', { url: 'redis://127.0.0.1', artifactBytesMax: -1 }],
  ])('refuses %s', async (_what, options) => {
    const failure = await failureOf(() => openRedis(options as OpenRedisOptions))
    expect(failure).toMatchObject({ code: 'INVALID_INPUT' })
    expect(JSON.stringify([failure.message, failure])).not.toContain('secret-1')
  })

  it.each(['allkeys-lru', 'volatile-ttl', 'allkeys-random'])('refuses a server that evicts by %s', async (policy) => {
    const failure = await withSetting('maxmemory-policy', policy, () =>
      failureOf(() => openRedis({ url: fixture.server.url, commandTimeoutMs: patientMs })),
    )
    expect(failure).toMatchObject({ code: 'UNSAFE_SERVER', details: { evictionPolicy: policy } })
    expect(failure.message).toContain('noeviction')
  })

  it('takes or refuses the persistence of the server as it was required', async () => {
    const open = (requireDurable: 'process' | 'os') =>
      codeOf(async () =>
        (await openRedis({ url: fixture.server.url, requireDurable, commandTimeoutMs: patientMs })).close(),
      )
    const opened = async () => [await open('process'), await open('os')]
    const found: Record<string, string[]> = {}
    for (const fsync of ['always', 'everysec', 'no']) {
      found[fsync] = await withSetting('appendfsync', fsync, opened)
    }
    found.off = await withSetting('appendonly', 'no', opened)
    expect(found).toEqual({
      always: ['ok', 'ok'],
      everysec: ['ok', 'UNSAFE_SERVER'],
      no: ['ok', 'UNSAFE_SERVER'],
      off: ['UNSAFE_SERVER', 'UNSAFE_SERVER'],
    })
  })

  it('tells in diagnose what the settings mean, and what is wrong with them', async () => {
    const adapter = await fixture.open()
    // Beside these bytes, what connections that come and go use of the memory is nothing.
    await fixture.raw.setrange('ballast', 32_000_000, 'x')
    const diagnosis = async () => {
      const { durable, findings } = await adapter.diagnose()
      return { durable, levels: Object.fromEntries(findings.map(({ name, level }) => [name, level])), findings }
    }
    const everysec = await diagnosis()
    expect(everysec.durable).toBe('process')
    const { version, persistence, eviction, memory } = everysec.levels
    expect([version, persistence, eviction, memory]).toEqual(['ok', 'warning', 'ok', 'ok'])
    const figures = Object.assign({}, ...everysec.findings.map((finding) => finding.figures ?? {}))
    expect(figures).toMatchObject({ appendfsync: 'everysec', maxMemoryBytes: 0 })
    for (const name of ['pingMedianMs', 'appendMedianMs', 'usedMemoryBytes']) expect(figures[name]).toBeGreaterThan(0)
    await withSetting('appendfsync', 'always', async () =>
      expect(await diagnosis()).toMatchObject({ durable: 'os', levels: { persistence: 'ok' } }),
    )
    await withSetting('appendonly', 'no', async () =>
      expect(await diagnosis()).toMatchObject({ durable: 'nothing', levels: { persistence: 'problem' } }),
    )
    await withSetting('maxmemory-policy', 'allkeys-lru', async () =>
      expect((await diagnosis()).levels.eviction).toBe('problem'),
    )
    const limit = String(Math.ceil(Number(figures.usedMemoryBytes) * 1.1))
    await withSetting('maxmemory', limit, async () => expect((await diagnosis()).levels.memory).toBe('warning'))
    await withSetting('maxmemory', '1', async () =>
      expect((await diagnosis()).levels).toMatchObject({ memory: 'warning', 'append-cost': 'problem' }),
    )
    expect(await fixture.raw.keys(`*${fixture.prefix}:probe*`)).toEqual([])
    await fixture.raw.del('ballast')
  })

  it('says so when the server has no memory left, and goes on when it has', async () => {
    const adapter = await fixture.open()
    const [first, second] = history(2)
    if (first === undefined || second === undefined) throw new Error('There are no records.')
    await adapter.log.append(run, first)
    await withSetting('maxmemory', '1', async () => {
      const failure = await failureOf(() => adapter.log.append(run, second))
      expect(failure).toMatchObject({ code: 'ADAPTER_UNAVAILABLE' })
      expect(failure.message).toContain('maxmemory')
      expect(await codeOf(() => adapter.inbox.send(run, [{ sender: 's', seq: 1, kind: 'command', body: '{}' }]))).toBe(
        'ADAPTER_UNAVAILABLE',
      )
      expect(await readAll(adapter.log, run)).toEqual([first.text])
    })
    await adapter.log.append(run, second)
    expect(await readAll(adapter.log, run)).toEqual(textsOf([first, second]))
  })

  it('refuses a replica', async () => {
    await using replica = await startRedis({
      private: true,
      settings: { replicaof: `127.0.0.1 ${fixture.server.port}` },
    })
    const failure = await failureOf(() => openRedis({ url: replica.url, commandTimeoutMs: patientMs }))
    expect(failure).toMatchObject({ code: 'UNSAFE_SERVER', details: { role: 'slave' } })
  })

  it('fails long before its deadline, without the password, when the server refuses the user', async () => {
    await fixture.raw.acl('SETUSER', 'someone', 'on', '>secret-2', '+@all', '~*')
    const { port } = fixture.server
    const urls = [`redis://someone:secret-3@127.0.0.1:${port}`, `redis://nobody:secret-4@127.0.0.1:${port}/3`]
    for (const url of urls) {
      const failure = await failureOf(() => openRedis({ url, commandTimeoutMs: 600_000 }))
      expect(failure).toMatchObject({ code: 'INVALID_INPUT' })
      expect(`${failure.message} ${failure.stack} ${JSON.stringify(failure)} ${String(failure.cause)}`).not.toMatch(
        /secret/,
      )
    }
    const url = `redis://someone:secret-2@127.0.0.1:${port}/3`
    await (await openRedis({ url, prefix: fixture.prefix, commandTimeoutMs: patientMs })).close()
  })

  it('fails by its deadline where nobody listens, and where nobody answers', async () => {
    const silent = createServer((socket) => socket.on('error', () => {}).resume())
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const { port } = silent.address() as { port: number }
    for (const url of ['redis://:secret-5@127.0.0.1:1', `redis://:secret-5@127.0.0.1:${port}`]) {
      const failure = await failureOf(() => openRedis({ url, commandTimeoutMs: 300 }))
      expect(failure).toMatchObject({ code: 'ADAPTER_UNAVAILABLE' })
      expect(`${failure.message} ${JSON.stringify(failure)} ${String(failure.cause)}`).not.toContain('secret')
    }
    silent.close()
    await once(silent, 'close')
  })

  it('takes options for ioredis, or a client, which stays its owner’s', async () => {
    const { host, port } = fixture.server
    const client = new Redis({ host, port, lazyConnect: true, stringNumbers: true, replyMapping: 'resp3' })
    const [one, other] = [
      await openRedis({ connection: { host, port }, commandTimeoutMs: patientMs }),
      await openRedis({ connection: client, commandTimeoutMs: patientMs }),
    ]
    await appendAll(one.log, run, history(2))
    expect(await readAll(other.log, run)).toEqual(textsOf(history(2)))
    await Promise.all([one.close(), other.close()])
    expect(client.status).toBe('wait')
    expect(await client.ping()).toBe('PONG')
    client.disconnect()
  })

  it('leaves no connection behind when it is closed, with everything in use', async () => {
    const connections = async () =>
      String(await fixture.raw.client('LIST'))
        .trim()
        .split('\n').length
    await eventually('the connections of other tests are gone', async () => (await connections()) === 1)
    const adapter = await fixture.open()
    const signal = new AbortController().signal
    const watching = collect(adapter.log.watch(run, 0, signal))
    const receiving = adapter.inbox.receive(run, async () => {}, signal)
    await appendAll(adapter.log, run, history(1))
    await adapter.close()
    await Promise.all([watching, receiving])
    await eventually('the connections are gone', async () => (await connections()) === 1)
  })

  it('lets the process end once it is closed', async () => {
    const script = `
      import { openRedis } from '@reprise/adapter-redis'
      const adapter = await openRedis({ url: '${fixture.server.url}', commandTimeoutMs: ${patientMs} })
      const never = new AbortController().signal
      void adapter.inbox.receive('run-1', async () => {}, never)
      void (async () => { for await (const _ of adapter.log.watch('run-1', 0, never)); })()
      await adapter.queue.consume('lane', async () => {}, { workerId: 'w', concurrency: 2, claimTtlMs: 60000 })
      await adapter.leases.acquire('a', { id: 'a', host: 'h', pid: 1 }, 60000)
      await adapter.close()
      await openRedis({ url: 'redis://127.0.0.1:1', commandTimeoutMs: 200 }).catch(() => {})
      console.log('closed')`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      cwd: new URL('..', import.meta.url),
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 20_000,
    })
    let output = ''
    child.stdout.on('data', (text) => {
      output += text
    })
    const [code] = await once(child, 'close')
    expect([code, output.trim()]).toEqual([0, 'closed'])
  })
})
