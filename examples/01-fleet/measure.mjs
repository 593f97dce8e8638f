// What a worker does with a file: one pass, a chunk at a time, however large the file or its lines are.
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { AttemptFailure } from '@reprise/core'

const chunkBytes = 256 * 1024
const lineFeed = 0x0a

// A link that took the place of the file is not followed, and a pipe does not make us wait for its writer.
const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants
const flags = O_RDONLY | (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0)

/** Reading again would give the same answer. Anything else (too many open files, …) is worth another attempt. */
const lastingCodes = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'ELOOP', 'EISDIR', 'ENXIO', 'ENAMETOOLONG'])

/**
 * @param {Buffer} path as bytes: a name need not be UTF-8
 * @param {AbortSignal} signal
 * @returns {Promise<import('./tasks.mjs').Figures>}
 */
export async function measure(path, signal) {
  const file = await open(path, flags).catch(failAttempt)
  try {
    const stat = await file.stat()
    if (!stat.isFile())
      throw new AttemptFailure('it is no regular file any more', { code: 'NOT_A_FILE', retryable: false })
    const buffer = Buffer.allocUnsafe(Math.min(Math.max(stat.size + 1, 4096), chunkBytes))
    return await measureChunks(file, buffer, signal)
  } catch (error) {
    return failAttempt(error)
  } finally {
    await file.close()
  }
}

/**
 * @param {import('node:fs/promises').FileHandle} file
 * @param {Buffer} buffer
 * @param {AbortSignal} signal
 */
async function measureChunks(file, buffer, signal) {
  const hash = createHash('sha256')
  const figures = { bytes: 0, lines: 0, longestLine: 0 }
  /** Length of the line that the chunks so far ended in. */
  let open = 0
  for (;;) {
    signal.throwIfAborted()
    const { bytesRead } = await file.read(buffer, 0, buffer.length, null)
    if (bytesRead === 0) break
    const chunk = buffer.subarray(0, bytesRead)
    hash.update(chunk)
    figures.bytes += bytesRead
    let start = 0
    for (let end = chunk.indexOf(lineFeed); end !== -1; end = chunk.indexOf(lineFeed, start)) {
      figures.lines++
      figures.longestLine = Math.max(figures.longestLine, open + end - start)
      open = 0
      start = end + 1
    }
    open += bytesRead - start
  }
  if (open > 0) figures.lines++
  return { ...figures, longestLine: Math.max(figures.longestLine, open), sha256: hash.digest('hex') }
}

/** @param {unknown} error @returns {never} */
function failAttempt(error) {
  const code = /** @type {NodeJS.ErrnoException} */ (error).code
  if (code === undefined || !lastingCodes.has(code)) throw error
  throw new AttemptFailure(`it cannot be read (${code})`, { code, retryable: false, cause: error })
}
