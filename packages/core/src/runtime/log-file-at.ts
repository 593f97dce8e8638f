import { randomBytes } from 'node:crypto'
import { type FileHandle, link, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { LogFile } from '../ports/log-file.js'

export interface LogFileOptions {
  /** Whether `write` replaces what stands there. Default: it fails with `EEXIST`. */
  readonly replace?: boolean
}

const draftMark = '.draft-'

/**
 * A log file on this machine's disk. Folders are made. What is written stands beside it, as `<path>.draft-…`, until it is
 * whole and on the disk; drafts of processes that were killed are removed by the next who writes. Fails with what the file
 * system says (`ENOSPC`, `EACCES`).
 */
export function logFileAt(path: string, { replace = false }: LogFileOptions = {}): LogFile {
  const place = resolve(path)
  const folder = dirname(place)
  return {
    path,
    read: async () => {
      const file = await opened(place)
      return file === null ? null : chunksOf(file)
    },
    write: async (bytes) => {
      await mkdir(folder, { recursive: true })
      const draft = `${place}${draftMark}${randomBytes(8).toString('hex')}`
      try {
        const file = await open(draft, 'wx')
        try {
          for await (const chunk of bytes) await file.writeFile(chunk)
          // Or a crash of the machine may leave an empty file under the right name.
          await file.datasync()
        } finally {
          await file.close()
        }
        if (replace) await rename(draft, place)
        else await putNew(draft, place)
      } finally {
        await rm(draft, { force: true })
      }
      await removeDrafts(place)
    },
    sync: async () => {
      const file = await open(place, 'r')
      await file.sync().finally(() => file.close())
      await syncFolder(folder)
    },
  }
}

/** Under a name that nothing has: a link never replaces. */
async function putNew(draft: string, place: string): Promise<void> {
  try {
    await link(draft, place)
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].some((code) => isCode(error, code))) throw error
    // A file system without links: the name is taken first.
    await (await open(place, 'wx')).close()
    await rename(draft, place)
  }
}

async function removeDrafts(place: string): Promise<void> {
  const prefix = `${basename(place)}${draftMark}`
  for (const name of await readdir(dirname(place))) {
    const isDraft = name.startsWith(prefix) && /^[0-9a-f]{16}$/.test(name.slice(prefix.length))
    if (isDraft) await rm(join(dirname(place), name), { force: true })
  }
}

async function opened(place: string): Promise<FileHandle | null> {
  try {
    return await open(place, 'r')
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null
    throw error
  }
}

async function* chunksOf(file: FileHandle): AsyncGenerator<Uint8Array, void> {
  try {
    yield* file.createReadStream({ autoClose: false })
  } finally {
    await file.close()
  }
}

/** A name is durable when its folder is. Some systems cannot be asked to. */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r')
    await folder.sync().finally(() => folder.close())
  } catch (error) {
    if (!['EINVAL', 'EISDIR', 'EPERM', 'EACCES'].some((code) => isCode(error, code))) throw error
  }
}

const isCode = (error: unknown, code: string): boolean => (error as NodeJS.ErrnoException).code === code
