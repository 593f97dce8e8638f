import { createReadStream } from 'node:fs'
import { resolve } from 'node:path'
import type { Readable } from 'node:stream'
import type { Context } from './command.js'
import { notFound, usage } from './command-failure.js'

/** No line and no value that we take may be larger. Bytes. */
const bytesMax = 1024 * 1024

/** A stream of a file, or of standard input for `-`. */
export function inputStream(context: Context, name: string): Readable {
  return name === '-' ? context.stdin : createReadStream(resolve(context.cwd, name), { highWaterMark: 128 * 1024 })
}

/** A JSON value from an option: itself, `@FILE`, or `-` for standard input. */
export async function jsonValue(context: Context, text: string, name: string): Promise<unknown> {
  const source = text === '-' ? '-' : text.startsWith('@') ? text.slice(1) : null
  const json = source === null ? text : await wholeText(context, source)
  try {
    return JSON.parse(json) as unknown
  } catch (error) {
    const where = source === null ? name : `${source === '-' ? 'standard input' : source}`
    throw usage(`${where} is not JSON: ${(error as Error).message}. A text needs quotes: '"like this"'.`)
  }
}

async function wholeText(context: Context, source: string): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of chunksOf(context, source)) {
    bytes += chunk.length
    if (bytes > bytesMax) throw usage(`${source} is larger than ${bytesMax} bytes. Put it into a file and name that.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Lines of a file, those of one piece of it together, with the number of the first from 1. Empty ones are left in. */
export async function* linesOf(
  context: Context,
  source: string,
): AsyncGenerator<{ readonly first: number; readonly lines: readonly string[] }> {
  let [first, rest]: [number, Buffer] = [1, Buffer.alloc(0)]
  for await (const chunk of chunksOf(context, source)) {
    const end = chunk.lastIndexOf(10)
    if (end < 0) {
      rest = Buffer.concat([rest, chunk])
      if (rest.length > bytesMax) throw usage(`Line ${first} of ${source} is longer than ${bytesMax} bytes.`)
      continue
    }
    const lines = Buffer.concat([rest, chunk.subarray(0, end)])
      .toString('utf8')
      .split('\n')
    yield { first, lines }
    first += lines.length
    rest = chunk.subarray(end + 1)
  }
  if (rest.length > 0) yield { first, lines: [rest.toString('utf8')] }
}

async function* chunksOf(context: Context, source: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of inputStream(context, source)) yield Buffer.from(chunk as Uint8Array | string)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') throw notFound(`There is no file ${source}.`)
    if (code !== undefined) throw usage(`${source} cannot be read: ${message}.`)
    throw error
  }
}
