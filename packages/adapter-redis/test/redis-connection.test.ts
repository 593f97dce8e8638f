import { once } from 'node:events'
import { createServer } from 'node:net'
import { startProxy } from '@reprise/test-servers'
import { Cluster, type Redis } from 'ioredis'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { WithdrawalNews } from '../src/queue/withdrawal-news.js'
import { RedisConnection } from '../src/redis-connection.js'
import { type RedisAddress, RedisEndpoint } from '../src/redis-endpoint.js'
import { patientMs, withDeadline } from './deadlines.js'
import { redisFixture } from './redis-fixture.js'
import { codeOf, eventually, failureOf } from './redis-history.js'

const fixture = redisFixture({ private: true })

function connect(address: RedisAddress, commandTimeoutMs = patientMs): RedisConnection {
  const connection = new RedisConnection(new RedisEndpoint(address), commandTimeoutMs)
  onTestFinished(() => connection.close())
  return connection
}

async function proxied() {
  const proxy = await startProxy(fixture.server)
  onTestFinished(() => proxy[Symbol.asyncDispose]())
  return { proxy, url: proxy.url(fixture.server.url) }
}

describe('a connection that was lost', () => {
  it('comes back though calls expire more often than it takes to connect', async () => {
    const { proxy, url } = await proxied()
    // Longer than between two calls: always one of them expires before the first answer on a new connection is here.
    proxy.delay(30)
    const connection = connect({ url })
    await connection.call('PING', [])
    let [answered, expired] = [0, 0]
    await withDeadline(1_000, async () => {
      const calling = setInterval(() => {
        connection.call('PING', []).then(
          () => answered++,
          () => expired++,
        )
      }, 20)
      onTestFinished(() => clearInterval(calling))
      proxy.refuse()
      proxy.cut()
      await eventually('calls expire', () => expired > 20)
      const before = answered
      const { connectionsTotal } = proxy
      await proxy.accept()
      await eventually('calls are answered', () => answered > before)
      // One is enough; a process that stands still while it connects gives one up.
      expect(proxy.connectionsTotal - connectionsTotal).toBeLessThan(4)
    })
  })

  it('does not wait for a greeting that was lost', async () => {
    const { proxy, url } = await proxied()
    const connection = connect({ url })
    await connection.call('PING', [])
    await withDeadline(500, async () => {
      const end = proxy.swallow('toClient')
      const { connectionsTotal } = proxy
      proxy.cut()
      await eventually('it has connected again', () => proxy.connectionsTotal > connectionsTotal)
      await expect(connection.call('PING', [])).rejects.toMatchObject({ code: 'ADAPTER_UNAVAILABLE' })
      end()
      await eventually('calls are answered', async () => (await codeOf(() => connection.call('PING', []))) === 'ok')
    })
  })

  it('leaves no rejection unheard when it is closed while it subscribes again', async () => {
    const unheard: unknown[] = []
    const note = (reason: unknown): void => void unheard.push(reason)
    process.on('unhandledRejection', note)
    onTestFinished(() => void process.off('unhandledRejection', note))
    const { proxy, url } = await proxied()
    const news = new WithdrawalNews(new RedisEndpoint({ url }), patientMs)
    onTestFinished(() => news.close())
    const heard: string[] = []
    await news.listen('news', (id) => heard.push(id), note)
    let subscribed = 0
    proxy.onData('toServer', (bytes) => {
      if (!bytes.includes('subscribe')) return
      subscribed++
      if (subscribed === 2) news.close()
    })
    proxy.cut()
    await eventually('it listens again', async () => {
      await fixture.raw.publish('news', 'a')
      return heard.length > 0
    })
    proxy.cut()
    await eventually('it was closed', () => subscribed === 2 && proxy.connections === 0)
    await new Promise((resolve) => setTimeout(resolve))
    expect(unheard).toEqual([])
  })
})

/** How a call fails of which the connection has already been refused: looking up a name may take longer than a call has. */
async function failureOnceRefused(url: string): Promise<Error> {
  const endpoint = new RedisEndpoint({ url })
  const clients = vi.spyOn(endpoint, 'client')
  const connection = new RedisConnection(endpoint, patientMs)
  onTestFinished(() => connection.close())
  const client = clients.mock.results[0]?.value as Redis
  const closed = new Promise((resolve) => client.once('close', resolve))
  connection.call('PING', []).catch(() => {}) // Until the test is over.
  await closed
  return await withDeadline(300, () => failureOf(() => connection.call('PING', [])))
}

