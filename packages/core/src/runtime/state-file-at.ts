import { hash, randomBytes } from 'node:crypto'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { StateFileStore } from '../ports/state-file.js'

/** Bytes of a state file that is read: ours are far smaller, and somebody may name a film by mistake. */
const bytesMax = 8 * 1024 * 1024
const draftMark = '.draft-'

interface Found {
  readonly text: string
  readonly bytes: Uint8Array
  /** Permissions. */
  readonly mode: number
}

/**
 * A state file on this machine's disk. Folders are made; edits are kept beside it, byte for byte, as
 * `<path>.kept-<first digits of their sha256>`. A file keeps its permissions; a link is replaced by a file.
 */
export function stateFileAt(path: string): StateFileStore {
  // The program may go to another folder meanwhile.
  const place = resolve(path)
  const folder = dirname(place)
  /** What was read last. */
  let found: Found | null = null
  /** Written here and not renamed yet. */
  const drafts = new Set<string>()

  const look = async (): Promise<Found | null> => {
    found = await readWhole(place)
    return found
  }

  /** Writes a file as a whole. `isWanted` is asked right before it takes its place. */
  const put = async (target: string, data: string | Uint8Array, isWanted: () => Promise<boolean>): Promise<boolean> => {
    await mkdir(folder, { recursive: true })
    const draft = `${place}${draftMark}${randomBytes(8).toString('hex')}`
    drafts.add(basename(draft))
    try {
      const file = await open(draft, 'wx')
      try {
        if (found !== null) await file.chmod(found.mode)
        await file.writeFile(data)
        // Or a power failure may leave an empty file under the right name.
        await file.datasync()
      } finally {
        await file.close()
      }
      return (await isWanted()) && (await renamed(draft, target))
    } finally {
      await rm(draft, { force: true }).catch(() => {})
      drafts.delete(basename(draft))
    }
  }

  /**
   * Drafts of processes that were killed; and of one that was stopped between looking and renaming, which then finds its
   * draft gone: so the file of its successor stays.
   */
  const tidy = async (): Promise<void> => {
    const prefix = `${basename(place)}${draftMark}`
    for (const name of await readdir(folder)) {
      const isDraft = name.startsWith(prefix) && /^[0-9a-f]{16}$/.test(name.slice(prefix.length))
      if (isDraft && !drafts.has(name)) await rm(join(folder, name), { force: true })
    }
  }

  return {
    path,
    read: async () => (await look())?.text ?? null,
    replace: async (text, expected) => {
      const stands = async (wanted: string | null) => ((await look())?.text ?? null) === wanted
      if (!(await put(place, text, () => stands(expected)))) return false
      await tidy()
      return stands(text)
    },
    keepAside: async (text) => {
      const bytes = found?.text === text ? found.bytes : Buffer.from(text)
      const kept = `.kept-${hash('sha256', bytes).slice(0, 12)}`
      const isThere = async () => {
        const there = await readWhole(place + kept)
        return there !== null && Buffer.compare(there.bytes, bytes) === 0
      }
      if (!(await isThere())) {
        const isDone = (await put(place + kept, bytes, async () => true)) || (await isThere())
        if (!isDone) throw new Error(`${path}${kept} was taken away while it was written`)
        await syncFolder(folder)
      }
      return path + kept
    },
  }
}

async function readWhole(path: string): Promise<Found | null> {
  try {
    const file = await open(path, 'r')
    try {
      const { size, mode } = await file.stat()
      if (size > bytesMax) {
        throw new Error(`${path} has ${size} bytes, and no state file has more than ${bytesMax}: name another file`)
      }
      const bytes = await file.readFile()
      return { bytes, text: bytes.toString('utf8'), mode: mode & 0o777 }
    } finally {
      await file.close()
    }
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null
    throw error
  }
}

/** `false`: the draft is gone. Whoever writes the file now has tidied up. */
async function renamed(draft: string, target: string): Promise<boolean> {
  try {
    await rename(draft, target)
    return true
  } catch (error) {
    if (isCode(error, 'ENOENT')) return false
    throw error
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
