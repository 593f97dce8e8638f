import { obtainImage } from './docker-server.js'
import { containerImage } from './environment.js'
import { findServer } from './find-server.js'
import type { ServerKind, ServerSource } from './test-server.js'

export interface ObtainServersOptions {
  /** Which servers, both unless given. */
  readonly kinds?: readonly ServerKind[]
  /** True: servers of our own, whatever the environment names. */
  readonly private?: boolean
}

/**
 * Makes sure that servers can be started without a download later, and resolves with the source of each. Writes one line
 * to stderr for each that it has to download. Rejects saying what was tried and what helps.
 */
export async function obtainServers({
  kinds = ['redis', 'nats'],
  private: isPrivate = false,
}: ObtainServersOptions = {}): Promise<Partial<Record<ServerKind, ServerSource>>> {
  const onInstall = (line: string) => void process.stderr.write(`${line}\n`)
  const sources: Partial<Record<ServerKind, ServerSource>> = {}
  const failures: string[] = []
  for (const kind of kinds) {
    try {
      const { source } = await findServer(kind, { private: isPrivate, env: process.env, onInstall })
      if (source === 'docker') await obtainImage(containerImage(kind, process.env), onInstall)
      sources[kind] = source
    } catch (error) {
      // The other kind is wanted all the same.
      failures.push(error instanceof Error ? error.message : String(error))
    }
  }
  if (failures.length > 0) throw new Error(failures.join('\n'))
  return sources
}
