import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { type DataHook, type Direction, DirectionFaults, directions } from './direction-faults.js'
import { ProxyChannel } from './proxy-channel.js'
import { randomPort } from './random-port.js'
import { portsTriedMax } from './ready.js'

const lastBytesWithinMs = 1_000

/** Ends the fault. One fault of a kind acts on a direction: a later one replaces the earlier, and either end ends it. */
export type EndFault = () => void

/**
 * A TCP proxy in front of a server, with faults. They act on all connections, those open and those to come, until they
 * end. A direction that is not given means both.
 */
export interface FaultProxy extends AsyncDisposable {
  readonly host: '127.0.0.1'
  readonly port: number
  /** The same URL with the proxy's address: scheme, user, password and path stay. */
  url(original: string): string
  /** Open connections of clients. */
  readonly connections: number
  /** Connections accepted since the start. */
  readonly connectionsTotal: number
  /** Bytes passed on since the start. Swallowed and held ones do not count. */
  readonly bytes: Readonly<Record<Direction, number>>
  /** Each byte arrives this much later. Bytes already under way keep their time. */
  delay(ms: number, direction?: Direction): EndFault
  /** Bytes are read and lost. */
  swallow(direction: Direction): EndFault
  /** Bytes, ends and failures of connections wait until `release`: a partition in one direction. */
  hold(direction: Direction): EndFault
  release(direction?: Direction): void
  /** Passes so many bytes in one write, and the event loop turns once between two. */
  trickle(bytesPerWrite: number, direction?: Direction): EndFault
  /** Resets all connections at once. New ones are accepted. */
  cut(): void
  /**
   * Cuts all connections once that many more bytes went through in this direction, all connections together. The receiver
   * gets exactly these. Called in an `onData` hook, the bytes of that hook are the first to count.
   */
  cutAfter(bytes: number, direction: Direction): EndFault
  /** Whether a `cutAfter` is still to come: its bytes have not gone through yet. */
  readonly cutPending: boolean
  /** Cuts that a `cutAfter` has made since the start. */
  readonly cuts: number
  /** Refuses new connections; open ones go on. */
  refuse(): void
  /** Accepts connections again, on the same port. */
  accept(): Promise<void>
  /** Sees bytes as they come, before any fault acts on them, so that a test can start one just then. */
  onData(direction: Direction, hook: DataHook): EndFault
  /** Ends all faults and hooks, but a refusal. */
  clear(): void
}

/** Starts a proxy on 127.0.0.1 in front of a host and port, or of the server of a URL with a port. */
export async function startProxy(
  target: { readonly host: string; readonly port: number } | string,
): Promise<FaultProxy> {
  const proxy = new TcpProxy(typeof target === 'string' ? addressOf(target) : target)
  await proxy.accept()
  return proxy
}

function addressOf(text: string): { host: string; port: number } {
  const { hostname, port } = new URL(text)
  if (port === '') throw new Error(`A proxy needs to know the port: ${hostname} comes without one.`)
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) }
}

