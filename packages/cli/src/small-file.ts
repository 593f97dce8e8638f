import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { notFound, usage } from './command-failure.js'

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
