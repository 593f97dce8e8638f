import { randomBytes } from 'node:crypto'
import { fdatasync, watch } from 'node:fs'
import { open, readdir, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type DiagnoseOptions, type Diagnosis, type Finding, isRepriseError } from '@reprise/core/adapter'
import { fileFailure } from './file-failure.js'
import { type FileSystemKind, fileSystemKind } from './file-system-kind.js'

const writes = 20
const freeBytesMin = 256 * 1024 * 1024
/** Slower than any disk of this century that is not broken or overloaded. */
const slowSyncMs = 50
/** Quicker than any device can keep a promise: somebody in between answers for it. */
const implausibleSyncMs = 0.02
const watchWaitMs = 500
/** More than time stamps are coarse, on any local file system. */
const clockSkewMaxMs = 2_500
/** What a diagnosis that was killed has left goes with the next one. */
const probeAgeMaxMs = 60_000
const probePrefix = '.probe-'

const sync = promisify(fdatasync)

/** Looks at the folder, and measures in it. Takes some tens of milliseconds and leaves nothing behind. */
export async function diagnoseFiles(dir: string, { measure = true }: DiagnoseOptions = {}): Promise<Diagnosis> {
  const kind = await fileSystemKind(dir)
  const findings = [onFileSystem(kind), await onFreeSpace(dir)]
  if (measure) findings.push(...(await measured(dir, kind)))
  return { adapter: 'files', durable: durability(kind), findings }
}

/** Why nothing can be written is what somebody asks a diagnosis about. */
async function measured(dir: string, kind: FileSystemKind): Promise<Finding[]> {
  try {
    await removeOldProbes(dir)
    return [await onSync(dir, kind), await onWatch(dir), await onClock(dir)]
  } catch (thrown) {
    const error = isRepriseError(thrown) ? thrown : fileFailure(thrown, 'Measuring in', dir)
    const name = 'sync-cost'
    if (!['EACCES', 'EPERM', 'EROFS'].includes(String(error.details.systemCode))) {
      const remedy = 'Every commit fails like that until this is mended.'
      return [{ name, level: 'problem', message: error.message, remedy }]
    }
    const message = `What a commit costs could not be measured: this user may not write in ${dir}.`
    return [{ name, level: 'warning', message, remedy: 'Diagnose as the user of a coordinator.' }]
  }
}

async function removeOldProbes(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    if (!name.startsWith(probePrefix)) continue
    const found = await stat(join(dir, name)).catch(() => null)
    if (found !== null && Date.now() - found.mtimeMs > probeAgeMaxMs) await rm(join(dir, name), { force: true })
  }
}

/** By what the file system says when a file was made. A folder of another machine has that one's clock. */
async function onClock(dir: string): Promise<Finding> {
  const path = probePath(dir)
  try {
    const before = Date.now()
    await writeFile(path, 'x')
    const { mtimeMs } = await stat(path)
    const after = Date.now()
    const skewMs = Math.round(mtimeMs < before ? mtimeMs - before : Math.max(0, mtimeMs - after))
    const figures = { clockSkewMs: skewMs }
    if (Math.abs(skewMs) <= clockSkewMaxMs) {
      return { name: 'clock', level: 'ok', message: 'The file system has the clock of this machine.', figures }
    }
    return {
      name: 'clock',
      level: 'warning',
      message: `The clock of the file system is ${skewMs} ms off that of this machine: the folder may be another machine's.`,
      remedy: 'Use a folder on a local disk, or let both machines follow the same time server.',
      figures,
    }
  } finally {
    await rm(path, { force: true })
  }
}

function durability(kind: FileSystemKind): Diagnosis['durable'] {
  switch (kind.trust) {
    case 'local':
    case 'shared':
    case 'unknown':
      return 'os'
    case 'memory':
    case 'network':
      return 'process'
  }
}

