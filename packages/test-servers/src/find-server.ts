import { findDebianBinary, installDebianBinary } from './debian-packages.js'
import { findDocker } from './docker-server.js'
import {
  type Environment,
  forcedSource,
  type StartingSource,
  serverUrl,
  startingSources,
  urlVariable,
} from './environment.js'
import { binaryNames, findOnPath, type ServerBinary, usualFolders } from './server-binary.js'
import type { ServerKind } from './test-server.js'

/** A source that works. */
export type FoundServer =
  | { readonly source: 'url'; readonly url: string }
  | { readonly source: 'docker' }
  | ServerBinary

export interface FindServerOptions {
  /** True: not the server of the environment URL. */
  readonly private: boolean
  readonly env: Environment
  /** Called with one line before something is downloaded. */
  readonly onInstall: (line: string) => void
  /** Folders that are searched after those of the PATH. */
  readonly folders?: readonly string[]
}

/** The first source that works. Rejects with every source that was tried, why it did not work, and what would help. */
export async function findServer(kind: ServerKind, options: FindServerOptions): Promise<FoundServer> {
  const { env } = options
  const forced = forcedSource(env)
  const url = serverUrl(kind, env)
  const tried: string[] = []
  if (url !== null && forced === null && !options.private) return { source: 'url', url }
  if (forced !== null) tried.push(`only '${forced}', because REPRISE_TEST_SERVERS says so`)
  else if (url !== null) tried.push(`${urlVariable(kind)}: not used, because the test needs a server of its own`)
  else tried.push(`${urlVariable(kind)}: not set`)
  for (const source of forced === null ? startingSources : [forced]) {
    try {
      return await trySource(source, kind, options)
    } catch (error) {
      tried.push(`${source}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  throw new Error(noServer(kind, tried))
}

async function trySource(source: StartingSource, kind: ServerKind, options: FindServerOptions): Promise<FoundServer> {
  const { env, folders = usualFolders, onInstall } = options
  switch (source) {
    case 'path':
      return findOnPath(kind, env.PATH ?? '', folders)
    case 'docker':
      await findDocker()
      return { source }
    case 'apt':
      return (await findDebianBinary(kind)) ?? (await installDebianBinary(kind, onInstall))
  }
}

function noServer(kind: ServerKind, tried: readonly string[]): string {
  const name = binaryNames[kind]
  const list = tried.map((line) => `  - ${line}\n`).join('')
  return (
    `There is no ${kind} server to test with. Tried:\n${list}What helps, any of: install ${name} ` +
    `(Debian, Ubuntu: apt-get install ${name}; macOS: brew install ${kind === 'redis' ? 'redis' : name}), ` +
    `start Docker, or set ${urlVariable(kind)} to a running server.`
  )
}
