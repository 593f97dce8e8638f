import { RepriseError } from '@reprise/core/adapter'
import type { ServerFacts } from './server-facts.js'

/** `ZRANGE BYLEX` and `XTRIM MINID` came with it. */
const oldestVersion = [6, 2] as const

/** `UNSAFE_SERVER` for a server on which a log would not be safe. */
export function checkServers(servers: readonly ServerFacts[], where: string): void {
  for (const { version, role, evictionPolicy } of servers) {
    if (evictionPolicy !== null && evictionPolicy !== 'noeviction') {
      throw refused(
        where,
        `its maxmemory-policy is ${evictionPolicy}: when memory runs short it would delete logs, and an evicted log reads as an empty one`,
        'Set maxmemory-policy noeviction in redis.conf, or now by CONFIG SET maxmemory-policy noeviction and CONFIG REWRITE; caches belong on another server',
        { evictionPolicy },
      )
    }
    if (role === 'slave') {
      throw refused(where, 'it is a replica, which takes no writes', 'Connect to its master, or by Sentinel', { role })
    }
    if (version !== null && isTooOld(version)) {
      throw refused(
        where,
        `its version is ${version}`,
        `Use Redis ${oldestVersion.join('.')} or later; 7 or later is tested`,
        { version },
      )
    }
  }
}

function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major < oldestVersion[0] || (major === oldestVersion[0] && minor < oldestVersion[1])
}

const refused = (where: string, why: string, remedy: string, details: Record<string, unknown>): RepriseError =>
  new RepriseError('UNSAFE_SERVER', `Redis at ${where} cannot hold a log: ${why}. ${remedy}.`, {
    details: { where, ...details },
  })
