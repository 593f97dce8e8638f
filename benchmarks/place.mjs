// Where a measured run lives: in a folder, or on a server under a prefix. A place travels to child processes as JSON.
import { inTemporaryFolder } from './measure.mjs'

/** @typedef {'redis' | 'nats'} ServerKind */
/** @typedef {{ adapter: 'files', dir: string }} Folder */
/** @typedef {{ adapter: ServerKind, url: string, prefix: string }} Prefixed */
/** @typedef {Folder | Prefixed} Place */
/** @typedef {{ adapter: ServerKind, url: string }} Server */

/** @param {Place} place @returns {Promise<import('@reprise/core').Adapter>} */
export async function openPlace(place) {
  switch (place.adapter) {
    case 'files': {
      const { openFiles } = await import('@reprise/adapter-fs')
      return openFiles({ dir: place.dir })
    }
    case 'redis': {
      const { openRedis } = await import('@reprise/adapter-redis')
      return openRedis({ url: place.url, prefix: place.prefix })
    }
    case 'nats': {
      const { openNats } = await import('@reprise/adapter-nats')
      return openNats({ servers: place.url, prefix: place.prefix })
    }
  }
}

/** @param {Place} place */
export const encodePlace = (place) => JSON.stringify(place)

/** @param {string} text @returns {Place} */
export const decodePlace = (text) => JSON.parse(text)

let prefixes = 0

/**
 * A fresh place of the same kind: a new prefix on that server, or a new folder.
 * @template T
 * @param {Server | { adapter: 'files' }} where
 * @param {(place: Place) => Promise<T>} use
 */
export const inFreshPlace = (where, use) =>
  where.adapter === 'files'
    ? inTemporaryFolder((dir) => use({ adapter: 'files', dir }))
    : use({ ...where, prefix: `bench-${++prefixes}` })

/**
 * One private server for everything that is compared on it, gone afterwards.
 * @template T
 * @param {ServerKind} adapter
 * @param {(server: Server) => Promise<T>} use
 */
export async function onServer(adapter, use) {
  // Servers keep their data in the temporary folder.
  if (process.env.REPRISE_BENCH_DIR !== undefined) process.env.TMPDIR = process.env.REPRISE_BENCH_DIR
  const { startNats, startRedis } = await import('@reprise/test-servers')
  const started = await (adapter === 'redis' ? startRedis({ private: true }) : startNats({ private: true }))
  try {
    return await use({ adapter, url: started.url })
  } finally {
    await started.stop()
  }
}
