import type { NodeConnectionOptions } from '@nats-io/transport-node'
import { RepriseError } from '@reprise/core/adapter'

export interface OpenNatsOptions {
  /** `nats://host:4222`, several of them, or one text with commas. */
  readonly servers: string | readonly string[]
  /** Everything on the server is named after it: two prefixes never meet. Default: `reprise`. */
  readonly prefix?: string
  /** Copies of every stream in a cluster: 1, 3 or 5. Default: 1. */
  readonly replicas?: number
  /** `false`: the streams are there, and this user may neither make them nor look at them. Default: `true`. */
  readonly createStreams?: boolean
  /** Milliseconds that the server has for an answer. Default: 5000. */
  readonly requestTimeoutMs?: number
  /** Bytes of the largest artifact. Default: 1 GiB. */
  readonly artifactBytesMax?: number
  /** What the client library takes besides: user, pass, token, authenticator, tls, inboxPrefix, name. */
  readonly connection?: NodeConnectionOptions
}

/** Every option, its defaults filled in. */
export type NatsOptions = Required<OpenNatsOptions>

const gibibyte = 1024 ** 3

const isWhole = (value: unknown, min: number, max: number): boolean =>
  Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max

const isServers = (value: unknown): boolean =>
  (typeof value === 'string' && value !== '') ||
  (Array.isArray(value) && value.length > 0 && value.every((server) => typeof server === 'string'))

/** What each option must be. The prefix is checked where names are made of it. */
const checks: Readonly<Record<keyof NatsOptions, { readonly is: (value: unknown) => boolean; readonly must: string }>> =
  {
    servers: { is: isServers, must: 'one or more addresses like nats://host:4222' },
    prefix: { is: (value) => typeof value === 'string', must: 'a text' },
    replicas: { is: (value) => isWhole(value, 1, 5), must: 'a whole number from 1 to 5' },
    createStreams: { is: (value) => typeof value === 'boolean', must: 'true or false' },
    requestTimeoutMs: { is: (value) => isWhole(value, 10, 600_000), must: 'milliseconds from 10 to 600000' },
    artifactBytesMax: { is: (value) => isWhole(value, 0, 8 * gibibyte), must: 'bytes from 0 to 8 GiB' },
    connection: { is: (value) => typeof value === 'object' && value !== null, must: 'an object' },
  }

/** `INVALID_INPUT` names the option. Values are not shown: they may be secrets. */
export function readOptions(given: OpenNatsOptions): NatsOptions {
  const options: Record<string, unknown> = {
    prefix: 'reprise',
    replicas: 1,
    createStreams: true,
    requestTimeoutMs: 5000,
    artifactBytesMax: gibibyte,
    connection: {},
    ...Object.fromEntries(Object.entries(given ?? {}).filter(([, value]) => value !== undefined)),
  }
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(checks, name)) continue
    const known = Object.keys(checks).join(', ')
    throw new RepriseError('INVALID_INPUT', `openNats has no option "${name}". It takes ${known}.`)
  }
  for (const [name, { is, must }] of Object.entries(checks)) {
    if (!is(options[name])) throw new RepriseError('INVALID_INPUT', `The option ${name} of openNats must be ${must}.`)
  }
  return options as unknown as NatsOptions
}