class TcpProxy implements FaultProxy {
  readonly host = '127.0.0.1'
  connectionsTotal = 0
  cuts = 0
  #port = 0
  #server: Server | null = null
  #closed = false
  readonly #clients = new Set<Socket>()
  readonly #sockets = new Set<Socket>()
  readonly #faults: Readonly<Record<Direction, DirectionFaults>> = {
    toServer: new DirectionFaults(),
    toClient: new DirectionFaults(),
  }

  constructor(private readonly target: { readonly host: string; readonly port: number }) {}

  get port(): number {
    return this.#port
  }

  get connections(): number {
    return this.#clients.size
  }

  get cutPending(): boolean {
    return this.#of().some((faults) => faults.cutAfterBytes !== null)
  }

  get bytes(): Readonly<Record<Direction, number>> {
    return { toServer: this.#faults.toServer.passedBytes, toClient: this.#faults.toClient.passedBytes }
  }

  url(original: string): string {
    const url = new URL(original)
    url.hostname = this.host
    url.port = String(this.#port)
    return url.href
  }

  delay(ms: number, direction?: Direction): EndFault {
    return this.#set(direction, (faults, on) => {
      faults.delayMs = on ? ms : 0
    })
  }

  swallow(direction: Direction): EndFault {
    return this.#set(direction, (faults, on) => {
      faults.swallowing = on
    })
  }

  hold(direction: Direction): EndFault {
    return this.#set(direction, (faults, on) => {
      faults.holding = on
    })
  }

  release(direction?: Direction): void {
    for (const faults of this.#of(direction)) {
      faults.holding = false
      faults.changed()
    }
  }

  trickle(bytesPerWrite: number, direction?: Direction): EndFault {
    return this.#set(direction, (faults, on) => {
      faults.trickleBytes = on ? bytesPerWrite : 0
    })
  }

  cut(): void {
    for (const socket of this.#sockets) reset(socket)
  }

  cutAfter(bytes: number, direction: Direction): EndFault {
    if (!Number.isSafeInteger(bytes) || bytes < 1) throw new RangeError(`cutAfter needs at least 1 byte, not ${bytes}.`)
    return this.#set(direction, (faults, on) => {
      faults.cutAfterBytes = on ? bytes : null
    })
  }

  refuse(): void {
    this.#server?.close()
    this.#server = null
  }

  async accept(): Promise<void> {
    if (this.#server !== null || this.#closed) return
    for (let tried = 1; ; tried++) {
      const port = this.#port === 0 ? randomPort() : this.#port
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#join(client))
      server.listen(port, this.host)
      try {
        await once(server, 'listening')
        this.#server = server
        this.#port = port
        return
      } catch (error) {
        if (tried === portsTriedMax) throw error
      }
    }
  }

  onData(direction: Direction, hook: DataHook): EndFault {
    const { hooks } = this.#faults[direction]
    hooks.add(hook)
    return () => void hooks.delete(hook)
  }

  clear(): void {
    for (const faults of this.#of()) {
      faults.delayMs = 0
      faults.swallowing = false
      faults.holding = false
      faults.trickleBytes = 0
      faults.cutAfterBytes = null
      faults.hooks.clear()
      faults.changed()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    const open = [...this.#sockets, ...(this.#server === null ? [] : [this.#server])]
    const ends = open.map((each) => new Promise<void>((resolve) => each.once('close', () => resolve())))
    this.refuse()
    this.cut()
    await Promise.all(ends)
  }

  #of(direction?: Direction): DirectionFaults[] {
    return (direction === undefined ? directions : [direction]).map((name) => this.#faults[name])
  }

  #set(direction: Direction | undefined, act: (faults: DirectionFaults, on: boolean) => void): EndFault {
    const chosen = this.#of(direction)
    for (const faults of chosen) act(faults, true)
    return () => {
      for (const faults of chosen) {
        act(faults, false)
        faults.changed()
      }
    }
  }

  #join(client: Socket): void {
    this.connectionsTotal++
    const server = connect({ ...this.target, allowHalfOpen: true, noDelay: true })
    this.#clients.add(client)
    client.once('close', () => this.#clients.delete(client))
    for (const socket of [client, server]) {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    }
    new ProxyChannel(client, server, this.#faults.toServer, this.#cutBut)
    new ProxyChannel(server, client, this.#faults.toClient, this.#cutBut)
  }

  /** Cuts everything, after the receiver of the last bytes has got them: a reset would take them back. */
  readonly #cutBut = (receiver: Socket): void => {
    this.cuts++
    receiver.end()
    receiver.removeAllListeners('data')
    receiver.resume()
    const timer = setTimeout(() => receiver.destroy(), lastBytesWithinMs)
    receiver.once('end', () => receiver.destroy())
    receiver.once('close', () => clearTimeout(timer))
    for (const socket of this.#sockets) if (socket !== receiver) reset(socket)
  }
}

/**
 * Ends a socket so that its other side sees a failure. `resetAndDestroy` says goodbye first; if the other side resets
 * just then, Node gives up in the middle, and the socket never closes. So the reset is made by `destroy` at once, and
 * left out where a goodbye is on its way already. Node without that flag makes an ordinary end of it.
 */
function reset(socket: Socket): void {
  const canReset = !socket.connecting && (!socket.writableEnded || socket.writableFinished)
  Object.assign(socket, { resetAndClosing: canReset })
  socket.destroy()
}
