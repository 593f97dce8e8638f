import { existsSync } from 'node:fs'
import { expect, it } from 'vitest'
import { forcedSource } from '../src/environment.js'
import { startRedis } from '../src/index.js'
import { askRedisFor } from './talk.js'

const always = { appendfsync: 'always' }

it('starts an empty Redis of its own that evicts nothing and keeps a log on disk', async () => {
  await using server = await startRedis({ private: true })
  expect(server.url).toBe(`redis://127.0.0.1:${server.port}`)
  expect(server.shared).toBe(false)
  expect(await askRedisFor(server, 'DBSIZE')).toBe(':0')
  expect(await askRedisFor(server, 'CONFIG GET maxmemory-policy')).toContain('noeviction')
  expect(await askRedisFor(server, 'CONFIG GET appendonly')).toContain('yes')
})

it('keeps port and data over SIGKILL and restart', async () => {
  await using server = await startRedis({ private: true, settings: always })
  const { port } = server
  expect(await askRedisFor(server, 'SET fruit pear')).toBe('+OK')
  await server.kill()
  await expect(askRedisFor(server, 'PING')).rejects.toThrow('ECONNREFUSED')
  await server.restart()
  expect(server.port).toBe(port)
  expect(await askRedisFor(server, 'GET fruit')).toBe('$4\r\npear')
})

it('restarts a server that still runs', async () => {
  await using server = await startRedis({ private: true, settings: always })
  expect(await askRedisFor(server, 'SET fruit pear')).toBe('+OK')
  await server.restart()
  expect(await askRedisFor(server, 'GET fruit')).toBe('$4\r\npear')
})

it('answers nothing while paused and goes on when resumed', async () => {
  await using server = await startRedis({ private: true })
  await server.pause()
  await expect(askRedisFor(server, 'PING', 200)).rejects.toThrow('did not answer in 200 ms')
  await server.resume()
  expect(await askRedisFor(server, 'PING')).toBe('+PONG')
})

it('stops a paused server, and removes its data', async (context) => {
  const server = await startRedis({ private: true })
  if (server.source === 'docker') {
    await server.stop()
    return context.skip('the data is in the container')
  }
  const dir = (await askRedisFor(server, 'CONFIG GET dir')).split('\r\n').at(-1)!
  expect(existsSync(dir)).toBe(true)
  await server.pause()
  await server.stop()
  await server.stop()
  expect(existsSync(dir)).toBe(false)
  await expect(askRedisFor(server, 'PING')).rejects.toThrow('ECONNREFUSED')
  await expect(server.restart()).rejects.toThrow('start a new server')
})

it('is ready with a password too', async () => {
  await using server = await startRedis({ private: true, settings: { requirepass: 'secret' } })
  expect(await askRedisFor(server, 'PING')).toContain('NOAUTH')
  await server.restart()
  expect(await askRedisFor(server, 'AUTH secret')).toBe('+OK')
})

it('starts several at once on ports of their own', async () => {
  const servers = await Promise.all(Array.from({ length: 4 }, () => startRedis({ private: true })))
  try {
    expect(new Set(servers.map(({ port }) => port)).size).toBe(servers.length)
    const replies = await Promise.all(servers.map((server) => askRedisFor(server, 'PING')))
    expect(replies).toEqual(servers.map(() => '+PONG'))
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
})

it('says what the server said when a setting is wrong', async (context) => {
  context.skip(forcedSource(process.env) === 'docker', 'a container says only that it has ended')
  await expect(startRedis({ private: true, settings: { 'no-such-setting': 'yes' } })).rejects.toThrow('no-such-setting')
})
