import { type FileHandle, open } from 'node:fs/promises'
import { RepriseError, type RunId, readRecordShape } from '@reprise/core/adapter'
import { decodeLine, decodeLines } from './decode-lines.js'
import { fileFailure, systemCode } from './file-failure.js'
import { selectCommits } from './select-commits.js'
import { hasLostNewline } from './torn-line.js'

const newline = 0x0a
const chunkBytes = 1024 * 1024
/** Far more than a commit and the torn lines in front of it can be. */
const lineBytesMax = 16 * 1024 * 1024

/** How far the log of a run is known. */
export interface LogPosition {
  /** Commits before it. */
  readonly count: number
  /** Hash of the last of them, `''` if there is none. */
  readonly headHash: string
  /** Bytes before it. */
  readonly end: number
}

export const logStart: LogPosition = { count: 0, headHash: '', end: 0 }

/** Reads the commits of one log file, in large pieces and in constant memory, and goes on as it grows. */
export class LogReader {
  readonly #runId: RunId
  readonly #file: FileHandle
  #position: LogPosition
  #buffer = Buffer.allocUnsafe(chunkBytes)
  /** Bytes at the start of the buffer that belong to a line whose end is not read yet. */
  #carried = 0
  /** Found behind the commits that were read last. */
  #damage: RepriseError | null = null

  /** `null` if there is no such file. `from` is a position that an earlier reader of the same file reached. */
  static async open(path: string, runId: RunId, from: LogPosition = logStart): Promise<LogReader | null> {
    try {
      return new LogReader(runId, await open(path, 'r'), from)
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return null
      throw fileFailure(error, 'Opening the log', path)
    }
  }

  private constructor(runId: RunId, file: FileHandle, from: LogPosition) {
    this.#runId = runId
    this.#file = file
    this.#position = from
  }

  get position(): LogPosition {
    return this.#position
  }

  /** Bytes read so far, a line without its end included. */
  get bytesRead(): number {
    return this.#position.end + this.#carried
  }

  /** Bytes that there are, and whether the file still has a name: if not, the run was removed. */
  async look(): Promise<{ size: number; linked: boolean }> {
    const { size, nlink } = await this.#file.stat()
    return { size, linked: nlink > 0 }
  }

  /**
   * The commits in the next piece of the file, possibly none, or `null` at its end. `LOG_CORRUPT` if it is damaged,
   * after every commit that stands before the damage.
   */
  async next(): Promise<string[] | null> {
    if (this.#damage !== null) throw this.#damage
    if (this.#carried === this.#buffer.length) this.#grow()
    const space = this.#buffer.length - this.#carried
    const { bytesRead } = await this.#file.read(this.#buffer, this.#carried, space, this.bytesRead)
    if (bytesRead === 0) return null
    const filled = this.#carried + bytesRead
    const whole = this.#buffer.lastIndexOf(newline, filled - 1) + 1
    const texts = whole === 0 ? [] : this.#select(whole)
    this.#buffer.copyWithin(0, whole, filled)
    this.#carried = filled - whole
    const isEnd = bytesRead < space
    if (isEnd && this.#carried > 0 && hasLostNewline(decodeLine(this.#buffer.subarray(0, this.#carried)))) {
      this.#damage ??= this.#damaged(this.#position.end, 'it has lost its end of line')
    }
    if (this.#damage === null) return texts
    // What follows does not count as read.
    this.#carried = 0
    if (texts.length === 0) throw this.#damage
    return texts
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  #select(whole: number): string[] {
    const { count, headHash, end } = this.#position
    const lines = decodeLines(this.#buffer.subarray(0, whole - 1))
    const { texts, damage } = selectCommits(lines, count)
    const last = texts.at(-1)
    this.#position = {
      count: count + texts.length,
      headHash: last === undefined ? headHash : hashOf(last),
      end: end + (damage === null ? whole : this.#lineStart(damage.line)),
    }
    if (damage !== null) this.#damage = this.#damaged(this.#position.end, damage.why)
    return texts
  }

  #lineStart(line: number): number {
    let start = 0
    for (let skipped = 0; skipped < line; skipped++) start = this.#buffer.indexOf(newline, start) + 1
    return start
  }

  #grow(): void {
    if (this.#carried >= lineBytesMax) throw this.#damaged(this.#position.end, `it has more than ${lineBytesMax} bytes`)
    const larger = Buffer.allocUnsafe(this.#buffer.length * 2)
    this.#buffer.copy(larger, 0, 0, this.#carried)
    this.#buffer = larger
  }

  #damaged(position: number, why: string): RepriseError {
    return damagedLine(this.#runId, position, this.#position.count, why)
  }
}

/** The hash that a record carries, as a string of its own: a slice would keep the whole text in memory. */
export const hashOf = (text: string): string => Buffer.from(readRecordShape(text)?.hash ?? '', 'latin1').toString()

export function damagedLine(runId: RunId, position: number, count: number, why: string): RepriseError {
  return new RepriseError(
    'LOG_CORRUPT',
    `The log of run ${runId} is damaged in the line at byte ${position}, behind ${count} whole commits: ${why}. ` +
      'Nothing was appended. Restore the log from a copy, or take what comes before that line into a new run.',
    { details: { runId, position, count } },
  )
}
