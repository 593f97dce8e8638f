import { randomBytes } from 'node:crypto'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { onTestFinished } from 'vitest'

/** Runs in one test never meet those of another, also on a shared server. */
export const uniquePrefix = (): string => `test-${randomBytes(6).toString('hex')}`

/** A connection of the test itself, behind the adapter's back. */
export async function withNats<T>(
  servers: string,
  work: (client: NatsConnection) => Promise<T>,
  options: { readonly user?: string; readonly pass?: string; readonly inboxPrefix?: string } = {},
): Promise<T> {
  const client = await connect({ servers: servers.replace('nats://', ''), ...options })
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}

/** Deletes every stream of a prefix. */
export const removeStreams = (servers: string, prefix: string): Promise<void> =>
  withNats(servers, async (client) => {
    const manager = await jetstreamManager(client)
    for await (const { config } of manager.streams.list()) {
      const isOurs = config.name.startsWith(`${prefix}-`) || config.name.startsWith(`KV_${prefix}-`)
      if (isOurs) await manager.streams.delete(config.name)
    }
  })

/** A prefix of its own on a server; its streams go with the test. */
export function placeOn({ url }: { readonly url: string }): { servers: string; prefix: string } {
  const prefix = uniquePrefix()
  onTestFinished(() => removeStreams(url, prefix))
  return { servers: url, prefix }
}
