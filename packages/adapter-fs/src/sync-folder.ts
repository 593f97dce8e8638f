import { mkdir, open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { fileFailure, systemCode } from './file-failure.js'

/**
 * Makes the names in a folder durable: a file that was created, linked or renamed there is found again after a
 * power cut. Where folders cannot be synced (Windows, some file systems) there is nothing to do.
 */
export async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  } catch (error) {
    if (!['EINVAL', 'EISDIR', 'EPERM', 'EACCES', 'ENOTSUP'].includes(systemCode(error))) {
      throw fileFailure(error, 'Syncing the folder', path)
    }
  }
}

/** Creates a folder and what is missing above it, durably. */
export async function createFolder(path: string): Promise<void> {
  let first: string | undefined
  try {
    first = await mkdir(path, { recursive: true })
  } catch (error) {
    throw fileFailure(error, 'Creating the folder', path)
  }
  if (first === undefined) return
  const top = dirname(resolve(first))
  for (let folder = dirname(resolve(path)); ; folder = dirname(folder)) {
    await syncFolder(folder)
    if (folder === top) return
  }
}
