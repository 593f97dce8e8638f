import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type LogHead, limits, type RunId, type RunSummaries, type SummarizedRun } from '@reprise/core/adapter'
import { fileFailure, systemCode } from './file-failure.js'
import { decodeName } from './file-names.js'
import type { FilesLog } from './files-log.js'
import type { Lifetime } from './lifetime.js'
import { SnapshotFile } from './snapshot-file.js'

/** In one turn: some milliseconds. Promises of single files would cost ten times what the files do. */
const batchMax = 256
/** The longest summary in UTF-8, and the line in front of it. */
const summaryBytesMax = 3 * limits.runSummaryMax + 32
const scratch = Buffer.allocUnsafe(summaryBytesMax + 1)

/**
 * The summary of each run in `<dir>/runs/<run>/summary`, behind a first line with the size of the log that it is of: as
 * long as the log has that size, nobody has appended. Never synced: what a power cut leaves of it is not whole, and none.
 */
export class FilesSummaries implements RunSummaries {
  readonly #runsFolder: string
  readonly #log: FilesLog
  readonly #lifetime: Lifetime

  constructor(dir: string, log: FilesLog, lifetime: Lifetime) {
    this.#runsFolder = join(dir, 'runs')
    this.#log = log
    this.#lifetime = lifetime
  }

  async put(runId: RunId, head: LogHead, text: string): Promise<void> {
    this.#lifetime.assertOpen()
    const bytes = await this.#log.bytesUpTo(runId, head)
    if (bytes === null) return
    const file = await SnapshotFile.create(this.#log.folderOf(runId))
    if (file === null) return
    try {
      await file.write(`${bytes}\n${text}\n`)
      // If the run is gone by now, the file is as well.
      await file.moveTo(join(this.#log.folderOf(runId), 'summary'))
    } catch (error) {
      await file.discard()
      throw error
    }
  }

  async *list(prefix = ''): AsyncGenerator<SummarizedRun[]> {
    this.#lifetime.assertOpen()
    const names = namesIn(this.#runsFolder)
    for (let first = 0; first < names.length; first += batchMax) {
      const found: SummarizedRun[] = []
      for (const name of names.slice(first, first + batchMax)) {
        const runId = decodeName(name)
        if (runId === null || !runId.startsWith(prefix)) continue
        const run = lookAt(join(this.#runsFolder, name), runId as RunId)
        if (run !== null) found.push(run)
      }
      yield found
      this.#lifetime.assertOpen()
    }
  }
}

/** `null`: no run. The summary first: if the log grows in between, it is the summary that seems old. */
function lookAt(folder: string, runId: RunId): SummarizedRun | null {
  const summary = readSummary(`${folder}/summary`)
  const bytes = sizeOf(`${folder}/log.jsonl`)
  if (bytes === 0) return null
  return { runId, summary: summary?.bytes === bytes ? summary.text : null }
}

function readSummary(path: string): { readonly bytes: number; readonly text: string } | null {
  const content = readSmall(path)
  const start = content.indexOf('\n') + 1
  if (start === 0 || start === content.length || !content.endsWith('\n')) return null
  return { bytes: Number(content.slice(0, start - 1)), text: content.slice(start, -1) }
}

/** `''` if there is no such file, it cannot be read, or is too large to be ours: then the log is read. */
function readSmall(path: string): string {
  try {
    const fd = openSync(path, 'r')
    try {
      const bytes = readSync(fd, scratch, 0, scratch.length, 0)
      return bytes > summaryBytesMax ? '' : scratch.toString('utf8', 0, bytes)
    } finally {
      closeSync(fd)
    }
  } catch {
    return ''
  }
}

/** Without a commit there is no run: a process may have died between making its folder and the first one. */
function sizeOf(path: string): number {
  try {
    return statSync(path, { throwIfNoEntry: false })?.size ?? 0
  } catch {
    return 0
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw fileFailure(error, 'Listing', folder)
  }
}
