import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { lstat, mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { installScript } from './install-script.js'
import { binaryNames, type ServerBinary } from './server-binary.js'
import type { ServerKind } from './test-server.js'

const run = promisify(execFile)
const installWithinMs = 600_000
const versionWithinMs = 20_000
const outputTailLines = 8

const packages: Readonly<Record<ServerKind, { readonly names: readonly string[]; readonly program: string }>> = {
  // The program of redis-server is a link to a file of redis-tools.
  redis: { names: ['redis-server', 'redis-tools'], program: 'usr/bin/redis-server' },
  nats: { names: ['nats-server'], program: 'usr/sbin/nats-server' },
}

/** The program unpacked by an earlier install, or null. It is run once: a cleaned temporary folder may have lost parts. */
export async function findDebianBinary(kind: ServerKind): Promise<ServerBinary | null> {
  const root = join(await cacheFolder(), kind)
  const binary: ServerBinary = {
    source: 'apt',
    command: join(root, packages[kind].program),
    env: { LD_LIBRARY_PATH: libraryFolders(root).join(':') },
  }
  try {
    await run(binary.command, ['--version'], { env: { ...process.env, ...binary.env }, timeout: versionWithinMs })
    return binary
  } catch {
    return null
  }
}

/**
 * Downloads the Debian package, and those it needs that this machine lacks, and unpacks them below the temporary
 * folder. Nothing is installed in the system, so no service starts and no right is needed. Processes that do this at
 * once wait for one another. Rejects with the last lines of what apt said.
 */
export async function installDebianBinary(kind: ServerKind, onInstall: (line: string) => void): Promise<ServerBinary> {
  const cache = await cacheFolder()
  const { names, program } = packages[kind]
  for (const tool of ['apt-get', 'dpkg-deb', 'flock', 'timeout']) await requireTool(tool)
  onInstall(`Unpacking the Debian package ${binaryNames[kind]} into ${cache} for the tests, once.`)
  try {
    await run('/bin/sh', ['-c', installScript, 'reprise-install', cache, kind, program, ...names], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
      timeout: installWithinMs,
    })
  } catch (error) {
    throw new Error(`the Debian package could not be unpacked: ${outputTail(error)}`)
  }
  const binary = await findDebianBinary(kind)
  if (binary === null) throw new Error(`the Debian package was unpacked into ${join(cache, kind)} but does not run`)
  return binary
}

/** A folder of this user only. Refuses one that somebody else made first, because programs in it are run. */
async function cacheFolder(): Promise<string> {
  const user = process.getuid?.()
  if (user === undefined) throw new Error('Debian packages are for Linux')
  const folder = join(tmpdir(), `reprise-servers-${user}`)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const found = await lstat(folder)
  if (!found.isDirectory() || found.uid !== user || (found.mode & 0o022) !== 0) {
    throw new Error(`${folder} belongs to another user or can be written by one: remove it`)
  }
  return folder
}

/** Where the unpacked packages keep their libraries. A library that the system has is not unpacked. */
function libraryFolders(root: string): string[] {
  return ['usr/lib', 'lib'].flatMap((base) => {
    try {
      const folders = readdirSync(join(root, base)).filter((name) => name.includes('-linux-'))
      return folders.map((name) => join(root, base, name))
    } catch {
      return []
    }
  })
}

async function requireTool(name: string): Promise<void> {
  try {
    await run(name, ['--version'], { timeout: versionWithinMs })
  } catch {
    throw new Error(`there is no ${name}, this is no Debian or Ubuntu`)
  }
}

function outputTail(error: unknown): string {
  const { stdout = '', stderr = '', message } = error as { stdout?: string; stderr?: string; message: string }
  const said = `${stdout}\n${stderr}`.trim()
  return said === '' ? message : said.split('\n').slice(-outputTailLines).join('; ')
}
