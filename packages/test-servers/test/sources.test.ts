import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { findServer } from '../src/find-server.js'
import { obtainServers, startNats, startRedis } from '../src/index.js'
import { askRedisFor } from './talk.js'

afterEach(() => {
  vi.unstubAllEnvs()
})

const quiet = { private: false, onInstall: () => {} }

describe('a server that the environment names', () => {
  it('is used, is said to be shared, and is neither killed nor stopped', async () => {
    await using mine = await startRedis({ private: true })
    vi.stubEnv('REPRISE_TEST_SERVERS', '')
    vi.stubEnv('REPRISE_TEST_REDIS_URL', mine.url)
    const named = await startRedis()
    expect(named).toMatchObject({ url: mine.url, port: mine.port, source: 'url', shared: true })
    for (const act of ['kill', 'restart', 'pause', 'resume'] as const) {
      await expect(named[act]()).rejects.toThrow('REPRISE_TEST_REDIS_URL and is shared')
    }
    await named.stop()
    expect(await askRedisFor(mine, 'PING')).toBe('+PONG')
  })

  it('is left alone by a test that wants a private one', async () => {
    await using mine = await startNats({ private: true })
    vi.stubEnv('REPRISE_TEST_NATS_URL', mine.url)
    await using other = await startNats({ private: true })
    expect(other.shared).toBe(false)
    expect(other.port).not.toBe(mine.port)
  })

  it('is an error when it does not answer, without its password in the message', async () => {
    await using mine = await startRedis({ private: true })
    await mine.kill()
    vi.stubEnv('REPRISE_TEST_SERVERS', '')
    vi.stubEnv('REPRISE_TEST_REDIS_URL', `redis://user:hush@127.0.0.1:${mine.port}`)
    const failure = await startRedis().catch((error: Error) => error.message)
    expect(failure).toContain(`REPRISE_TEST_REDIS_URL names 127.0.0.1:${mine.port}, which does not work`)
    expect(failure).not.toContain('hush')
  })

  it('is an error when it is another kind of server', async () => {
    await using nats = await startNats({ private: true })
    vi.stubEnv('REPRISE_TEST_SERVERS', '')
    vi.stubEnv('REPRISE_TEST_REDIS_URL', `redis://127.0.0.1:${nats.port}`)
    await expect(startRedis()).rejects.toThrow('which does not work')
  })
})

describe('when nothing works', () => {
  it('names every source, why it failed, and what helps', async () => {
    const empty = await mkdtemp(join(tmpdir(), 'reprise-nowhere-'))
    try {
      const env = { PATH: empty, REPRISE_TEST_SERVERS: 'path' }
      const failure = findServer('redis', { ...quiet, env, folders: [] })
      await expect(failure).rejects.toThrow('There is no redis server to test with')
      await expect(failure).rejects.toThrow("only 'path', because REPRISE_TEST_SERVERS says so")
      await expect(failure).rejects.toThrow('path: no redis-server on the PATH')
      await expect(failure).rejects.toThrow('apt-get install redis-server')
    } finally {
      await rm(empty, { recursive: true })
    }
  })

  it('refuses a source that does not exist', async () => {
    const failure = findServer('nats', { ...quiet, env: { REPRISE_TEST_SERVERS: 'snap' } })
    await expect(failure).rejects.toThrow("REPRISE_TEST_SERVERS is 'snap': use path, docker, apt or unset it.")
  })
})

it('says where it obtained the servers', async () => {
  const { redis, nats } = await obtainServers({ private: true })
  await using server = await startNats({ private: true })
  expect(nats).toBe(server.source)
  expect(['path', 'docker', 'apt']).toContain(redis)
})

it('starts a server in a container, or says that no engine answers', async (context) => {
  vi.stubEnv('REPRISE_TEST_SERVERS', 'docker')
  const server = await startRedis({ settings: { appendfsync: 'always' } }).catch((error: Error) => error)
  if (server instanceof Error) {
    expect(server.message).toContain('docker: no container engine answers')
    expect(server.message).toContain('start Docker')
    return context.skip('no container engine answers here; that this is said clearly was tested')
  }
  await using container = server
  expect(container.source).toBe('docker')
  expect(await askRedisFor(container, 'SET fruit pear')).toBe('+OK')
  await container.restart()
  expect(await askRedisFor(container, 'GET fruit')).toBe('$4\r\npear')
  await container.pause()
  await container.resume()
  expect(await askRedisFor(container, 'PING')).toBe('+PONG')
}, 180_000)
