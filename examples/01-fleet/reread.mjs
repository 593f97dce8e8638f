// The check on the fleet: this program reads every file itself, by other means than the workers, so that somebody else
// has something to compare.
import { createHash } from 'node:crypto'
import { closeSync, lstatSync, openSync, readSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'

/** @typedef {import('./list-files.mjs').ListedFile} ListedFile */
/** @typedef {import('./tasks.mjs').Figures} Figures */

/** One for all files: they are read one after the other. */
const buffer = Buffer.allocUnsafe(1024 * 1024)
/** How long this program may be deaf to signals. */
const breathMs = 40

/**
 * @param {ListedFile[]} files
 * @param {(done: number) => void} onProgress
 * @param {AbortSignal} signal
 * @returns {Promise<Map<string, Figures | string>>} by task id; a text says why a file cannot be read
 */
export async function rereadFiles(files, onProgress, signal) {
  /** @type {Map<string, Figures | string>} */
  const found = new Map()
  for (const { taskId, path, encoding } of files) {
    found.set(taskId, await reread(Buffer.from(path, encoding), signal))
    onProgress(found.size)
  }
  return found
}

/** @param {Buffer} path @param {AbortSignal} signal */
async function reread(path, signal) {
  let file = -1
  try {
    if (!lstatSync(path).isFile()) return 'no regular file any more'
    file = openSync(path, 'r')
    return await countBytes(file, signal)
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error)
    if (code === undefined || signal.aborted) throw error
    return code
  } finally {
    if (file !== -1) closeSync(file)
  }
}

let breathedAt = 0

/** @param {number} file @param {AbortSignal} signal @returns {Promise<Figures>} */
async function countBytes(file, signal) {
  const hash = createHash('sha256')
  const counted = { bytes: 0, lineFeeds: 0, openLine: 0, longestLine: 0 }
  for (let read = readSync(file, buffer); read > 0; read = readSync(file, buffer)) {
    hash.update(buffer.subarray(0, read))
    countLines(read, counted)
    if (performance.now() - breathedAt > breathMs) {
      await nextTurn()
      breathedAt = performance.now()
      signal.throwIfAborted()
    }
  }
  const { bytes, lineFeeds, openLine, longestLine } = counted
  return {
    bytes,
    lines: lineFeeds + (openLine > 0 ? 1 : 0),
    longestLine: Math.max(longestLine, openLine),
    sha256: hash.digest('hex'),
  }
}

/** Byte by byte, where the workers search. @param {number} read @param {{ bytes: number, lineFeeds: number, openLine: number, longestLine: number }} counted */
function countLines(read, counted) {
  let { lineFeeds, longestLine } = counted
  // Where the line under way begins: before this chunk, if it is not the first.
  let start = -counted.openLine
  for (let at = 0; at < read; at++) {
    if (buffer[at] !== 10) continue
    if (at - start > longestLine) longestLine = at - start
    start = at + 1
    lineFeeds++
  }
  Object.assign(counted, { bytes: counted.bytes + read, lineFeeds, openLine: read - start, longestLine })
}