describe('a call that cannot be made', () => {
  it('says why the server was not reached and that nothing was sent, and otherwise that it does not know', async () => {
    const refused = await failureOnceRefused('redis://127.0.0.1:1')
    expect(refused).toMatchObject({ code: 'ADAPTER_UNAVAILABLE', details: { code: 'ECONNREFUSED' } })
    expect(refused.message).toMatch(/could not be reached .*connect ECONNREFUSED 127\.0\.0\.1:1.*nothing was sent/)
    const named = await failureOnceRefused('redis://localhost:1')
    expect(named.message).toMatch(/ECONNREFUSED.*nothing was sent/)
    expect((named.cause as Error).message).toContain('ECONNREFUSED')
    const silent = createServer((socket) => socket.on('error', () => {}).resume())
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    onTestFinished(() => void silent.close())
    const { port } = silent.address() as { port: number }
    const unanswered = await failureOf(() => connect({ url: `redis://127.0.0.1:${port}` }, 300).call('PING', []))
    expect(unanswered.message).toContain('nothing was sent')
    const { proxy, url } = await proxied()
    const connection = connect({ url })
    await connection.call('PING', [])
    proxy.swallow('toClient')
    const unknown = await withDeadline(300, () => failureOf(() => connection.call('PING', [])))
    expect(unknown.message).toContain('Whether it took effect is not known')
  })
})

describe('options of the user', () => {
  it('leave reads that block their time', async () => {
    const { host, port } = fixture.server
    const timeouts = { commandTimeout: 200, blockingTimeout: 200, socketTimeout: 200 }
    const url = `${fixture.server.url}?commandTimeout=200&blockingTimeout=200&socketTimeout=200`
    for (const address of [{ connection: { host, port, ...timeouts } }, { url }]) {
      const connection = connect(address)
      expect(await connection.call('BZPOPMIN', ['nothing', 1], { blockMs: 1_000 })).toBe(null)
    }
  })

  it('of a cluster do not decide what the adapter promises', () => {
    const user = new Cluster([{ host: '127.0.0.1', port: 1 }], {
      lazyConnect: true,
      scaleReads: 'slave',
      clusterRetryStrategy: () => null,
      clusterNodeRetryStrategy: () => 10,
      enableOfflineQueue: false,
      enableAutoPipelining: true,
      retryDelayOnFailover: 0,
      retryDelayOnClusterDown: 0,
      maxRedirections: 3,
      redisOptions: { commandTimeout: 200, password: 'secret' },
    })
    const { options } = new RedisEndpoint({ connection: user }).client() as Cluster
    expect(options).toMatchObject({ scaleReads: 'master', enableOfflineQueue: true, enableAutoPipelining: false })
    expect(options).toMatchObject({ clusterNodeRetryStrategy: null, maxRedirections: 3 })
    expect(options.clusterRetryStrategy?.(1)).toBeGreaterThan(0)
    expect(options.retryDelayOnFailover).toBeGreaterThan(0)
    expect(options.retryDelayOnClusterDown).toBeGreaterThan(0)
    expect(options.redisOptions?.password).toBe('secret')
    expect(options.redisOptions?.commandTimeout).toBe(undefined)
  })

  it('in the query of a URL do not either, and a key prefix there is refused', () => {
    const client = new RedisEndpoint({
      url: 'redis://:secret@127.0.0.1:1/3?maxLoadingRetryTime=9999',
    }).client() as Redis
    expect(client.options).toMatchObject({ maxLoadingRetryTime: 200, db: 3, password: 'secret', port: 1 })
    expect(() => new RedisEndpoint({ url: 'redis://127.0.0.1:1?keyPrefix=x' })).toThrow('keyPrefix')
  })

  it('wait 20 ms before the first attempt to connect again, and 2 s at most', () => {
    const { options } = new RedisEndpoint({ url: 'redis://127.0.0.1:1' }).client() as Redis
    // Up to 50 ms of chance are added.
    const first = Math.min(...Array.from({ length: 500 }, () => Number(options.retryStrategy?.(1))))
    expect(first).toBeGreaterThanOrEqual(20)
    expect(first).toBeLessThan(40)
    expect(Number(options.retryStrategy?.(1_000))).toBeLessThan(2_100)
  })
})