function onFileSystem({ name, trust }: FileSystemKind): Finding {
  const figures = { type: name }
  switch (trust) {
    case 'local':
      return { name: 'file-system', level: 'ok', message: `${name}: a commit survives a crash of the system.`, figures }
    case 'memory':
      return {
        name: 'file-system',
        level: 'warning',
        message: `${name} is in memory: a commit survives a crash of the process, not one of the system.`,
        remedy: 'For work that matters, use a folder on a disk.',
        figures,
      }
    case 'shared':
      return {
        name: 'file-system',
        level: 'warning',
        message: `${name}: the folder belongs to the host of this machine. A commit survives what the host lets survive.`,
        remedy: 'Use it from this machine only, or use a folder on its own disk.',
        figures,
      }
    case 'network':
      return {
        name: 'file-system',
        level: 'problem',
        message: `${name}: appends of several processes may overwrite each other, and synced bytes may be lost.`,
        remedy: 'Use a folder on a local disk, or an adapter made for the network.',
        figures,
      }
    case 'unknown':
      return {
        name: 'file-system',
        level: 'warning',
        message: `${name}: whether it keeps what it syncs is not known to this library.`,
        remedy: 'Make sure that it is a local disk.',
        figures,
      }
  }
}

async function onFreeSpace(dir: string): Promise<Finding> {
  const { bavail, bsize, ffree, files } = await statfs(dir)
  const freeBytes = bavail * bsize
  const figures = { freeBytes, freeFiles: ffree }
  // Some file systems have no fixed number of files, and then tell zero of zero.
  if (freeBytes >= freeBytesMin && (ffree >= 1000 || files === 0)) {
    return { name: 'free-space', level: 'ok', message: `${Math.floor(freeBytes / 1e6)} MB are free.`, figures }
  }
  return {
    name: 'free-space',
    level: freeBytes === 0 || (ffree === 0 && files > 0) ? 'problem' : 'warning',
    message: `Only ${Math.floor(freeBytes / 1e6)} MB and ${ffree} files are free.`,
    remedy: 'Free some space: a full disk refuses every commit until there is some.',
    figures,
  }
}

async function onSync(dir: string, kind: FileSystemKind): Promise<Finding> {
  const costs = (await measureSync(dir)).sort((a, b) => a - b)
  const medianMs = costs[costs.length >> 1] ?? 0
  const maxMs = costs.at(-1) ?? 0
  const figures = { fdatasyncMedianMs: round(medianMs), fdatasyncMaxMs: round(maxMs) }
  const message = `A commit waits ${figures.fdatasyncMedianMs} ms for the disk, at most ${figures.fdatasyncMaxMs} ms.`
  if (medianMs > slowSyncMs) {
    const remedy = 'Commits are slow here: use a faster disk, or look what else is writing.'
    return { name: 'sync-cost', level: 'warning', message, remedy, figures }
  }
  if (medianMs < implausibleSyncMs && kind.trust !== 'memory') {
    const remedy = 'No disk is so quick: check that write caching is safe, or that syncing was not turned off.'
    return { name: 'sync-cost', level: 'warning', message, remedy, figures }
  }
  return { name: 'sync-cost', level: 'ok', message, figures }
}

async function measureSync(dir: string): Promise<number[]> {
  const path = probePath(dir)
  try {
    const file = await open(path, 'wx')
    try {
      const costs: number[] = []
      for (let i = 0; i < writes; i++) {
        await file.write(`${'x'.repeat(511)}\n`)
        const from = performance.now()
        await sync(file.fd)
        costs.push(performance.now() - from)
      }
      return costs
    } finally {
      await file.close()
    }
  } catch (error) {
    throw fileFailure(error, 'Measuring in', dir)
  } finally {
    await rm(path, { force: true })
  }
}

async function onWatch(dir: string): Promise<Finding> {
  const works = await watchWorks(dir).catch(() => false)
  if (works) return { name: 'watch', level: 'ok', message: 'Changes are told at once.' }
  return {
    name: 'watch',
    level: 'warning',
    message: 'Changes are not told by the system: they are looked for, every 100 ms.',
    remedy: 'On Linux, raise fs.inotify.max_user_watches and max_user_instances.',
  }
}

async function watchWorks(dir: string): Promise<boolean> {
  const path = probePath(dir)
  const given = new AbortController()
  const watcher = watch(dir)
  try {
    const told = new Promise<boolean>((resolve) => {
      watcher.on('change', () => resolve(true))
      watcher.on('error', () => resolve(false))
    })
    await writeFile(path, '')
    const late = delay(watchWaitMs, false, { signal: given.signal }).catch(() => false)
    return await Promise.race([told, late])
  } finally {
    given.abort()
    watcher.close()
    await rm(path, { force: true })
  }
}

const probePath = (dir: string): string => join(dir, `${probePrefix}${randomBytes(6).toString('hex')}`)

const round = (ms: number): number => Math.round(ms * 1000) / 1000
