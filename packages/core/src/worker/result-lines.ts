import { limits } from '../protocol/limits.js'

/** What standard output has said so far that counts. */
export type FoundResult =
  | { readonly found: 'nothing' }
  | { readonly found: 'result'; readonly value: Readonly<Record<string, unknown>> }
  | { readonly found: 'problem'; readonly code: 'RESULT_INVALID' | 'RESULT_TOO_LARGE'; readonly message: string }

/** Keys that a line of standard output may have to be the result of an attempt. */
const resultKeys = ['output', 'status', 'error', 'stoppedAt', 'resumeInstructions', 'usage', 'spawn'] as const

/** Bytes of a line. Every result that a receipt can hold has room, whatever of it is written as escapes. */
export const resultLineBytesMax = 2 * limits.receiptBytesMax

const opening = /^\s*\{\s*"(?:output|status|error|stoppedAt|resumeInstructions|usage|spawn|progress)"/
/** So much of a line shows whether it can be one. */
const openingBytes = 64

/**
 * Looks for results among everything else that a program says: a line that is a JSON object of `resultKeys` and nothing
 * else; the last one counts. Holds one line at most, and only one that can be a result.
 */
export class ResultLines {
  #last: FoundResult = { found: 'nothing' }
  #line: Buffer[] = []
  #bytes = 0
  /** Whether the rest of the line is of no interest. */
  #skips = false

  /** `onProgress` gets the value of each line `{"progress": …}`. */
  constructor(private readonly onProgress: (value: unknown) => void) {}

  push(chunk: Buffer): void {
    let from = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      this.#add(chunk.subarray(from, end))
      this.#endLine()
      from = end + 1
    }
    this.#add(chunk.subarray(from))
  }

  /** When nothing more comes: the last line needs no newline. */
  end(): FoundResult {
    this.#endLine()
    return this.#last
  }

  #add(part: Buffer): void {
    if (this.#skips || part.length === 0) return
    const isOpening = this.#bytes < openingBytes
    this.#bytes += part.length
    if (isOpening && !canOpen(Buffer.concat([...this.#line, part.subarray(0, openingBytes)]))) {
      this.#skip()
      return
    }
    if (this.#bytes > resultLineBytesMax) {
      this.#last = {
        found: 'problem',
        code: 'RESULT_TOO_LARGE',
        message: `the result on standard output exceeds ${resultLineBytesMax} bytes; put it into a file in REPRISE_ARTIFACTS`,
      }
      this.#skip()
      return
    }
    // Copied: the rest of the chunk is not held with it.
    this.#line.push(Buffer.from(part))
    if (this.#line.length > 1_024) this.#line = [Buffer.concat(this.#line)]
  }

  #skip(): void {
    this.#skips = true
    this.#line = []
  }

  #endLine(): void {
    if (!this.#skips && this.#bytes > 0) this.#read(Buffer.concat(this.#line))
    this.#line = []
    this.#bytes = 0
    this.#skips = false
  }

  #read(line: Buffer): void {
    if (!opening.test(line.toString('utf8', 0, openingBytes))) return
    let value: unknown
    try {
      value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(line))
    } catch (error) {
      // It begins like a result: taken for nothing, work would be lost in silence.
      const message = `standard output has a line that begins like a result and is no JSON: ${(error as Error).message}`
      this.#last = { found: 'problem', code: 'RESULT_INVALID', message }
      return
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return
    const keys = Object.keys(value)
    if (keys.length === 1 && keys[0] === 'progress') this.onProgress((value as { progress: unknown }).progress)
    else if (keys.length > 0 && keys.every(isKnown))
      this.#last = { found: 'result', value: value as Record<string, unknown> }
  }
}

const isKnown = (key: string): boolean => (resultKeys as readonly string[]).includes(key)

/** Whether a line that begins like this can become a result. */
const canOpen = (line: Buffer): boolean =>
  (line.length < openingBytes ? /^\s*(?:\{|$)/ : opening).test(line.toString('utf8', 0, openingBytes))
