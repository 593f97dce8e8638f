import { type FileHandle, open } from 'node:fs/promises'
import { fileFailure, systemCode } from './file-failure.js'
import type { LogPosition } from './log-reader.js'

const newline = 0x0a
/** Twice the largest commit: at most one append per writer can have been on its way when a sync failed. */
const tailBytes = 1024 * 1024

/** Whether the head that a position names stands before it, and a line begins there: if not, this is another file than the one that was read. */
export async function holdsHead(path: string, position: LogPosition): Promise<boolean> {
  const head = `{"hash":"${position.headHash}","commit":{"index":${position.count - 1},`
  return await withFile(path, 'r', false, async (file) => {
    const { bytes } = await readTail(file, position.end)
    return bytes.at(-1) === newline && bytes.lastIndexOf(head) !== -1
  })
}

/**
 * Writes the known end of a log again, in place and with the same bytes, so that the next sync covers it.
 *
 * After a failed sync the system may count pages as written that never reached the disk: a later sync then succeeds
 * without them, and reading shows them until the machine restarts. Whoever failed is gone, but its commits are the
 * ones that the next appender builds on. Writing them again makes their pages dirty again. Other writers are not
 * disturbed: they only ever add behind the known end.
 */
export async function renewTail(path: string, position: LogPosition): Promise<void> {
  // Not the descriptor that appends: with O_APPEND, Linux puts every write at the end, whatever its position.
  await withFile(path, 'r+', undefined, async (file) => {
    const { bytes, start } = await readTail(file, position.end)
    await file.write(bytes, 0, bytes.length, start)
  })
}

async function readTail(file: FileHandle, end: number): Promise<{ bytes: Buffer; start: number }> {
  const start = Math.max(0, end - tailBytes)
  const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(end - start), 0, end - start, start)
  return { bytes: buffer.subarray(0, bytesRead), start }
}

async function withFile<T>(path: string, flags: string, absent: T, use: (file: FileHandle) => Promise<T>): Promise<T> {
  try {
    const file = await open(path, flags)
    try {
      return await use(file)
    } finally {
      await file.close()
    }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return absent
    throw fileFailure(error, 'Reading the end of', path)
  }
}
