import { type FileHandle, open } from 'node:fs/promises'
import type { StoredPiece } from '@reprise/core/adapter'
import { fileFailure, systemCode } from './file-failure.js'

const newline = 0x0a
const chunkBytes = 1024 * 1024
/** Of one line that is kept: more than any that is read has. What is longer is only counted. */
const keptBytesMax = 16 * 1024 * 1024 + 1

/** Every line of a file as it is, one empty piece for an empty file, nothing if there is none. Bounded memory. */
export async function* storedLines(path: string): AsyncGenerator<StoredPiece> {
  const file = await openThere(path)
  if (file === null) return
  try {
    const chunk = Buffer.allocUnsafe(chunkBytes)
    let line = new Line(0)
    let read = 0
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, chunkBytes, read)
      if (bytesRead === 0) break
      let from = 0
      for (let to = chunk.indexOf(newline); to !== -1 && to < bytesRead; to = chunk.indexOf(newline, from)) {
        line.add(chunk.subarray(from, to))
        yield line.end(true)
        from = to + 1
        line = new Line(read + from)
      }
      line.add(chunk.subarray(from, bytesRead))
      read += bytesRead
    }
    if (line.length > 0 || read === 0) yield line.end(false)
  } catch (error) {
    throw systemCode(error) === '' ? error : fileFailure(error, 'Reading', path)
  } finally {
    await file.close()
  }
}

class Line {
  length = 0
  readonly #start: number
  readonly #parts: Buffer[] = []
  #kept = 0

  constructor(start: number) {
    this.#start = start
  }

  add(bytes: Buffer): void {
    this.length += bytes.length
    const wanted = bytes.subarray(0, keptBytesMax - this.#kept)
    // The chunk that it is a part of is read into again.
    if (wanted.length > 0) this.#parts.push(Buffer.from(wanted))
    this.#kept += wanted.length
  }

  end(whole: boolean): StoredPiece {
    return { place: `byte ${this.#start}`, bytes: Buffer.concat(this.#parts), length: this.length, whole }
  }
}

async function openThere(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, 'r')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null
    throw fileFailure(error, 'Opening the log', path)
  }
}
