import { once } from 'node:events'
import { setTimeout as pauseFor } from 'node:timers/promises'
import { expect, it, vi } from 'vitest'
import { networkNamespaces, startRedis } from '../src/index.js'
import { ip } from '../src/ip-command.js'

/** A client on a host: connects, says PING again for every byte it reads, prints what it hears. */
const client = `
  const [host, port] = process.argv.slice(1)
  const socket = require('node:net').connect({ host, port: Number(port) })
  process.stdin.on('data', () => socket.write('PING\\r\\n'))
  process.stdin.on('end', () => process.exit())
  socket.on('data', (bytes) => process.stdout.write(bytes))
  socket.on('connect', () => socket.write('PING\\r\\n'))
`

it('gives programs a machine of their own that can be cut off from a server and joined again', async (context) => {
  await using network = await networkNamespaces()
  if (!network.available) return context.skip(network.reason)
  await using server = await startRedis({ private: true, bind: network.address })
  expect(server.host).toBe(network.address)
  const host = await network.createHost('far')
  const child = host.exec(process.execPath, ['-e', client, server.host, String(server.port)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let heard = ''
  child.stdout?.on('data', (bytes: Buffer) => {
    heard += bytes.toString()
  })
  const hears = (replies: number) =>
    vi.waitFor(() => expect(heard).toBe('+PONG\r\n'.repeat(replies)), { timeout: 20_000, interval: 10 })
  await hears(1)
  await host.partition()
  child.stdin?.write('x')
  // Nothing to wait for: that something does not arrive shows only by letting time pass.
  await pauseFor(300)
  await hears(1)
  await host.heal()
  await hears(2)
  const ended = once(child, 'exit')
  await network[Symbol.asyncDispose]()
  expect(await ended).toEqual([null, 'SIGKILL'])
  const left = `${await ip('netns', 'list')}${await ip('-o', 'link', 'show')}`
  expect(left).not.toContain(`reprise-${process.pid}-`)
  expect(left).not.toMatch(new RegExp(`rp${process.pid}[bc]`))
})

it('removes what a killed process has left behind', async (context) => {
  await using network = await networkNamespaces()
  if (!network.available) return context.skip(network.reason)
  // Process ids end below 2^22 on Linux: nobody runs under this one.
  const stale = 'reprise-9999999-1'
  await ip('netns', 'add', stale)
  await ip('link', 'add', 'rp9999999b2', 'type', 'bridge')
  await using again = await networkNamespaces()
  expect(again.available).toBe(true)
  const left = `${await ip('netns', 'list')}${await ip('-o', 'link', 'show')}`
  expect(left).not.toContain('9999999')
})

it('gives a reason to print where there are none', async () => {
  vi.stubEnv('PATH', '/nowhere')
  await using network = await networkNamespaces()
  vi.unstubAllEnvs()
  expect(network).toMatchObject({ available: false, reason: expect.stringContaining('Network namespaces need Linux') })
})
