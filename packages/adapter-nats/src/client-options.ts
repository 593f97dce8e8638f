import type { NodeConnectionOptions } from '@nats-io/transport-node'
import { RepriseError } from '@reprise/core/adapter'

export interface ConnectionSettings {
  readonly servers: string | readonly string[]
  readonly requestTimeoutMs: number
  /** What the client library takes besides. */
  readonly connection?: NodeConnectionOptions
}

/** A dead connection is noticed within three of these. */
const pingIntervalMs = 10_000
const reconnectWaitMs = 100

/** What the client library is opened with. User and password may stand in an address, and go to every server. */
export function clientOptions(settings: ConnectionSettings): NodeConnectionOptions & { servers: string[] } {
  const { servers, requestTimeoutMs, connection = {} } = settings
  const addresses = (typeof servers === 'string' ? servers.split(',') : servers).map((server) => readAddress(server))
  const secret = secretOf(addresses)
  return {
    timeout: requestTimeoutMs,
    pingInterval: pingIntervalMs,
    reconnectTimeWait: reconnectWaitMs,
    reconnectJitter: reconnectWaitMs,
    ...(secret === undefined ? {} : { user: secret.user, pass: secret.pass }),
    ...(addresses.some(({ encrypted }) => encrypted) ? { tls: {} } : {}),
    ...connection,
    servers: addresses.map(({ address }) => address),
    reconnect: true,
    maxReconnectAttempts: -1,
    // A user that is removed for a moment must not end the connection for good.
    ignoreAuthErrorAbort: true,
    // Stack traces of every request cost more than the request.
    noAsyncTraces: true,
  }
}

interface Address {
  /** Without user and password. */
  readonly address: string
  readonly encrypted: boolean
  readonly user?: string
  readonly pass?: string
}

function readAddress(server: string): Address {
  const url = parseUrl(server.trim())
  if (url === null || url.hostname === '' || !['nats:', 'tls:'].includes(url.protocol)) {
    throw new RepriseError('INVALID_INPUT', 'An address in servers must look like nats://host:4222 or tls://host:4222.')
  }
  const encrypted = url.protocol === 'tls:'
  const address = `${url.hostname}:${url.port || '4222'}`
  if (url.username === '') return { address, encrypted }
  return { address, encrypted, user: decode(url.username), pass: decode(url.password) }
}

/** No cause and no text of it: it may hold the secret. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new RepriseError(
      'INVALID_INPUT',
      'The user or password in an address of servers has a "%" that stands for no other character. Write it as %25, or give both in connection: { user, pass }.',
    )
  }
}

/** The client library knows one user and password for all servers. */
function secretOf(addresses: readonly Address[]): Address | undefined {
  const [secret, ...others] = addresses.filter(({ user }) => user !== undefined)
  if (others.every(({ user, pass }) => user === secret?.user && pass === secret?.pass)) return secret
  throw new RepriseError(
    'INVALID_INPUT',
    'The addresses in servers have different users or passwords. Give the same ones in each, in one of them, or in connection: { user, pass }.',
  )
}

function parseUrl(server: string): URL | null {
  try {
    return new URL(/^[a-z]+:\/\//.test(server) ? server : `nats://${server}`)
  } catch {
    return null
  }
}
