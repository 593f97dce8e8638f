import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { ServerKind } from './test-server.js'

/** A program that can be started, and what it needs in its environment. */
export interface ServerBinary {
  readonly source: 'path' | 'apt'
  readonly command: string
  readonly env: Readonly<Record<string, string>>
}

export const binaryNames: Readonly<Record<ServerKind, string>> = { redis: 'redis-server', nats: 'nats-server' }

/** Where packages put servers although the PATH of an ordinary user may not name it. */
export const usualFolders: readonly string[] = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin']

/** Throws with the reason when there is none. */
export function findOnPath(kind: ServerKind, path: string, folders = usualFolders): ServerBinary {
  const name = binaryNames[kind]
  for (const folder of [...path.split(delimiter), ...folders]) {
    const command = join(folder, name)
    if (folder !== '' && isProgram(command)) return { source: 'path', command, env: {} }
  }
  throw new Error(`no ${name} on the PATH or in ${folders.join(', ')}`)
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}
