import { RepriseError } from '@reprise/core/adapter'
import { type Cluster, Command, type Redis } from 'ioredis'
import type { LuaScript } from './lua-script.js'
import type { RedisClient, RedisEndpoint } from './redis-endpoint.js'
import { isRefusal, isReply, noAnswer, notReached, replyCode, replyFailure } from './redis-failure.js'

/** Before a call that a node of a cluster cut off goes out again. Milliseconds. */
const sendAgainMs = 100

export type RedisArgument = string | Buffer | number

export interface CallOptions {
  /** Time the call has on top of the usual: for commands that block. Milliseconds. */
  readonly blockMs?: number
}

interface RoutedOptions extends CallOptions {
  /** The node of a cluster that is asked. */
  readonly node?: Redis
}

interface Call {
  readonly order: number
  readonly name: string
  readonly args: readonly RedisArgument[]
  /** For messages: the command or script. */
  readonly doing: string
  readonly deadlineMs: number
  readonly node: Redis | undefined
  readonly resolve: (reply: unknown) => void
  readonly reject: (error: unknown) => void
  /** Grows with each sending: replies to earlier ones are not its own. */
  sending: number
  /** Whether it may have left this process, in any sending. */
  left: boolean
  /** Bytes that had come in when it was made and sent, or `-1`: it waited, or was sent again, and had less than its time. */
  bytesBefore: number
  timer: NodeJS.Timeout | undefined
}

/**
 * One connection, on which every call settles by its own deadline. Calls go out in the order in which they were made.
 * Those without a reply when the connection is lost, and those made while there is none, go out again, in order, once
 * it is back, until their deadline: so everything sent over it must be harmless when it happens twice. ioredis does
 * neither queue nor send again: a promise of its own would stay pending for ever, or its command run hours later.
 */
export class RedisConnection {
  readonly #client: RedisClient
  readonly #where: string
  readonly #commandTimeoutMs: number
  /** Sent, no reply yet. */
  readonly #sent = new Set<Call>()
  /** Not sent, or to be sent again. */
  readonly #waiting = new Set<Call>()
  #calls = 0
  #ready = false
  #corked = false
  #closed = false
  #lastError: unknown
  #greeting: NodeJS.Timeout | undefined
  #sendingAgain: NodeJS.Timeout | undefined

