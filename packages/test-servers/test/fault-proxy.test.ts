import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as pauseFor } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Direction, type FaultProxy, startProxy, startRedis } from '../src/index.js'
import { askRedisFor } from './talk.js'

/** Two ends of connections through the proxy, with what each has received. */
interface End {
  readonly socket: Socket
  readonly chunks: Buffer[]
  readonly text: string
}

const quietMs = 150
const server = createServer({ noDelay: true })
let accepted: End[]
let proxy: FaultProxy

beforeEach(async () => {
  accepted = []
  server.removeAllListeners('connection')
  server.on('connection', (socket) => accepted.push(watch(socket)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  proxy = await startProxy({ host: '127.0.0.1', port: (server.address() as AddressInfo).port })
})

afterEach(async () => {
  await proxy[Symbol.asyncDispose]()
  const ended = once(server, 'close')
  server.close()
  for (const { socket } of accepted) socket.destroy()
  await ended
})

function watch(socket: Socket): End {
  const chunks: Buffer[] = []
  socket.on('data', (bytes) => chunks.push(bytes))
  socket.on('error', () => {})
  return {
    socket,
    chunks,
    get text() {
      return Buffer.concat(chunks).toString()
    },
  }
}

/** A client and the server's end of its connection. */
async function join(): Promise<{ client: End; far: End }> {
  const count = accepted.length
  const client = watch(connect({ host: proxy.host, port: proxy.port, noDelay: true }))
  await soon(() => expect(accepted).toHaveLength(count + 1))
  return { client, far: accepted[count]! }
}

/** A client that has heard from the other side. */
async function greeted(through: FaultProxy): Promise<Socket> {
  const { socket } = watch(connect({ host: through.host, port: through.port, noDelay: true }))
  await once(socket, 'data')
  return socket
}

const soon = (check: () => void) => vi.waitFor(check, { timeout: 20_000, interval: 5 })
const hears = (end: End, text: string) => soon(() => expect(end.text).toBe(text))

/** `once` would reject: a reset connection reports an error first. */
const closed = (socket: Socket) => new Promise<void>((resolve) => socket.once('close', () => resolve()))

/** Resolves once the proxy has read the text: a fault that ends before has not seen it. Call it before it is sent. */
function readByProxy(text: string, direction: Direction): Promise<void> {
  return new Promise((resolve) => {
    const end = proxy.onData(direction, (bytes) => {
      if (!bytes.includes(text)) return
      end()
      resolve()
    })
  })
}

/** That nothing arrives shows only by letting time pass. */
async function hearsNothingNew(end: End): Promise<void> {
  const before = end.text
  await pauseFor(quietMs)
  expect(end.text).toBe(before)
}

describe('without faults', () => {
  it('carries bytes and ends both ways, and counts them', async () => {
    const { client, far } = await join()
    client.socket.write('question')
    await hears(far, 'question')
    far.socket.write('answer')
    await hears(client, 'answer')
    expect(proxy).toMatchObject({ connections: 1, connectionsTotal: 1, bytes: { toServer: 8, toClient: 6 } })
    const ended = once(far.socket, 'end')
    client.socket.end()
    await ended
    await soon(() => expect(proxy.connections).toBe(0))
  })

  it('carries a megabyte faster than its reader reads, losing nothing', async () => {
    const { client, far } = await join()
    far.socket.pause()
    const sent = Buffer.alloc(8 * 1024 * 1024, 'abcdefg')
    client.socket.write(sent)
    await pauseFor(quietMs)
    // Backpressure reaches the sender: what is under way fits the buffers of sockets.
    expect(proxy.bytes.toServer).toBeLessThan(sent.length)
    far.socket.resume()
    await soon(() => expect(proxy.bytes.toServer).toBe(sent.length))
    await soon(() => expect(Buffer.concat(far.chunks).length).toBe(sent.length))
    expect(Buffer.concat(far.chunks).equals(sent)).toBe(true)
  })

  it('puts its own address in a URL and keeps the rest', () => {
    const address = `127.0.0.1:${proxy.port}`
    expect(proxy.url('redis://user:secret@example.org:6379/2')).toBe(`redis://user:secret@${address}/2`)
    expect(proxy.url('nats://example.org:4222')).toBe(`nats://${address}`)
  })

  it('stands in front of a real server', async () => {
    await using redis = await startRedis({ private: true })
    await using front = await startProxy(redis.url)
    expect(await askRedisFor(front, 'PING')).toBe('+PONG')
    await redis.kill()
    await expect(askRedisFor(front, 'PING')).rejects.toThrow()
    await redis.restart()
    expect(await askRedisFor(front, 'PING')).toBe('+PONG')
  })
})

describe('faults of one direction', () => {
  it('delays bytes, and only in its direction', async () => {
    const { client, far } = await join()
    const end = proxy.delay(200, 'toServer')
    const start = performance.now()
    client.socket.write('late')
    await hears(far, 'late')
    expect(performance.now() - start).toBeGreaterThanOrEqual(195)
    end()
    client.socket.write('!')
    await hears(far, 'late!')
    // So late that no machine is slow enough to see it.
    proxy.delay(3_600_000, 'toServer')
    client.socket.write('never')
    far.socket.write('early')
    await hears(client, 'early')
    expect(far.text).toBe('late!')
  })

  it('keeps the order of delayed bytes and those after the delay', async () => {
    const { client, far } = await join()
    const end = proxy.delay(100)
    const read = readByProxy('one ', 'toServer')
    client.socket.write('one ')
    await read
    end()
    client.socket.write('two')
    await hears(far, 'one two')
  })

  it('swallows replies while the server gets the questions', async () => {
    const { client, far } = await join()
    const end = proxy.swallow('toClient')
    client.socket.write('question')
    await hears(far, 'question')
    const read = readByProxy('lost', 'toClient')
    far.socket.write('lost')
    await read
    await hearsNothingNew(client)
    end()
    far.socket.write('found')
    await hears(client, 'found')
    expect(proxy.bytes.toClient).toBe(5)
  })

  it('holds bytes and ends until they are released', async () => {
    const { client, far } = await join()
    proxy.hold('toServer')
    client.socket.end('last words')
    far.socket.write('still here')
    await hears(client, 'still here')
    await hearsNothingNew(far)
    expect(far.socket.readableEnded).toBe(false)
    const ended = once(far.socket, 'end')
    proxy.release('toServer')
    await hears(far, 'last words')
    await ended
  })

  it('does not tell the server of a client that vanished behind a partition, until it heals', async () => {
    const { client, far } = await join()
    const end = proxy.hold('toServer')
    client.socket.resetAndDestroy()
    await hearsNothingNew(far)
    expect(far.socket.closed).toBe(false)
    const ended = closed(far.socket)
    end()
    await ended
  })

  it('trickles bytes one by one', async () => {
    const { client, far } = await join()
    const end = proxy.trickle(1, 'toServer')
    // Long enough that no kernel, however late it delivers, makes one piece of it again.
    const times = 100
    const text = 'byte by byte'.repeat(times)
    client.socket.write(text)
    await hears(far, text)
    // On average more than one piece of each 'byte by byte'.
    expect(far.chunks.length).toBeGreaterThan(times)
    end()
    client.socket.write('!')
    await hears(far, `${text}!`)
  })

  it('cuts after exactly that many bytes, which arrive', async () => {
    const { client, far } = await join()
    const other = await join()
    proxy.cutAfter(7, 'toServer')
    const ends = [client, far, other.client, other.far].map(({ socket }) => closed(socket))
    expect(proxy).toMatchObject({ cutPending: true, cuts: 0 })
    client.socket.write('0123')
    client.socket.write('456789')
    await Promise.all(ends)
    expect(proxy).toMatchObject({ cutPending: false, cuts: 1 })
    expect(far.text).toBe('0123456')
    const next = await join()
    next.client.socket.write('again')
    await hears(next.far, 'again')
  })

  it('lets a hook see bytes before they pass, and act on them', async () => {
    const { client, far } = await join()
    const seen: string[] = []
    const off = proxy.onData('toServer', (bytes) => {
      seen.push(bytes.toString())
      if (bytes.includes('COMMIT')) proxy.swallow('toClient')
    })
    client.socket.write('PREPARE')
    await hears(far, 'PREPARE')
    far.socket.write('OK')
    await hears(client, 'OK')
    client.socket.write('COMMIT')
    await hears(far, 'PREPARECOMMIT')
    const read = readByProxy('OK', 'toClient')
    far.socket.write('OK')
    await read
    await hearsNothingNew(client)
    off()
    proxy.clear()
    client.socket.write('PING')
    await hears(far, 'PREPARECOMMITPING')
    expect(seen).toEqual(['PREPARE', 'COMMIT'])
  })

  it('cuts in a hook before the bytes that it saw have passed', async () => {
    const { client, far } = await join()
    proxy.onData('toServer', () => proxy.cut())
    const ends = [closed(client.socket), closed(far.socket)]
    client.socket.write('never')
    await Promise.all(ends)
    expect(far.text).toBe('')
    expect(proxy.bytes.toServer).toBe(0)
  })
})

describe('faults of connections', () => {
  it('cuts all connections and accepts new ones', async () => {
    const both = [await join(), await join()]
    const ends = both.flatMap(({ client, far }) => [closed(client.socket), closed(far.socket)])
    proxy.cut()
    await Promise.all(ends)
    const { client, far } = await join()
    client.socket.write('back')
    await hears(far, 'back')
    expect(proxy.connectionsTotal).toBe(3)
  })

  it('ends although clients fail just before it cuts them', async () => {
    server.on('connection', (socket) => socket.write('hello'))
    for (let round = 0; round < 20; round++) {
      await using other = await startProxy({ host: '127.0.0.1', port: (server.address() as AddressInfo).port })
      const clients = await Promise.all(Array.from({ length: 10 }, () => greeted(other)))
      for (const client of clients) client.resetAndDestroy()
      await pauseFor(1)
    }
  })

  it('refuses new connections while open ones go on, and accepts again on the same port', async () => {
    const { client, far } = await join()
    const { port } = proxy
    proxy.refuse()
    const [error] = (await once(connect(port, '127.0.0.1'), 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ECONNREFUSED')
    client.socket.write('open')
    await hears(far, 'open')
    await proxy.accept()
    expect(proxy.port).toBe(port)
    const next = await join()
    next.client.socket.write('again')
    await hears(next.far, 'again')
  })
})
