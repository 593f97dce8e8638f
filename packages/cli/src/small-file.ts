import { randomBytes } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { CommandFailure, notFound, usage } from './command-failure.js'

/** The text of a file, or of standard input for `-`, and its mode. `what` names it in messages. */
export async function readSmallFile(
  path: string,
  what: string,
  bytesMax: number,
  stdin: Readable | null = null,
): Promise<{ text: string; mode: number }> {
  if (path === '-' && stdin !== null) return { text: await readStream(stdin, what, bytesMax), mode: 0 }
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') throw notFound(`There is no file ${path} with ${what}.`)
    throw usage(`${what} cannot be read from ${path} (${error.code}).`)
  })
  try {
    const stat = await file.stat()
    if (stat.isDirectory()) throw usage(`${path} is a folder: give a file with ${what}.`)
    return { text: await readStream(file.createReadStream({ autoClose: false }), what, bytesMax), mode: stat.mode }
  } finally {
    await file.close()
  }
}

async function readStream(stream: Readable, what: string, bytesMax: number): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of stream) {
    bytes += Buffer.byteLength(chunk)
    if (bytes > bytesMax) throw usage(`This is not ${what}: it has more than ${bytesMax} bytes.`)
    chunks.push(Buffer.from(chunk))
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Under its name there is the old file or the whole new one, whenever this process is killed. */
export async function writeWholeFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  try {
    const file = await open(temporary, 'wx', 0o644)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    const { code } = error as NodeJS.ErrnoException
    throw new CommandFailure(
      'unavailable',
      'FILE_FAILED',
      `Writing ${path} failed (${code}). Nothing is in its place.`,
      {
        path,
      },
    )
  }
}
