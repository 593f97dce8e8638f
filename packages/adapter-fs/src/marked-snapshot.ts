import { open } from 'node:fs/promises'
import { StringDecoder } from 'node:string_decoder'
import { type RunId, snapshotWithoutLog } from '@reprise/core/adapter'
import { fileFailure, systemCode } from './file-failure.js'
import type { Lifetime } from './lifetime.js'
import type { LogPosition } from './log-reader.js'
import { parseJson } from './small-file.js'
import { SnapshotFile } from './snapshot-file.js'

const chunkBytes = 256 * 1024
/** Far more than a position takes. */
const positionLengthMax = 256

/** The pieces of a snapshot in a file; first tells the position in the log that stands in front of them. */
export async function* loadMarked(
  path: string,
  lifetime: Lifetime,
  onPosition: (position: LogPosition) => void,
): AsyncGenerator<string> {
  let start: string | null = ''
  for await (const text of textsOf(path)) {
    lifetime.assertOpen()
    if (start === null) yield text
    else {
      start += text
      const end = start.indexOf('\n')
      if (end === -1 && start.length > positionLengthMax) return
      if (end === -1) continue
      const position = parsePosition(start.slice(0, end))
      if (position !== null) onPosition(position)
      if (end + 1 < start.length) yield start.slice(end + 1)
      start = null
    }
  }
}

/** Where a snapshot goes. `path`: in `folder`, which is that of the run, or in one inside it. */
export interface SnapshotPlace {
  readonly runId: RunId
  readonly folder: string
  readonly path: string
  /** From where to read what is behind it. */
  readonly mark: LogPosition | null
}

/** Puts a snapshot in place once it is whole. `RUN_UNKNOWN` if the run has no log, or was removed meanwhile. */
export async function saveMarked(
  { runId, folder, path, mark }: SnapshotPlace,
  pieces: AsyncIterable<string>,
  lifetime: Lifetime,
): Promise<void> {
  const file = await SnapshotFile.create(folder)
  if (file === null) throw snapshotWithoutLog(runId)
  try {
    await file.write(`${JSON.stringify(mark)}\n`)
    for await (const piece of pieces) {
      lifetime.assertOpen()
      await file.write(piece)
    }
    if (!(await file.moveTo(path))) throw snapshotWithoutLog(runId)
  } catch (error) {
    await file.discard()
    throw error
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
