import { createReadStream } from 'node:fs'
import { resolve } from 'node:path'
import { addAbortSignal, type Readable } from 'node:stream'
import type { Context } from './command.js'
import { notFound, usage } from './command-failure.js'

/** No line and no value that we take may be larger. Bytes. */
const bytesMax = 1024 * 1024

/** Of a file, or standard input for `-`. */
const streamOf = (context: Context, name: string): Readable =>
  name === '-' ? context.stdin : createReadStream(resolve(context.cwd, name), { highWaterMark: 128 * 1024 })

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

/** Lines that were read together, and the number of the first, from 1. */
interface Lines {
  readonly first: number
  readonly lines: readonly string[]
}

/**
 * The lines of a file, those of one piece of it together: a small file is one piece, and of a pipe whole lines are handed
 * over as they come. Empty ones are left in.
 */
export async function* linesOf(context: Context, source: string): AsyncGenerator<Lines> {
  let first = 1
  let held: string[] = []
  let rest = Buffer.alloc(0)
  const take = (more: readonly string[] = []): Lines => {
    const taken = { first, lines: [...held, ...more] }
    first += taken.lines.length
    held = []
    return taken
  }
  for await (const chunk of chunksOf(context, source)) {
    if (held.length > 0) yield take()
    const end = chunk.lastIndexOf(10)
    if (end >= 0) {
      held = Buffer.concat([rest, chunk.subarray(0, end)])
        .toString('utf8')
        .split('\n')
      rest = Buffer.alloc(0)
    }
    rest = Buffer.concat([rest, chunk.subarray(end + 1)])
    if (rest.length > bytesMax) {
      throw usage(`Line ${first + held.length} of ${source} is longer than ${bytesMax} bytes.`)
    }
    // A line that has begun may be the last one of a small file.
    if (held.length > 0 && rest.length === 0) yield take()
  }
  if (held.length > 0 || rest.length > 0) yield take(rest.length > 0 ? [rest.toString('utf8')] : [])
}

/** Ends with Ctrl-C too: what was read before is worked off, and the exit code tells. */
async function* chunksOf(context: Context, source: string): AsyncGenerator<Buffer> {
  const stream = addAbortSignal(context.signal, streamOf(context, source))
  try {
    for await (const chunk of stream) yield Buffer.from(chunk as Uint8Array | string)
  } catch (error) {
    if (context.signal.aborted) return
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') throw notFound(`There is no file ${source}.`)
    if (code !== undefined) throw usage(`${source} cannot be read: ${message}.`)
    throw error
  }
}
