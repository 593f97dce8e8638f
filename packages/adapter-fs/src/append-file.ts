import { closeSync, constants, fdatasync, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import { RepriseError } from '@reprise/core/adapter'
import { decodeLines } from './decode-lines.js'
import { fileFailure } from './file-failure.js'

const newline = 0x0a
/** Shared by all files: it is filled and emptied within one synchronous call. */
const scratch = Buffer.allocUnsafeSlow(256 * 1024)
/**
 * Written behind a torn line, with a newline, before the next line: a line that ends so is known to be torn by its
 * writer's failure, and not damaged later. The character (CAN, "cancel") never occurs in JSON.
 */
export const tornMark = '\u0018'
/** Times that lines are written anew because they were caught in somebody's torn line. */
const rewritesMax = 8

/**
 * An append-only file of lines, to which several processes append without a lock. What makes that safe: one
 * `write` with `O_APPEND` is never mixed with another one, so every line is either whole or torn (the disk was
 * full, the power failed), and whoever reads can tell. A line that starts right after a torn one is dead as well;
 * its writer notices by reading back, and writes it again.
 *
 * `write` and `pread` only touch the page cache, which takes microseconds, so they are synchronous: a trip
 * through the thread pool would cost more than the call. Only `fdatasync` waits for the disk.
 *
 * Users of a file must be able to tell intact lines from others (by a hash or checksum in each), must skip
 * others, and must not mind a line that is there twice.
 */
export class AppendFile {
  readonly path: string
  readonly #fd: number
  /** After the last newline that was read: everything before is whole lines, and known. */
  #end: number
  /** After the last byte that was read. Beyond `#end` if the file ends in the middle of a line. */
  #seen: number
  /** A write of ours failed halfway, so the file may end in the middle of a line that we have not read. */
  #torn = false
  #running: Promise<void> | null = null
  #following: Promise<void> | null = null
  #failure: RepriseError | null = null
  #closed = false
  #deleted = false

  /**
   * Opens a file for reading and appending; `create` makes it if it does not exist, and leaves it to the caller to
   * sync the folder. `from` is the position of a line that reading shall start at (default 0). Fails as the system
   * does, `ENOENT` included.
   */
  static open(path: string, options: { create?: boolean; from?: number } = {}): AppendFile {
    const flags = constants.O_RDWR | constants.O_APPEND | (options.create === true ? constants.O_CREAT : 0)
    return new AppendFile(path, openSync(path, flags, 0o666), options.from ?? 0)
  }

  private constructor(path: string, fd: number, from: number) {
    this.path = path
    this.#fd = fd
    this.#end = from
    this.#seen = from
  }

  /** Bytes of whole lines read so far. */
  get end(): number {
    return this.#end
  }

  /** A sync has failed: this object is of no more use. */
  get failed(): boolean {
    return this.#failure !== null
  }

  /** The file was deleted or replaced before the last `appendAndReadBack`: what is appended to it is lost. */
  get deleted(): boolean {
    return this.#deleted
  }

  /** Looks whether the file still is where it was opened. */
  isDeleted(): boolean {
    this.#assertUsable()
    this.#deleted = fstatSync(this.#fd).nlink === 0
    return this.#deleted
  }

  /** Whole lines that landed since the last call, ours included, in order. A tail without a newline waits. */
  readNew(): string[] {
    this.#assertUsable()
    // Looks only behind what was seen before: a poll that finds nothing is one system call.
    let chunk = this.#read(this.#seen)
    if (chunk.length === 0) return []
    const before: Buffer[] = []
    if (this.#seen > this.#end) {
      this.#seen = this.#end
      chunk = this.#read(this.#seen)
    }
    while (chunk.length === scratch.length) {
      before.push(Buffer.from(chunk))
      this.#seen += chunk.length
      chunk = this.#read(this.#seen)
    }
    this.#seen += chunk.length
    const bytes = before.length === 0 ? chunk : Buffer.concat([...before, chunk])
    const whole = bytes.lastIndexOf(newline) + 1
    if (whole === 0) return []
    this.#end += whole
    this.#torn = false
    return decodeLines(bytes.subarray(0, whole - 1))
  }

  /**
   * Writes all lines at once at the end of the file. They are not durable before `sync`, and may have been caught in
   * somebody's torn line: see `appendAndReadBack`. `ADAPTER_UNAVAILABLE` if the disk did not take all of them; some
   * of the lines may be in the file then.
   */
  append(lines: readonly string[]): void {
    this.#write(lines)
  }

  /**
   * Appends, and reads back until each of the lines stands in the file as a line of its own. Returns every whole
   * line that landed since the last reading, ours included, in the order that all processes see.
   */
  appendAndReadBack(lines: readonly string[]): string[] {
    const written = this.#write(lines)
    if (this.#isNext(written.length)) return [...lines]
    const landed = this.readNew()
    for (let rewrites = 0; ; rewrites++) {
      const present = new Set(landed)
      const missing = lines.filter((line) => !present.has(line))
      if (missing.length === 0) return landed
      if (rewrites === rewritesMax || fstatSync(this.#fd).size < this.#end) throw this.#tampered()
      this.#write(missing)
      landed.push(...this.readNew())
    }
  }

  /**
   * Makes everything appended before the call durable. Calls made while one is waiting for the disk share the next
   * trip. `SYNC_FAILED` once the disk has refused, and from then on for every call on this object: the system
   * forgets which bytes did not reach the disk, so only opening anew and reading again tells what counts.
   */
  sync(): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    if (this.#closed) return Promise.reject(this.#closedError())
    if (this.#running === null) {
      this.#running = this.#syncOnce().finally(() => {
        this.#running = null
      })
      return this.#running
    }
    this.#following ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#following = null
        return this.sync()
      })
    return this.#following
  }

  /** Every later call fails with `CLOSED`. Waits for no one, but keeps the descriptor until a running sync is done. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    // A descriptor closed under a running fdatasync could be given to another file and be synced instead.
    if (this.#running === null) closeSync(this.#fd)
    else void this.#running.catch(() => undefined).finally(() => closeSync(this.#fd))
  }

  #write(lines: readonly string[]): Buffer {
    this.#assertUsable()
    if (lines.some((line) => line.includes('\n'))) {
      throw new RepriseError('INVALID_INPUT', `A line for ${this.path} contains a newline. Encode the text as JSON.`)
    }
    const text = `${lines.join('\n')}\n`
    // A short write is nearly always the last sign before ENOSPC, but it may also be a limit that has passed: one
    // more try, on a new line, finds out which.
    for (let tries = 1; ; tries++) {
      const bytes = Buffer.from(this.#torn || this.#seen > this.#end ? `${tornMark}\n${text}` : text)
      const written = this.#writeOnce(bytes)
      this.#torn = written < bytes.length
      if (!this.#torn) return bytes
      if (tries === 2) {
        const cause = new Error(`${written} of ${bytes.length} bytes were written`)
        throw fileFailure(Object.assign(cause, { code: 'ENOSPC' }), 'Appending to', this.path)
      }
    }
  }

  #writeOnce(bytes: Buffer): number {
    try {
      return writeSync(this.#fd, bytes)
    } catch (error) {
      throw fileFailure(error, 'Appending to', this.path)
    }
  }

  /**
   * The common case, for which the size is enough: the file has grown by exactly what we wrote, so nobody else wrote
   * in between, and what stands there is ours.
   */
  #isNext(bytes: number): boolean {
    const { size, nlink } = fstatSync(this.#fd)
    this.#deleted = nlink === 0
    if (this.#seen > this.#end || size !== this.#end + bytes) return false
    this.#end = size
    this.#seen = size
    return true
  }

  #read(position: number): Buffer {
    try {
      return scratch.subarray(0, readSync(this.#fd, scratch, 0, scratch.length, position))
    } catch (error) {
      throw fileFailure(error, 'Reading', this.path)
    }
  }

  #syncOnce(): Promise<void> {
    return new Promise((resolve, reject) => {
      fdatasync(this.#fd, (error) => {
        if (error === null) return resolve()
        this.#failure ??= new RepriseError(
          'SYNC_FAILED',
          `The disk refused to make ${this.path} durable (${error.code ?? error.message}). Nothing appended since the ` +
            'last success counts. Check the disk, then open it again: what is there will be read and verified anew.',
          { details: { path: this.path }, cause: error },
        )
        reject(this.#failure)
      })
    })
  }

  #assertUsable(): void {
    if (this.#failure !== null) throw this.#failure
    if (this.#closed) throw this.#closedError()
  }

  #closedError(): RepriseError {
    return new RepriseError('CLOSED', `${this.path} was closed. Open it again.`, { details: { path: this.path } })
  }

  #tampered(): RepriseError {
    return new RepriseError(
      'LOG_CORRUPT',
      `What was appended to ${this.path} is not there when read back: something else truncates or rewrites the file. ` +
        'Find that program and stop it; compare the file with a copy.',
      { details: { path: this.path, position: this.#end } },
    )
  }
}
