import { EventEmitter } from 'node:events'
import { isRepriseError } from '@reprise/core/adapter'
import { RedisConnection as BullConnection, type IRedisClient } from 'bullmq'
import { type LuaScript, luaScript } from '../lua-script.js'
import type { RedisArgument, RedisConnection } from '../redis-connection.js'
import { replyCode } from '../redis-failure.js'

interface BullScript extends LuaScript {
  readonly keyCount: number
  /** How often its text went out: what follows on the connection finds it on the server. */
  texts: number
}

type BullArgument = RedisArgument | undefined | null | boolean

/**
 * The Redis client that BullMQ is given: of all that a client can do, the little that its scripts need, over the
 * adapter's own connection. So BullMQ's calls have our deadlines, are sent again after a reconnect, share one write
 * with everything else of a turn, and no socket is BullMQ's to leak.
 */
class BullClient extends EventEmitter {
  readonly status = 'ready'
  readonly isCluster = false
  readonly options = {}
  readonly #connection: RedisConnection
  readonly #scripts = new Map<string, BullScript>()

  constructor(connection: RedisConnection) {
    super()
    this.#connection = connection
  }

  defineCommand(name: string, { numberOfKeys, lua }: { numberOfKeys: number; lua: string }): void {
    this.#scripts.set(name, { ...luaScript(name.replace(/:.*/, ''), lua), keyCount: numberOfKeys, texts: 0 })
  }

  runCommand(name: string, args: readonly BullArgument[]): Promise<unknown> {
    const script = this.#scripts.get(name)
    if (script === undefined) throw new Error(`BullMQ asked for a script it has not defined: ${name}.`)
    return this.#run(script, args.map(argumentOf), script.texts === 0)
  }

  /** BullMQ takes an object for a client only if these are there. It uses none of them here. */
  connect(): void {}
  disconnect(): void {}
  duplicate(): void {}
  multi(): void {}
  pipeline(): void {}
  scanStream(): void {}

  /**
   * A server that has forgotten a script gets its text once, not once per call of a batch: a thousand offers are a
   * thousand calls of a script of 8 KB.
   */
  async #run(script: BullScript, args: readonly RedisArgument[], byText: boolean): Promise<unknown> {
    if (byText) script.texts++
    const { texts, lua, sha1, keyCount } = script
    try {
      const reply = byText
        ? await this.#connection.call('EVAL', [lua, keyCount, ...args])
        : await this.#connection.call('EVALSHA', [sha1, keyCount, ...args])
      return textOf(reply)
    } catch (error) {
      if (!isForgotten(error)) throw error
      // The first call of the batch that comes back sends the text; the others go behind it.
      return this.#run(script, args, script.texts === texts)
    }
  }
}

const isForgotten = (error: unknown): boolean =>
  isRepriseError(error) && error.cause instanceof Error && replyCode(error.cause) === 'NOSCRIPT'

const argumentOf = (value: BullArgument): RedisArgument => {
  if (value === undefined || value === null) return ''
  return typeof value === 'boolean' ? String(value) : value
}

/** BullMQ reads texts where the connection gives bytes. */
function textOf(reply: unknown): unknown {
  if (Buffer.isBuffer(reply)) return reply.toString()
  return Array.isArray(reply) ? reply.map(textOf) : reply
}

/** A connection for BullMQ's backends. There is nothing to close. */
export function bullConnection(connection: RedisConnection): BullConnection {
  const client = new BullClient(connection) as unknown as IRedisClient
  // The version is read and checked when the adapter opens; BullMQ would ask with INFO, and print warnings.
  return new BullConnection(client, { shared: true, skipVersionCheck: true, skipWaitingForReady: true })
}
