import { constants } from 'node:fs'
import { type FileHandle, lstat, open, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import type { ArtifactCheck } from '@reprise/core/adapter'
import { systemCode } from './file-failure.js'

type Refusal = Extract<ArtifactCheck, { ok: false }>

const refusal = (reason: Refusal['reason'], detail: string): Refusal => ({ ok: false, reason, detail })

/**
 * Opens a file that somebody names by a path, only if it is a regular file inside `root` that is reached without a
 * single link. What is opened is what was checked, even if names are changed meanwhile. The caller closes it.
 */
export async function openInside(root: string, path: string): Promise<{ file: FileHandle; size: number } | Refusal> {
  const parts = path.split('/')
  if (!parts.every(isPlain) || parts[0] === 'tmp') {
    return refusal('outside-root', 'its path is not a plain relative path inside the artifact folder')
  }
  let file: FileHandle
  try {
    // Does not wait for the writer of a pipe, and does not follow a link in the last place.
    file = await open(join(root, path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    return refuseUnopened(error)
  }
  try {
    const opened = await file.stat()
    const real = await realpath(join(root, path))
    const named = await lstat(real)
    if (real !== join(await realpath(root), ...parts)) {
      await file.close()
      return refusal('outside-root', 'its path leads through a link')
    }
    if (!opened.isFile() || named.ino !== opened.ino || named.dev !== opened.dev) {
      await file.close()
      return refusal('not-a-regular-file', 'it is not a regular file, or was replaced while it was looked at')
    }
    return { file, size: opened.size }
  } catch (error) {
    await file.close()
    return refuseUnopened(error)
  }
}

/** A name, and nothing that some system takes for more than a name. */
const isPlain = (part: string): boolean =>
  !['', '.', '..'].includes(part) && !/[\0\\]/.test(part) && !(process.platform === 'win32' && part.includes(':'))

function refuseUnopened(error: unknown): Refusal {
  switch (systemCode(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ENAMETOOLONG':
      return refusal('missing', 'there is no such file')
    case 'ELOOP':
    case 'EMLINK':
    case 'ENXIO':
      return refusal('not-a-regular-file', 'it is a link, a socket or a pipe')
    case 'EACCES':
    case 'EPERM':
      return refusal('missing', 'it may not be read by this process')
    default:
      throw error
  }
}
