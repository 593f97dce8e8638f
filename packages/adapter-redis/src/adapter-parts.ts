import type { RedisKeys } from './keys.js'
import type { Lifetime } from './lifetime.js'
import type { RedisConnection } from './redis-connection.js'
import type { RedisEndpoint } from './redis-endpoint.js'

/** What the ports of one adapter share. */
export interface AdapterParts {
  readonly endpoint: RedisEndpoint
  /** For every command that does not block. */
  readonly connection: RedisConnection
  readonly keys: RedisKeys
  readonly lifetime: Lifetime
  readonly commandTimeoutMs: number
}
