// A server for one run, if the run needs one and none was named: private, on a free port of this machine, gone at the end.
import { kindOf } from './open-adapter.mjs'

/** @typedef {{ url: string | undefined, isPrivate: boolean, stop(): Promise<void> }} RunServer no URL: no server is needed */

/** @param {import('./options.mjs').Options} options @returns {Promise<RunServer>} */
export async function serverFor({ adapter, server }) {
  if (adapter === 'files' || server !== undefined) return { url: server, isPrivate: false, stop: async () => {} }
  const { obtainServers, startNats, startRedis } = await import('@reprise/test-servers')
  // It says so if it has to download one, which may take a while.
  await obtainServers({ kinds: [adapter], private: true })
  const started = await (adapter === 'redis' ? startRedis({ private: true }) : startNats({ private: true }))
  return { url: started.url, isPrivate: true, stop: () => started.stop() }
}

/** Without its password: what is printed ends up in logs. @param {string} url */
export function printable(url) {
  const parsed = new URL(url)
  return `${kindOf(url)} at ${parsed.host}`
}
