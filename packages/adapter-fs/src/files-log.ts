import { randomBytes } from 'node:crypto'
import { readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  type CommitLog,
  type CommitRecord,
  checkRecord,
  checkRemovable,
  type LogHead,
  RepriseError,
  type RunId,
  type StoredPiece,
} from '@reprise/core/adapter'
import { fileFailure, systemCode } from './file-failure.js'
import { decodeName, encodeName } from './file-names.js'
import type { Lifetime } from './lifetime.js'
import { type LogPosition, LogReader } from './log-reader.js'
import { RunLog } from './run-log.js'
import { storedLines } from './stored-lines.js'
import { createFolder, syncFolder } from './sync-folder.js'
import { watchLog } from './watch-log.js'

/** Runs whose files may stay open, so that a process with many runs does not run out of descriptors. */
const openRunsMax = 64
/** Of a long log that is read, the last positions that were passed. */
const positionsKept = 8
/** Runs whose position is remembered, so that opening them again does not read them from the start. */
const knownRunsMax = 4096

/** The log of each run in `<dir>/runs/<run>/log.jsonl`. */
export class FilesLog implements CommitLog {
  readonly #runsFolder: string
  readonly #removedFolder: string
  readonly #lifetime: Lifetime
  /** Least recently used first. */
  readonly #runs = new Map<RunId, RunLog>()
  readonly #positions = new Map<RunId, LogPosition>()

  constructor(dir: string, lifetime: Lifetime) {
    this.#runsFolder = join(dir, 'runs')
    this.#removedFolder = join(dir, 'removed')
    this.#lifetime = lifetime
  }

  async append(runId: RunId, record: CommitRecord): Promise<void> {
    this.#lifetime.assertOpen()
    checkRecord(runId, record)
    try {
      await this.#run(runId).append(record)
    } finally {
      this.#closeOldest()
    }
  }

  async head(runId: RunId): Promise<LogHead | null> {
    this.#lifetime.assertOpen()
    try {
      return await this.#run(runId).head()
    } finally {
      this.#closeOldest()
    }
  }

  async *read(runId: RunId, fromIndex = 0): AsyncGenerator<string[]> {
    this.#lifetime.assertOpen()
    const run = this.#run(runId)
    const hadFailed = run.failed
    const start = await run.startFor(fromIndex)
    const reader = await LogReader.open(run.path, runId, start)
    if (reader === null) return
    const passed: LogPosition[] = []
    let ahead: Promise<string[] | null> | null = null
    try {
      const { size } = await reader.look()
      // The disk reads the next piece while the caller works on this one.
      const readAhead = () => {
        const next = reader.bytesRead < size ? reader.next() : null
        next?.catch(() => undefined) // Told when its turn comes, if it comes.
        return next
      }
      for (ahead = readAhead(); ahead !== null; ) {
        const texts = await ahead
        this.#lifetime.assertOpen()
        if (texts === null) break
        const first = reader.position.count - texts.length
        run.passing = passed.at(-1) ?? start
        passed.push(reader.position)
        if (passed.length > 2 * positionsKept) passed.splice(0, positionsKept)
        ahead = readAhead()
        const wanted = texts.slice(Math.max(0, fromIndex - first))
        if (wanted.length > 0) yield wanted
      }
      await run.learn(reader.position, hadFailed, passed)
    } finally {
      await ahead?.catch(() => undefined)
      await reader.close()
    }
  }

