import { RepriseError } from '@reprise/core/adapter'
import type { RedisAddress } from './redis-endpoint.js'

export interface OpenRedisOptions extends RedisAddress {
  /**
   * Begins the name of every key, so that several adapters can share a server without seeing each other: 1 to 64 of
   * A-Z a-z 0-9 . _ - . Default: `reprise`.
   */
  readonly prefix?: string
  /**
   * Fails to open unless commits survive the end of the server's process, or of its operating system. Default: any
   * setting is taken, and `diagnose` tells.
   */
  readonly requireDurable?: 'process' | 'os'
  /** How long one command may take, reconnecting included. Milliseconds, default 5000. */
  readonly commandTimeoutMs?: number
  /** Bytes of the largest artifact: Redis keeps all of them in memory. Default 64 MiB. */
  readonly artifactBytesMax?: number
}

const names = ['url', 'connection', 'prefix', 'requireDurable', 'commandTimeoutMs', 'artifactBytesMax']

const defaults = { prefix: 'reprise', commandTimeoutMs: 5_000, artifactBytesMax: 64 * 1024 * 1024 }

export interface CheckedOptions extends OpenRedisOptions {
  readonly prefix: string
  readonly commandTimeoutMs: number
  readonly artifactBytesMax: number
}

/** With defaults. `INVALID_INPUT` names the option; what it was set to is not repeated where it may be secret. */
export function checkOptions(options: OpenRedisOptions): CheckedOptions {
  if (typeof options !== 'object' || options === null) {
    throw invalid("openRedis needs options: openRedis({ url: 'redis://127.0.0.1:6379' }).")
  }
  const unknown = Object.keys(options).find((name) => !names.includes(name))
  if (unknown !== undefined) throw invalid(`openRedis has no option "${unknown}". It takes ${names.join(', ')}.`)
  const { prefix, commandTimeoutMs, artifactBytesMax } = { ...defaults, ...withoutUndefined(options) }
  if (typeof prefix !== 'string') throw invalid('The option prefix of openRedis must be a text.')
  if (options.requireDurable !== undefined && !['process', 'os'].includes(options.requireDurable)) {
    throw invalid("The option requireDurable of openRedis must be 'process' or 'os'.")
  }
  if (!isWhole(commandTimeoutMs, 100, 600_000)) {
    throw invalid('The option commandTimeoutMs of openRedis must be 100 to 600000 milliseconds.')
  }
  if (!isWhole(artifactBytesMax, 0, Number.MAX_SAFE_INTEGER)) {
    throw invalid('The option artifactBytesMax of openRedis must be a number of bytes.')
  }
  return { ...options, prefix, commandTimeoutMs, artifactBytesMax }
}

const withoutUndefined = (options: OpenRedisOptions): Partial<OpenRedisOptions> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))

const isWhole = (value: unknown, min: number, max: number): boolean =>
  Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max

const invalid = (message: string): RepriseError => new RepriseError('INVALID_INPUT', message)
