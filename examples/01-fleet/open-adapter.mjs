// Where the run lives: in its folder, or on a server that workers on other machines reach as well. The coordinator, the
// workers and the final check do not know which.

/** @typedef {'files' | 'redis' | 'nats'} AdapterKind */

/**
 * @param {string} dir the run's folder
 * @param {string} [server] `redis://…` or `nats://…`; without one the run lives in its folder
 * @returns {Promise<import('@reprise/core').Adapter & Required<Pick<import('@reprise/core').Adapter, 'artifacts'>>>} each of them stores artifacts
 */
export async function openAdapter(dir, server) {
  if (server === undefined) {
    const { openFiles } = await import('@reprise/adapter-fs')
    return openFiles({ dir })
  }
  if (kindOf(server) === 'redis') {
    const { openRedis } = await import('@reprise/adapter-redis')
    return openRedis({ url: server, prefix: prefixOf(dir) })
  }
  const { openNats } = await import('@reprise/adapter-nats')
  return openNats({ servers: server, prefix: prefixOf(dir) })
}

/** @param {string} server @returns {'redis' | 'nats'} */
export function kindOf(server) {
  if (/^rediss?:\/\//.test(server)) return 'redis'
  if (/^(nats|tls):\/\//.test(server)) return 'nats'
  throw new Error(`a server is named by redis://… or nats://…, not ${JSON.stringify(server)}`)
}

/** Runs of several starts may share a server: each keeps to names of its own. @param {string} dir */
export const prefixOf = (dir) => dir.replace(/[/\\]+$/, '').replace(/^.*[/\\]/, '')