  constructor(endpoint: RedisEndpoint, commandTimeoutMs: number) {
    this.#where = endpoint.where
    this.#commandTimeoutMs = commandTimeoutMs
    this.#client = endpoint.client({
      // A cluster's client does the waiting and routing itself; our deadlines hold all the same.
      enableOfflineQueue: endpoint.isCluster,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: null,
    })
    this.#client.on('connecting', () => this.#onConnecting())
    this.#client.on('ready', () => this.#onReady())
    this.#client.on('close', () => this.#onClose())
    this.#client.on('error', (error: unknown) => this.#onError(error))
  }

  /**
   * The reply, with Buffers where the server sends texts. `ADAPTER_UNAVAILABLE` if there is none within
   * `commandTimeoutMs` (and `blockMs`) or the server cannot do it now, `INVALID_INPUT` if it never will, `CLOSED`.
   */
  call(name: string, args: readonly RedisArgument[], options: CallOptions = {}): Promise<unknown> {
    return this.#call(name, args, name, options)
  }

  /** The replies of every master of a cluster, or the one of the server. Errors as `call`. */
  async callEach(name: string, args: readonly RedisArgument[]): Promise<unknown[]> {
    if (!this.#client.isCluster) return [await this.call(name, args)]
    // Learns which nodes there are.
    await this.call('PING', [])
    const nodes = (this.#client as Cluster).nodes('master')
    return await Promise.all(nodes.map((node) => this.#call(name, args, name, { node })))
  }

  /**
   * Runs a script: by its digest, and with its text if the server has forgotten it. Errors as `call`. A call that comes
   * again with its text may be overtaken by a later one, if somebody else brought the text meanwhile: see `scriptInOrder`.
   */
  async script(script: LuaScript, keys: readonly string[], args: readonly RedisArgument[]): Promise<unknown> {
    try {
      return await this.#call('EVALSHA', [script.sha1, keys.length, ...keys, ...args], script.name, {})
    } catch (error) {
      if (!isForgotten(error)) throw error
      return await this.scriptInOrder(script, keys, args)
    }
  }

  /** As `script`, of which calls take effect in the order in which they were made: the text goes along each time. */
  scriptInOrder(script: LuaScript, keys: readonly string[], args: readonly RedisArgument[]): Promise<unknown> {
    return this.#call('EVAL', [script.lua, keys.length, ...keys, ...args], script.name, {})
  }

  /** Ends the socket at once. Calls without a reply fail with `CLOSED`. Closing twice is harmless. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#greeting)
    clearTimeout(this.#sendingAgain)
    this.#client.disconnect()
    // `disconnect` waits for the server to say goodbye, which one that is paused never does.
    destroySocket(this.#client)
    for (const call of [...this.#sent, ...this.#waiting]) this.#settle(call, () => call.reject(closedError()))
  }

  #call(
    name: string,
    args: readonly RedisArgument[],
    doing: string,
    { blockMs = 0, node }: RoutedOptions,
  ): Promise<unknown> {
    if (this.#closed) return Promise.reject(closedError())
    return new Promise((resolve, reject) => {
      const deadlineMs = this.#commandTimeoutMs + blockMs
      const order = this.#calls++
      const call: Call = {
        ...{ order, name, args, doing, deadlineMs, node, resolve, reject },
        ...{ sending: 0, left: false, bytesBefore: -1, timer: undefined },
      }
      call.timer = setTimeout(() => this.#onDeadline(call), deadlineMs)
      if (this.#ready) {
        call.bytesBefore = socketOf(this.#client)?.bytesRead ?? -1
        return this.#send(call)
      }
      this.#waiting.add(call)
      if (this.#client.status === 'wait') this.#client.connect().catch(() => undefined) // Told by its events.
    })
  }

  #send(call: Call): void {
    this.#waiting.delete(call)
    this.#sent.add(call)
    const sending = ++call.sending
    const socket = socketOf(this.#client)
    call.left ||= socket?.writable ?? true
    this.#cork()
    const command = new Command(call.name, [...call.args], { replyEncoding: null })
    // What is returned, not `command.promise`: a program that traces its calls gets another one, which would go unheard.
    const replied = (call.node ?? this.#client).sendCommand(command) as Promise<unknown>
    replied.then(
      (reply: unknown) => {
        if (call.sending === sending) this.#settle(call, () => call.resolve(reply))
      },
      (error: unknown) => {
        if (call.sending !== sending || !this.#sent.has(call)) return
        if (isReply(error)) {
          this.#settle(call, () => call.reject(replyFailure(error, call.doing, this.#where)))
        } else {
          this.#lastError = error
          this.#sendLater(call)
        }
      },
    )
  }

  #sendLater(call: Call): void {
    this.#sent.delete(call)
    call.sending++
    call.bytesBefore = -1
    this.#waiting.add(call)
    // A cluster stays ready while one of its nodes is away, and gives up on a call after 2 s.
    if (this.#ready) this.#sendingAgain ??= setTimeout(() => this.#sendWaiting(), sendAgainMs)
  }

  #sendWaiting(): void {
    clearTimeout(this.#sendingAgain)
    this.#sendingAgain = undefined
    if (!this.#ready) return
    for (const call of [...this.#waiting].sort((a, b) => a.order - b.order)) this.#send(call)
  }

  /** What is sent in one turn goes out as one write: one system call here, and one on the server. */
  #cork(): void {
    const socket = socketOf(this.#client)
    if (this.#corked || socket === undefined) return
    this.#corked = true
    socket.cork()
    process.nextTick(() => {
      this.#corked = false
      socket.uncork()
    })
  }

  /**
   * A peer that is gone lets a socket connect, or be half greeted, for ever. Only a socket on which nothing came in for
   * the time of a command is given up, however many calls expire meanwhile: theirs began before it did.
   */
  #onConnecting(): void {
    clearInterval(this.#greeting)
    if (this.#closed || this.#client.isCluster) return
    let before = socketOf(this.#client)
    let bytesBefore = before?.bytesRead
    this.#greeting = setInterval(() => {
      const socket = socketOf(this.#client)
      if (socket !== undefined && socket === before && socket.bytesRead === bytesBefore) socket.destroy()
      before = socket
      bytesBefore = socket?.bytesRead
    }, this.#commandTimeoutMs)
  }

  #onReady(): void {
    clearInterval(this.#greeting)
    if (this.#closed) {
      destroySocket(this.#client)
      return
    }
    this.#ready = true
    this.#lastError = undefined
    this.#sendWaiting()
  }

  #onClose(): void {
    this.#ready = false
    for (const call of this.#sent) this.#sendLater(call)
  }

  #onError(error: unknown): void {
    this.#lastError = error
    if (!isReply(error) || !isRefusal(error)) return
    // Nobody needs to wait for a password to become right.
    for (const call of this.#waiting) {
      this.#settle(call, () => call.reject(replyFailure(error, call.doing, this.#where)))
    }
  }

  #onDeadline(call: Call): void {
    // A process that was paused is late itself: the reply may be there already, to be read in this turn.
    setImmediate(() => {
      if (!this.#sent.has(call) && !this.#waiting.has(call)) return
      const cause = this.#lastError
      const socket = socketOf(this.#client)
      // Nothing came in for the whole time of a call: a socket of a peer that is gone. What waited for the connection has
      // less time on it, and would cut a sound one again and again.
      if (socket !== undefined && call.bytesBefore === socket.bytesRead) socket.destroy()
      const failure = call.left ? noAnswer : notReached
      this.#settle(call, () => call.reject(failure(call.doing, this.#where, call.deadlineMs, cause)))
    })
  }

  #settle(call: Call, tell: () => void): void {
    clearTimeout(call.timer)
    this.#sent.delete(call)
    this.#waiting.delete(call)
    tell()
  }
}

const isForgotten = (error: unknown): boolean =>
  error instanceof RepriseError && error.cause instanceof Error && replyCode(error.cause) === 'NOSCRIPT'

/** The socket of a client that is connected or about to be. A cluster has many, and looks after them itself. */
const socketOf = (client: RedisClient): Redis['stream'] | undefined =>
  client.isCluster ? undefined : (client as Redis).stream

function destroySocket(client: RedisClient): void {
  socketOf(client)?.destroy()
}

const closedError = (): RepriseError =>
  new RepriseError('CLOSED', 'The Redis adapter was closed. Call openRedis again.')
