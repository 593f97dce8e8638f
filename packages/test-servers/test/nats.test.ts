import { expect, it } from 'vitest'
import { holdDialogue } from '../src/dialogue.js'
import { forcedSource } from '../src/environment.js'
import { startNats } from '../src/index.js'
import { askNatsFor } from './talk.js'

const stream = JSON.stringify({ name: 'FRUIT', subjects: ['fruit.>'], storage: 'file', retention: 'limits' })

it('keeps port and stored messages over SIGKILL and restart', async () => {
  await using server = await startNats({ private: true })
  expect(server.url).toBe(`nats://127.0.0.1:${server.port}`)
  expect(await askNatsFor(server, '$JS.API.STREAM.CREATE.FRUIT', stream)).not.toHaveProperty('error')
  expect(await askNatsFor(server, 'fruit.pear', 'ripe')).toMatchObject({ stream: 'FRUIT', seq: 1 })
  await server.kill()
  await expect(askNatsFor(server, '$JS.API.INFO', '')).rejects.toThrow('ECONNREFUSED')
  await server.restart()
  expect(await askNatsFor(server, '$JS.API.STREAM.INFO.FRUIT', '')).toMatchObject({ state: { messages: 1 } })
})

it('answers nothing while paused and goes on when resumed', async () => {
  await using server = await startNats({ private: true })
  const info = () =>
    holdDialogue({ host: server.host, port: server.port, timeoutMs: 200 }, '', () => ({ verdict: 'info' }))
  await server.pause()
  await expect(info()).rejects.toThrow('did not answer in 200 ms')
  await server.resume()
  expect(await askNatsFor(server, '$JS.API.INFO', '')).not.toHaveProperty('error')
})

it('is ready with users too, and refuses who has no password', async () => {
  const config = 'authorization { users: [ { user: worker, password: secret } ] }'
  await using server = await startNats({ private: true, config })
  const knock = (connect: string) =>
    holdDialogue(
      { host: server.host, port: server.port, timeoutMs: 10_000 },
      `CONNECT ${connect}\r\nPING\r\n`,
      (text) => (/PONG|-ERR/.test(text) ? { verdict: text } : 'more'),
    )
  expect(await knock('{"verbose":false}')).toContain('Authorization Violation')
  expect(await knock('{"verbose":false,"user":"worker","pass":"secret"}')).toContain('PONG')
})

it('is ready with accounts of which only some have JetStream', async () => {
  const config = 'accounts { A: { jetstream: enabled, users: [ { user: a, password: a } ] } }'
  await using server = await startNats({ private: true, config })
  await server.restart()
  expect(server.shared).toBe(false)
})

it('starts several at once on ports of their own', async () => {
  const servers = await Promise.all(Array.from({ length: 3 }, () => startNats({ private: true })))
  try {
    expect(new Set(servers.map(({ port }) => port)).size).toBe(servers.length)
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
})

it('says what the server said when the configuration is wrong', async (context) => {
  context.skip(forcedSource(process.env) === 'docker', 'a container says only that it has ended')
  await expect(startNats({ private: true, config: 'no such line {' })).rejects.toThrow('Parse error')
})
