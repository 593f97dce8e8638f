import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { envelopeBytes } from '../log/commit-record.js'
import { RepriseError } from '../protocol/errors.js'
import { limits } from '../protocol/limits.js'

/** UTF-8 bytes that a line of a log can have. */
const lineBytesMax = limits.commitBytesMax + envelopeBytes
const newline = 0x0a

/** Bytes of a log, or of a log packed with gzip: told apart by how they begin. */
export type LogBytes = AsyncIterable<Uint8Array>

/**
 * The lines of a log file, unpacked, one at a time; a longer one than any commit is refused before it is held. The last one
 * may have no end: whether it is whole, its hash tells. `INVALID_INPUT` for bytes that are no lines of text, saying what
 * they seem to be.
 */
export async function* readLogLines(bytes: LogBytes): AsyncGenerator<string, void> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let number = 1
  for await (const line of cut(await unpacked(bytes))) {
    if (line.byteLength > lineBytesMax)
      throw unreadable(`line ${number} has more than ${lineBytesMax} bytes, and no commit has`)
    let text: string
    try {
      text = decoder.decode(line)
    } catch {
      throw unreadable(`line ${number} is not UTF-8: the file is damaged, or is no text`)
    }
    yield text.endsWith('\r') ? text.slice(0, -1) : text
    number++
  }
}

/** Begins of files that people have by mistake. */
const foreign: readonly (readonly [begins: readonly number[], what: string])[] = [
  [[0x50, 0x4b], 'it is a ZIP archive: unpack it first'],
  [[0x28, 0xb5, 0x2f, 0xfd], 'it is packed with zstd: unpack it first'],
  [[0x42, 0x5a, 0x68], 'it is packed with bzip2: unpack it first'],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], 'it is packed with xz: unpack it first'],
  [[0xff, 0xfe], 'it is UTF-16: a log is UTF-8, byte for byte as it was exported'],
  [[0xfe, 0xff], 'it is UTF-16: a log is UTF-8, byte for byte as it was exported'],
  [[0xef, 0xbb, 0xbf], 'it begins with a byte order mark: some editor has changed it'],
  [[0x53, 0x51, 0x4c, 0x69, 0x74, 0x65], 'it is an SQLite database'],
]

async function unpacked(bytes: LogBytes): Promise<LogBytes> {
  const source = bytes[Symbol.asyncIterator]()
  let first = Buffer.alloc(0)
  while (first.length < 6) {
    const { done, value } = await source.next()
    if (done) break
    first = Buffer.concat([first, value])
  }
  const all = (async function* (): AsyncGenerator<Uint8Array, void> {
    try {
      if (first.length > 0) yield first
      for (;;) {
        const { done, value } = await source.next()
        if (done) return
        yield value
      }
    } finally {
      await source.return?.()
    }
  })()
  for (const [begins, what] of foreign) if (begins.every((byte, i) => first[i] === byte)) throw unreadable(what)
  return first[0] === 0x1f && first[1] === 0x8b ? gunzipped(all) : all
}

async function* gunzipped(packed: LogBytes): AsyncGenerator<Uint8Array, void> {
  const source = Readable.from(packed, { objectMode: false })
  const gunzip = createGunzip()
  source.on('error', (error) => gunzip.destroy(error))
  try {
    yield* source.pipe(gunzip)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'Z_BUF_ERROR') throw unreadable('it is packed with gzip, and its end is missing')
    if (code?.startsWith('Z_')) throw unreadable(`it is packed with gzip, and damaged (${(error as Error).message})`)
    throw error
  } finally {
    source.destroy()
  }
}

async function* cut(bytes: LogBytes): AsyncGenerator<Uint8Array, void> {
  let begun: Uint8Array[] = []
  let length = 0
  for await (const chunk of bytes) {
    let from = 0
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, from)) {
      yield Buffer.concat([...begun, chunk.subarray(from, end)])
      begun = []
      length = 0
      from = end + 1
    }
    if (from === chunk.length) continue
    begun.push(Uint8Array.from(chunk.subarray(from)))
    length += chunk.length - from
    // More of it would only fill the memory.
    if (length > lineBytesMax + 1) break
  }
  if (begun.length > 0) yield Buffer.concat(begun)
}

const unreadable = (what: string): RepriseError =>
  new RepriseError('INVALID_INPUT', `This is no log of Reprise: ${what}. Nothing was imported.`)
