import { stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { type Adapter, type AdapterParts, combineAdapters } from '@reprise/core'
import { type Address, readAddress, withoutSecrets } from './address.js'
import type { OpenAtOptions } from './command.js'
import { notFound, usage } from './command-failure.js'

const folderName = '.reprise'

/** Opens the backend of an address. `NOT_FOUND` if it is a folder or streams that are not there, and may not be made. */
export async function openAt(text: string, cwd: string, { to = 'read' }: OpenAtOptions = {}): Promise<Adapter> {
  const address = readAddress(text)
  switch (address.kind) {
    case 'files':
      return openFolder(resolve(cwd, address.dir), to)
    case 'redis': {
      const { openRedis } = await import('@reprise/adapter-redis')
      const { url, prefix } = address
      return openRedis({ url, ...(prefix !== undefined && { prefix }) })
    }
    case 'nats':
      return openServers(text, address, to)
  }
}

type Servers = Extract<Address, { kind: 'nats' }>

async function openServers(text: string, address: Servers, to: OpenAtOptions['to']): Promise<Adapter> {
  const { openNats } = await import('@reprise/adapter-nats')
  const { servers, prefix, inboxPrefix, credentials } = address
  const adapter = await openNats({
    servers,
    createStreams: to === 'create',
    connection: { ...credentials, ...(inboxPrefix !== undefined && { inboxPrefix }) },
    ...(prefix !== undefined && { prefix }),
  })
  try {
    // Who only looks must not make streams; and without them each call would fail in its own way, some after seconds.
    if (to === 'create' || (await adapter.hasLogs()) !== false) return adapter
    throw notFound(
      `There is nothing of Reprise at ${withoutSecrets(text)} under the prefix ${prefix ?? 'reprise'}: its streams are not there. Name another with ?prefix=NAME, or make them with: reprise open.`,
    )
  } catch (error) {
    await adapter.close()
    throw error
  }
}

async function openFolder(dir: string, to: OpenAtOptions['to']): Promise<Adapter> {
  if (to !== 'create') await checkFolder(dir)
  const { openFiles } = await import('@reprise/adapter-fs')
  return openFiles({ dir })
}

/** Opening an empty folder makes it one of Reprise: who only looks must not do that. */
async function checkFolder(dir: string): Promise<void> {
  const found = await stat(dir).catch(() => null)
  if (found === null)
    throw notFound(`There is no folder ${dir}. Name another with --at, or make one with: reprise open.`)
  if (!found.isDirectory()) throw usage(`${dir} is not a folder. Name one with --at.`)
  // Every folder of Reprise says so in this file.
  if ((await stat(join(dir, 'FORMAT')).catch(() => null)) !== null) return
  throw notFound(
    `${dir} is no folder of Reprise: it has no file FORMAT. Name another with --at, or use it with: reprise open.`,
  )
}

/** The nearest `.reprise`, from `cwd` upwards; if there is none, the one that could be made here. */
export async function nearestFolder(cwd: string): Promise<string> {
  for (let dir = resolve(cwd); ; dir = dirname(dir)) {
    const found = await stat(join(dir, folderName)).catch(() => null)
    if (found?.isDirectory()) return join(dir, folderName)
    if (dirname(dir) === dir) return join(resolve(cwd), folderName)
  }
}

const partNames = ['leases', 'queue', 'inbox', 'artifacts'] as const

/** `queue=nats://…` and the like: which part of a run is elsewhere. */
export function readParts(texts: readonly string[]): Partial<Record<(typeof partNames)[number], string>> {
  const parts: Partial<Record<(typeof partNames)[number], string>> = {}
  for (const text of texts) {
    const at = text.indexOf('=')
    const name = partNames.find((part) => part === text.slice(0, at))
    if (name === undefined || parts[name] !== undefined) {
      throw usage(`--with takes one of ${partNames.map((part) => `${part}=ADDRESS`).join(', ')}, each once.`)
    }
    parts[name] = text.slice(at + 1)
  }
  return parts
}

/** One backend, or several that keep a part each. */
export async function openParts(
  log: string,
  parts: Partial<Record<(typeof partNames)[number], string>>,
  open: (address: string) => Promise<Adapter>,
): Promise<Adapter> {
  const names = partNames.filter((name) => parts[name] !== undefined)
  if (names.length === 0) return open(log)
  const opened = new Map<string, Adapter>()
  const openOnce = async (address: string): Promise<Adapter> => {
    const adapter = opened.get(address) ?? (await open(address))
    opened.set(address, adapter)
    return adapter
  }
  try {
    const all: { log: Adapter } & Partial<Record<keyof AdapterParts, Adapter>> = { log: await openOnce(log) }
    for (const name of names) all[name] = await openOnce(parts[name] ?? log)
    return combineAdapters(all)
  } catch (error) {
    await Promise.allSettled([...opened.values()].map((adapter) => adapter.close()))
    throw error
  }
}
