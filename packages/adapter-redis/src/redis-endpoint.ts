import { RepriseError } from '@reprise/core/adapter'
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis'

export type RedisClient = Redis | Cluster

/** How replies look is not for choosing: the adapter reads them in one form. */
export type ClientOptions = Omit<RedisOptions, 'replyMapping' | 'stringNumbers'>

/** How to reach the server: exactly one of both. */
export interface RedisAddress {
  /** `redis://user:password@host:port/db`, or `rediss:` for TLS. */
  readonly url?: string
  /** Options for ioredis, or a client of it that stays yours: the adapter makes connections of its own like it. */
  readonly connection?: RedisOptions | RedisClient
}

const replyForm = { replyMapping: 'legacy', stringNumbers: false } as const

/** Backoff between attempts to reach a server that is away: after 20 ms, then longer, for ever. `times` begins at 1. */
const retryStrategy = (times: number): number => Math.min(20 * 2 ** Math.min(times - 1, 8), 2_000) + Math.random() * 50

/** Calls have deadlines of our own; these would end reads that block for longer, and tell nobody. */
const noTimeouts = { commandTimeout: undefined, blockingTimeout: undefined, socketTimeout: undefined } as const

/**
 * What a user's cluster must not decide: a replica may lag behind, a call has to wait for a cluster or node that is
 * away, and a node that ioredis reconnects by itself leaves calls unanswered.
 */
const clusterOptions = {
  scaleReads: 'master',
  clusterRetryStrategy: retryStrategy,
  clusterNodeRetryStrategy: null,
  enableOfflineQueue: true,
  enableAutoPipelining: false,
  retryDelayOnFailover: 100,
  retryDelayOnClusterDown: 100,
  shardedSubscribers: false,
} as const satisfies ClusterOptions

/** Where the server is, and a way to get clients for it. Makes no connection by itself. */
export class RedisEndpoint {
  readonly #create: (overrides: ClientOptions & typeof replyForm) => RedisClient
  /** Host and port, for messages: no user and no password. */
  readonly where: string
  readonly isCluster: boolean

  /** `INVALID_INPUT` if the address is none, or would change the names of keys. */
  constructor({ url, connection }: RedisAddress) {
    if ((url === undefined) === (connection === undefined)) {
      throw invalid("openRedis needs either a url or a connection: openRedis({ url: 'redis://127.0.0.1:6379' }).")
    }
    if (url !== undefined) {
      this.where = placeOf(url)
      // Read by ioredis, which would let options in the query of the URL prevail over ours.
      const { options } = new Redis(url, { lazyConnect: true })
      refuseKeyPrefix(options.keyPrefix)
      this.isCluster = false
      this.#create = (overrides) => new Redis({ ...options, ...overrides })
    } else if (connection instanceof Cluster || isClient(connection, true)) {
      const cluster = connection as Cluster
      refuseKeyPrefix(cluster.options.keyPrefix ?? cluster.options.redisOptions?.keyPrefix)
      this.where = 'the cluster'
      this.isCluster = true
      this.#create = ({ lazyConnect, ...overrides }) =>
        cluster.duplicate([], {
          ...clusterOptions,
          lazyConnect: lazyConnect ?? true,
          redisOptions: { ...cluster.options.redisOptions, ...overrides },
        })
    } else {
      const options = isClient(connection, false) ? (connection as Redis).options : (connection as RedisOptions)
      if (typeof options !== 'object' || options === null) {
        throw invalid('The option connection of openRedis must be options for ioredis, or a client of it.')
      }
      refuseKeyPrefix(options.keyPrefix)
      this.where = placeIn(options)
      this.isCluster = false
      this.#create = (overrides) => new Redis({ ...options, ...overrides })
    }
  }

  /**
   * A client that connects when first used and reconnects for ever. Whoever asks for it ends it with `disconnect()`,
   * and listens to its `error` events.
   */
  client(overrides: ClientOptions = {}): RedisClient {
    return this.#create({
      lazyConnect: true,
      retryStrategy,
      // The server may still be reading its files: look again soon.
      maxLoadingRetryTime: 200,
      // One right less that a user needs.
      disableClientInfo: true,
      // After a failover the old master refuses writes: connect again, to the new one.
      reconnectOnError: (error) => error.message.startsWith('READONLY'),
      enableAutoPipelining: false,
      ...noTimeouts,
      ...overrides,
      ...replyForm,
    })
  }
}

function placeOf(url: unknown): string {
  if (typeof url === 'string' && /^rediss?:\/\//.test(url) && URL.canParse(url)) {
    const { hostname, port } = new URL(url)
    return `${hostname}:${port === '' ? 6379 : port}`
  }
  // Not repeated: it may hold a password.
  throw invalid('The option url of openRedis must have the form redis://user:password@host:port, or rediss:// for TLS.')
}

function placeIn({ sentinels, name, path, host = 'localhost', port = 6379 }: RedisOptions): string {
  if (sentinels !== undefined && sentinels !== null) return `the master ${name ?? ''} of its sentinels`
  return path ?? `${host}:${port}`
}

/** Another copy of ioredis may have made it: known by what it has. */
function isClient(value: unknown, isCluster: boolean): boolean {
  const { sendCommand, duplicate, isCluster: found } = (value ?? {}) as Partial<Redis>
  return typeof sendCommand === 'function' && typeof duplicate === 'function' && found === isCluster
}

function refuseKeyPrefix(keyPrefix: string | undefined): void {
  if (keyPrefix === undefined || keyPrefix === '') return
  throw invalid(
    'The ioredis option keyPrefix would break the hash tags of a cluster. Use the option prefix of openRedis.',
  )
}

const invalid = (message: string): RepriseError => new RepriseError('INVALID_INPUT', message)
