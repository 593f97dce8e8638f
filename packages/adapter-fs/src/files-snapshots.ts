import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import { type RunId, type SnapshotStore, snapshotWithoutLog } from '@reprise/core/adapter'
import { fileFailure, systemCode } from './file-failure.js'
import type { FilesLog } from './files-log.js'
import type { Lifetime } from './lifetime.js'
import type { LogPosition } from './log-reader.js'
import { parseJson } from './small-file.js'
import { SnapshotFile } from './snapshot-file.js'

const chunkBytes = 256 * 1024
/** Far more than a position takes. */
const positionLengthMax = 256

/**
 * The snapshot of each run in `<dir>/runs/<run>/snapshot`, behind a first line that says from where to read the end of
 * the log. It is never synced, so that no commit waits for it: what a power cut leaves of it is found to be none.
 */
export class FilesSnapshots implements SnapshotStore {
  readonly #log: FilesLog
  readonly #lifetime: Lifetime

  constructor(log: FilesLog, lifetime: Lifetime) {
    this.#log = log
    this.#lifetime = lifetime
  }

  async *load(runId: RunId): AsyncGenerator<string> {
    this.#lifetime.assertOpen()
    let start: string | null = ''
    for await (const text of textsOf(this.#pathOf(runId))) {
      this.#lifetime.assertOpen()
      if (start === null) yield text
      else {
        start += text
        const end = start.indexOf('\n')
        if (end === -1 && start.length > positionLengthMax) return
        if (end === -1) continue
        const position = parsePosition(start.slice(0, end))
        if (position !== null) this.#log.suggest(runId, position)
        if (end + 1 < start.length) yield start.slice(end + 1)
        start = null
      }
    }
  }

  async save(runId: RunId, pieces: AsyncIterable<string>): Promise<void> {
    this.#lifetime.assertOpen()
    const path = this.#pathOf(runId)
    const file = await SnapshotFile.create(this.#log.folderOf(runId))
    if (file === null) throw snapshotWithoutLog(runId)
    try {
      await file.write(`${JSON.stringify(this.#log.markOf(runId))}\n`)
      for await (const piece of pieces) {
        this.#lifetime.assertOpen()
        await file.write(piece)
      }
      if (!(await file.moveTo(path))) throw snapshotWithoutLog(runId)
    } catch (error) {
      await file.discard()
      throw error
    }
  }

  #pathOf(runId: RunId): string {
    return join(this.#log.folderOf(runId), 'snapshot')
  }
}

/** The text of a file, nothing if there is none. */
async function* textsOf(path: string): AsyncGenerator<string> {
  try {
    const file = await open(path, 'r')
    try {
      const decoder = new StringDecoder('utf8')
      const buffer = Buffer.allocUnsafe(chunkBytes)
      for (;;) {
        const { bytesRead } = await file.read(buffer, 0, chunkBytes, null)
        if (bytesRead === 0) break
        yield decoder.write(buffer.subarray(0, bytesRead))
      }
      const rest = decoder.end()
      if (rest !== '') yield rest
    } finally {
      await file.close()
    }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return
    throw systemCode(error) === '' ? error : fileFailure(error, 'Reading', path)
  }
}

function parsePosition(text: string): LogPosition | null {
  const { count, headHash, end } = Object(parseJson(text)) as Partial<Record<keyof LogPosition, unknown>>
  if (!Number.isSafeInteger(count) || !Number.isSafeInteger(end) || typeof headHash !== 'string') return null
  const position = { count: count as number, headHash, end: end as number }
  return position.count > 0 && position.end > 0 && /^[0-9a-f]{64}$/.test(headHash) ? position : null
}
