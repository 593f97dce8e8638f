import type { ServerKind } from './test-server.js'

/** The environment variables that are read, so that tests can give others. */
export type Environment = Readonly<Record<string, string | undefined>>

/** The sources that start a server of our own, in the order in which they are tried. */
export const startingSources = ['path', 'docker', 'apt'] as const
export type StartingSource = (typeof startingSources)[number]

const urlNames: Readonly<Record<ServerKind, string>> = {
  redis: 'REPRISE_TEST_REDIS_URL',
  nats: 'REPRISE_TEST_NATS_URL',
}
const imageNames: Readonly<Record<ServerKind, string>> = {
  redis: 'REPRISE_TEST_REDIS_IMAGE',
  nats: 'REPRISE_TEST_NATS_IMAGE',
}
const imagesByDefault: Readonly<Record<ServerKind, string>> = { redis: 'redis:7.2-alpine', nats: 'nats:2.10-alpine' }
const forcedName = 'REPRISE_TEST_SERVERS'

export const urlVariable = (kind: ServerKind): string => urlNames[kind]

/** The running server that the environment names, or null. */
export const serverUrl = (kind: ServerKind, env: Environment): string | null => env[urlNames[kind]] || null

export const containerImage = (kind: ServerKind, env: Environment): string =>
  env[imageNames[kind]] || imagesByDefault[kind]

/** The only source that may be used, or null for any. Throws when the variable names none. */
export function forcedSource(env: Environment): StartingSource | null {
  const value = env[forcedName]
  if (value === undefined || value === '') return null
  const source = startingSources.find((name) => name === value)
  if (source === undefined)
    throw new Error(`${forcedName} is '${value}': use ${startingSources.join(', ')} or unset it.`)
  return source
}
