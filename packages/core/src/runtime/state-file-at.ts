import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { StateFileStore } from '../ports/state-file.js'
import { sha256 } from '../protocol/sha256.js'

let written = 0

/** A state file on this machine's disk. Folders are made; edits are kept beside it as `<path>.kept-<first digits of their sha256>`. */
export function stateFileAt(path: string): StateFileStore {
  return {
    path,
    read: async () => {
      try {
        return await readFile(path, 'utf8')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
        throw error
      }
    },
    replace: async (text) => {
      await mkdir(dirname(path), { recursive: true })
      const draft = `${path}.${process.pid}-${++written}.tmp`
      try {
        const file = await open(draft, 'wx')
        try {
          await file.writeFile(text)
          // Or a power failure may leave an empty file under the right name.
          await file.datasync()
        } finally {
          await file.close()
        }
        await rename(draft, path)
      } catch (error) {
        await rm(draft, { force: true }).catch(() => {})
        throw error
      }
    },
    keepAside: async (text) => {
      const kept = `${path}.kept-${sha256(text).slice(0, 12)}`
      await writeFile(kept, text)
      return kept
    },
  }
}
