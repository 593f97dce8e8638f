// (f) What settled tasks leave behind: bytes in the log, and what they take where it is kept.
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { Redis } from 'ioredis'
import { inFreshPlace, openPlace } from './place.mjs'
import { openSide } from './reprise-side.mjs'

const runId = /** @type {import('@reprise/core').RunId} */ ('space')

/** @param {import('./place.mjs').Server | { adapter: 'files' }} where @param {{ tasks: number }} size */
export const measureSpace = (where, { tasks }) =>
  inFreshPlace(where, async (place) => {
    const before = await bytesAt(place)
    const side = await openSide(place, { workers: 1, concurrency: 16 })
    await side.together(runId, tasks)
    await side.close()
    return { logPerTask: (await logBytes(place)) / tasks, keptPerTask: ((await bytesAt(place)) - before) / tasks }
  })

/** @param {import('./place.mjs').Place} place */
async function logBytes(place) {
  const adapter = await openPlace(place)
  let bytes = 0
  for await (const texts of adapter.log.read(runId)) for (const text of texts) bytes += Buffer.byteLength(text)
  await adapter.close()
  return bytes
}

/** Of the server's memory, the server's streams, or the folder. @param {import('./place.mjs').Place} place */
async function bytesAt(place) {
  if (place.adapter === 'files') return folderBytes(place.dir)
  return place.adapter === 'redis' ? redisBytes(place.url) : natsBytes(place.url)
}

/** @param {string} dir */
function folderBytes(dir) {
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return entries.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0)
}

/** @param {string} url */
async function redisBytes(url) {
  const redis = new Redis(url)
  const [, bytes = '0'] = /used_memory_dataset:(\d+)/.exec(await redis.info('memory')) ?? []
  redis.disconnect()
  return Number(bytes)
}

/** @param {string} url */
async function natsBytes(url) {
  const client = await connect({ servers: url })
  const { storage } = await (await jetstreamManager(client)).getAccountInfo()
  await client.close()
  return storage
}
