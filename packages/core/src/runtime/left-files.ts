import { constants } from 'node:fs'
import { lstat, open, opendir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { RepriseError } from '../protocol/errors.js'
import { oneLine } from '../protocol/one-line.js'

/** A regular file that a program has left in its folder. */
export interface LeftFile {
  /** Relative to the folder, `/`-separated. */
  readonly name: string
  readonly chunks: AsyncIterable<Uint8Array>
}

/** Names of artifacts have so many characters at most. */
const nameMax = 256
const depthMax = 8

/**
 * The regular files in a folder and in its folders, by name. No link is followed. Rejects with `INVALID_INPUT` if there is
 * anything else than files and folders, or a name that is not fit to be shown, and with `TOO_LARGE` beyond `countMax` files.
 */
export async function leftFiles(folder: string, countMax: number): Promise<LeftFile[]> {
  const names: string[] = []
  await walk(folder, '', names, countMax, 1)
  return names.sort().map((name) => ({ name, chunks: read(join(folder, name), name) }))
}

/** Removes what a program has left, as far as this user may. */
export const removeLeft = (folder: string): Promise<void> =>
  rm(folder, { recursive: true, force: true, maxRetries: 2 }).catch(() => {})

async function walk(folder: string, prefix: string, names: string[], countMax: number, depth: number): Promise<void> {
  if (depth > depthMax) throw refused(prefix, `folders may stand ${depthMax} deep`)
  let seen = 0
  for await (const entry of await opendir(join(folder, prefix))) {
    const name = prefix + entry.name
    // Two bytes that are no UTF-8 would be read as the same sign: the file could not be found again.
    if (name.length > nameMax || name.includes('\ufffd') || oneLine(name, nameMax) !== name) {
      throw refused(name, `a name is at most ${nameMax} characters of UTF-8, without control and invisible characters`)
    }
    if (++seen > countMax || names.length >= countMax) throw tooMany(countMax)
    const found = await lstat(join(folder, name))
    if (found.isDirectory()) await walk(folder, `${name}/`, names, countMax, depth + 1)
    else if (found.isFile()) names.push(name)
    else throw refused(name, found.isSymbolicLink() ? 'it is a link: copy what it points to' : 'it is no regular file')
  }
}

async function* read(path: string, name: string): AsyncGenerator<Uint8Array> {
  // Looked at again in what was opened: it may have been exchanged meanwhile. Opening a pipe would wait for its writer.
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    if (!(await file.stat()).isFile()) throw refused(name, 'it is no regular file')
    yield* file.createReadStream({ autoClose: false })
  } finally {
    await file.close()
  }
}

const refused = (name: string, why: string): RepriseError =>
  new RepriseError(
    'INVALID_INPUT',
    `${oneLine(JSON.stringify(name), 300)} in REPRISE_ARTIFACTS cannot be kept: ${why}.`,
  )

const tooMany = (countMax: number): RepriseError =>
  new RepriseError('TOO_LARGE', `There are more than ${countMax} files in REPRISE_ARTIFACTS. Pack them into one.`)
