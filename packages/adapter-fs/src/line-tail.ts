import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { RepriseError } from '@reprise/core/adapter'
import { checkBytes, checkBytesOfLine } from './checked-line.js'
import { fileFailure } from './file-failure.js'

const newline = 0x0a
/** Shared by all tails: it is filled and emptied within one synchronous call. Longer lines are skipped. */
const scratch = Buffer.allocUnsafeSlow(1024 * 1024)

/** UTF-8 bytes of a line that a tail can take in, newline excluded. */
export const lineBytesMax = scratch.length - 1

/**
 * An intact line: `bytes` from `start` to `end` is its payload, valid until the callback returns; `at` is the
 * position of the line in its file, `check` its checksum. Returns whether to go on to the next line.
 */
export type OnLine = (bytes: Buffer, start: number, end: number, at: number, check: number) => boolean

/**
 * Reads a growing file of checked lines that others append to, by position. Nothing that stands in the file can
 * break it: lines that are torn, not ours, or too long are skipped, in memory that does not depend on the file, and
 * anything but a regular file is refused.
 */
export class LineTail {
  readonly path: string
  readonly #fd: number
  #position: number
  /** Inside a line that is too long. */
  #skipping = false
  #open = true

  /** Fails as the system does, `ENOENT` included. `from` is the position of a line. */
  static open(path: string, from = 0): LineTail {
    // Without waiting for the writer of a pipe, and not through a link: either may have been put here to stop us.
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW)
    if (fstatSync(fd).isFile()) return new LineTail(path, fd, from)
    closeSync(fd)
    throw Object.assign(new Error(`${path} is not a regular file`), { code: 'EINVAL' })
  }

  private constructor(path: string, fd: number, from: number) {
    this.path = path
    this.#fd = fd
    this.#position = from
  }

  /** Of the next line that was not read. */
  get position(): number {
    return this.#position
  }

  /** Bytes in the file. */
  get size(): number {
    return fstatSync(this.#fd).size
  }

  /**
   * Hands over the intact lines that landed since the last call. A tail without a newline waits. Looks at about
   * `bytesMax` at most, and returns whether that was all there is.
   */
  readNew(onLine: OnLine, bytesMax = Number.POSITIVE_INFINITY): boolean {
    for (let looked = 0; looked < bytesMax; ) {
      const bytes = this.#read(this.#position, scratch.length)
      if (bytes.length === 0) return true
      looked += bytes.length
      let start = 0
      let more = true
      for (let end = bytes.indexOf(newline); end !== -1 && more; end = bytes.indexOf(newline, start)) {
        const check = this.#skipping ? -1 : checkBytesOfLine(bytes, start, end)
        this.#skipping = false
        if (check !== -1) more = onLine(bytes, start + checkBytes, end, this.#position + start, check)
        start = end + 1
      }
      this.#position += start
      if (!more) return false
      // No newline in all of it: the line is too long, or was so before.
      if (start === 0 && (this.#skipping || bytes.length === scratch.length)) {
        this.#skipping = true
        this.#position += bytes.length
      }
      if (bytes.length < scratch.length) return true
    }
    return false
  }

  /** Passes over lines that are known without reading them. */
  advance(bytes: number): void {
    this.#position += bytes
  }

  /** Bytes at a position, valid until the next reading of any tail. At most `lineBytesMax`. */
  readAt(position: number, length: number): Buffer {
    return this.#read(position, length)
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    closeSync(this.#fd)
  }

  #read(position: number, length: number): Buffer {
    if (!this.#open) throw new RepriseError('CLOSED', `${this.path} was closed. Open it again.`)
    try {
      return scratch.subarray(0, readSync(this.#fd, scratch, 0, length, position))
    } catch (error) {
      throw fileFailure(error, 'Reading', this.path)
    }
  }
}
