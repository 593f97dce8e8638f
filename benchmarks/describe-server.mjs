// Which server the figures are of, as it says itself.
import { connect } from '@nats-io/transport-node'
import { Redis } from 'ioredis'

/** @param {import('./place.mjs').Server} server */
export const describeServer = ({ adapter, url }) => (adapter === 'redis' ? describeRedis(url) : describeNats(url))

/** @param {string} url */
async function describeRedis(url) {
  const redis = new Redis(url)
  try {
    const version = /redis_version:(\S+)/.exec(await redis.info('server'))?.[1]
    const settings = []
    for (const name of ['appendonly', 'appendfsync']) {
      const [, value] = /** @type {string[]} */ (await redis.config('GET', name))
      settings.push(`${name} ${value}`)
    }
    return `redis ${version}, ${settings.join(', ')}`
  } finally {
    redis.disconnect()
  }
}

/** @param {string} url */
async function describeNats(url) {
  const client = await connect({ servers: url })
  try {
    return `nats ${client.info?.version}, file storage`
  } finally {
    await client.close()
  }
}
