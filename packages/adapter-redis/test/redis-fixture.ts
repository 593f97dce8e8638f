import { type FaultProxy, type StartRedisOptions, startProxy, startRedis, type TestServer } from '@reprise/test-servers'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { type OpenRedisOptions, openRedis, type RedisAdapter } from '../src/index.js'
import { patientMs } from './deadlines.js'

export interface RedisFixture {
  readonly server: TestServer
  /** Of its own for each test. */
  readonly prefix: string
  /** A client of the test, which sees and changes what it likes. */
  readonly raw: Redis
  /** Closed after the test. Patient unless told otherwise. */
  open(options?: Partial<OpenRedisOptions>): Promise<RedisAdapter>
  /** A proxy in front of the server, and an adapter that goes through it. */
  openBehindProxy(options?: Partial<OpenRedisOptions>): Promise<{ proxy: FaultProxy; adapter: RedisAdapter }>
}

let tests = 0

/** One server for the tests of a file, and a namespace for each of them. */
export function redisFixture(options: StartRedisOptions = {}): RedisFixture {
  let server: TestServer | undefined
  let raw: Redis | undefined
  const opened: RedisAdapter[] = []
  const proxies: FaultProxy[] = []
  const need = <T>(value: T | undefined): T => {
    if (value === undefined) throw new Error('The server is not started yet.')
    return value
  }
  beforeAll(async () => {
    server = await startRedis(options)
    raw = new Redis(server.url, { retryStrategy: () => 20, maxRetriesPerRequest: null })
    raw.on('error', () => {})
  })
  afterEach(async () => {
    tests++
    await Promise.all(opened.splice(0).map((adapter) => adapter.close()))
    // Nobody waits for what they have under way: the next test has a proxy of its own.
    for (const proxy of proxies.splice(0)) void proxy[Symbol.asyncDispose]()
  })
  afterAll(async () => {
    raw?.disconnect()
    await server?.[Symbol.asyncDispose]()
  })
  const fixture: RedisFixture = {
    get server() {
      return need(server)
    },
    get prefix() {
      return `test-${process.pid}-${tests}`
    },
    get raw() {
      return need(raw)
    },
    open: async (changes = {}) => {
      const { url } = fixture.server
      const adapter = await openRedis({ url, prefix: fixture.prefix, commandTimeoutMs: patientMs, ...changes })
      opened.push(adapter)
      return adapter
    },
    openBehindProxy: async (changes = {}) => {
      const proxy = await startProxy(fixture.server)
      proxies.push(proxy)
      return { proxy, adapter: await fixture.open({ url: proxy.url(fixture.server.url), ...changes }) }
    },
  }
  return fixture
}
