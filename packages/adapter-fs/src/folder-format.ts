import { randomBytes } from 'node:crypto'
import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { RepriseError } from '@reprise/core/adapter'
import { fileFailure, systemCode } from './file-failure.js'
import { syncFolder } from './sync-folder.js'

const version = 1
const text = `reprise files ${version}\n`

/**
 * Writes into a new folder in which form its files are, or checks it. `LOG_TOO_NEW` if a later library made it,
 * `INVALID_INPUT` if it is not a folder of this library's making.
 */
export async function checkFormat(dir: string): Promise<void> {
  const path = join(dir, 'FORMAT')
  let found: string
  try {
    found = await readFile(path, 'utf8')
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw fileFailure(error, 'Reading', path)
    return await writeFormat(dir, path)
  }
  if (found === text) return
  const claimed = /^reprise files (\d{1,9})\n$/.exec(found)?.[1]
  if (claimed !== undefined && Number(claimed) > version) {
    throw new RepriseError(
      'LOG_TOO_NEW',
      `The folder ${dir} has format ${claimed}; this library knows up to ${version}. Open it with a later version of Reprise.`,
      { details: { dir, format: Number(claimed), known: version } },
    )
  }
  throw new RepriseError(
    'INVALID_INPUT',
    `${path} is not what Reprise writes there. Give an empty or a Reprise folder.`,
    {
      details: { path },
    },
  )
}

/** Several processes may do this at once: each puts the same text there, whole. */
async function writeFormat(dir: string, path: string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  try {
    const file = await open(temporary, 'wx')
    try {
      await file.write(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    throw fileFailure(error, 'Writing', path)
  }
  await syncFolder(dir)
}