  async *watch(runId: RunId, fromIndex: number, signal: AbortSignal): AsyncGenerator<string[]> {
    this.#lifetime.assertOpen()
    const run = this.#run(runId)
    const start = await run.startFor(fromIndex)
    let index = start.count
    for await (const texts of watchLog(run.path, runId, AbortSignal.any([signal, this.#lifetime.ended]), start)) {
      const wanted = texts.slice(Math.max(0, fromIndex - index))
      index += texts.length
      if (wanted.length > 0) yield wanted
    }
  }

  async *list(prefix = ''): AsyncGenerator<RunId> {
    this.#lifetime.assertOpen()
    for (const name of await this.#names()) {
      const runId = decodeName(name)
      if (runId === null || !runId.startsWith(prefix)) continue
      // A process that died between making the folder and its first commit leaves no run behind.
      const file = await stat(join(this.#runsFolder, name, 'log.jsonl')).catch(() => null)
      this.#lifetime.assertOpen()
      if (file !== null && file.size > 0) yield runId as RunId
    }
  }

  async remove(runId: RunId): Promise<void> {
    this.#lifetime.assertOpen()
    const run = this.#run(runId)
    await run.inTurn(async () => {
      checkRemovable(runId, await readLast(run.path, runId))
      run.close()
      await this.#removeFolder(dirname(run.path))
    })
  }

  async *stored(runId: RunId): AsyncGenerator<StoredPiece> {
    this.#lifetime.assertOpen()
    for await (const piece of storedLines(this.#path(runId))) {
      yield piece
      this.#lifetime.assertOpen()
    }
  }

  /** The folder of a run, which its log is in. */
  folderOf(runId: RunId): string {
    return dirname(this.#path(runId))
  }

  /** Bytes of the log, if it ends with that commit; else `null`. */
  async bytesUpTo(runId: RunId, { index, hash }: LogHead): Promise<number | null> {
    await this.head(runId)
    const { count, headHash, end } = this.#run(runId).position
    return count === index + 1 && headHash === hash ? end : null
  }

  /** Some position a little behind the head, for a later process: see `suggest`. */
  markOf(runId: RunId): LogPosition | null {
    return this.#run(runId).mark
  }

  /** The nearest position that is known and not behind this commit; `null` if none is. */
  markBefore(runId: RunId, index: number): LogPosition | null {
    return this.#run(runId).markBefore(index)
  }

  /** How far some process knew the log: reading its end begins there, if what is there is still the same. */
  suggest(runId: RunId, position: LogPosition): void {
    this.#run(runId).suggest(position)
  }

  /** Waits for appends in progress, then gives the descriptors back. After the lifetime has ended. */
  async close(): Promise<void> {
    await Promise.all([...this.#runs.values()].map((run) => run.end()))
  }

  #run(runId: RunId): RunLog {
    const known = this.#runs.get(runId)
    // Seldom changes the order: most processes have one run.
    if (known !== undefined && this.#runs.size === 1) return known
    const run = known ?? new RunLog(this.#path(runId), runId, this.#lifetime, this.#positions.get(runId))
    this.#runs.delete(runId)
    this.#runs.set(runId, run)
    return run
  }

  #closeOldest(): void {
    if (this.#runs.size <= openRunsMax) return
    for (const [runId, run] of this.#runs) {
      if (this.#runs.size <= openRunsMax) return
      if (!run.idle) continue
      run.close()
      this.#runs.delete(runId)
      this.#positions.delete(runId)
      this.#positions.set(runId, run.position)
      for (const oldest of this.#positions.keys()) {
        if (this.#positions.size <= knownRunsMax) break
        this.#positions.delete(oldest)
      }
    }
  }

  #path(runId: RunId): string {
    const name = encodeName(runId)
    if (decodeName(name) === runId) return join(this.#runsFolder, name, 'log.jsonl')
    throw new RepriseError(
      'INVALID_ID',
      `The run id ${JSON.stringify(runId.slice(0, 64))} is empty or too long for a file name. Use 1 to 128 of A-Z a-z 0-9 . _ : @ -`,
    )
  }

  async #names(): Promise<string[]> {
    try {
      return await readdir(this.#runsFolder)
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return []
      throw fileFailure(error, 'Listing', this.#runsFolder)
    }
  }

  /** Out of sight at once, then deleted: nobody ever sees half a run. */
  async #removeFolder(folder: string): Promise<void> {
    try {
      await createFolder(this.#removedFolder)
      await rename(folder, join(this.#removedFolder, randomBytes(8).toString('hex')))
      await syncFolder(this.#runsFolder)
      // What an earlier removal was not given the time to delete goes as well.
      for (const name of await readdir(this.#removedFolder)) {
        await rm(join(this.#removedFolder, name), { recursive: true, force: true })
      }
    } catch (error) {
      throw fileFailure(error, 'Removing', folder)
    }
  }
}

async function readLast(path: string, runId: RunId): Promise<string | null> {
  const reader = await LogReader.open(path, runId)
  if (reader === null) return null
  try {
    let last: string | null = null
    for (let texts = await reader.next(); texts !== null; texts = await reader.next()) last = texts.at(-1) ?? last
    return last
  } finally {
    await reader.close()
  }
}
