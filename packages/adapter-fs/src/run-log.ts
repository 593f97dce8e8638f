import { dirname } from 'node:path'
import { type CommitRecord, type LogHead, RepriseError, type RunId, versionConflict } from '@reprise/core/adapter'
import { AppendFile } from './append-file.js'
import { fileFailure } from './file-failure.js'
import { holdsHead, renewTail } from './known-tail.js'
import type { Lifetime } from './lifetime.js'
import { damagedLine, hashOf, type LogPosition, LogReader, logStart } from './log-reader.js'
import { selectCommits } from './select-commits.js'
import { createFolder, syncFolder } from './sync-folder.js'

/** Hashes of the newest commits that are kept, to recognise a record that is appended again. */
const recentMax = 64

/** Bytes between two positions that are remembered, and how many of these are: reading the end of a log begins there. */
const markEveryBytes = 1024 * 1024
const marksMax = 4

/** The log of one run as this process knows it. What is done with it is done one after the other. */
export class RunLog {
  readonly path: string
  readonly #runId: RunId
  readonly #lifetime: Lifetime
  #position: LogPosition = logStart
  /** Hashes of the last commits before the position. */
  #recent: string[] = []
  /** Some earlier positions, oldest first. */
  #marks: LogPosition[] = []
  /** How far some process knew the log, as it was said last: that may be far before everything else that is known. */
  #suggested: LogPosition = logStart
  /** Where the piece begins that a reader was given last. */
  passing: LogPosition = logStart
  #file: AppendFile | null = null
  #turn: Promise<unknown> = Promise.resolve()
  #waiting = 0

  /** `position`: how far the log was known when this process last had it open. It is checked before use. */
  constructor(path: string, runId: RunId, lifetime: Lifetime, position: LogPosition = logStart) {
    this.path = path
    this.#runId = runId
    this.#lifetime = lifetime
    this.#setPosition(position)
  }

  get position(): LogPosition {
    return this.#position
  }

  /** A little behind the head, so that what was read lately can be read again from there; `null` if nothing is known. */
  get mark(): LogPosition | null {
    return this.#marks[0] ?? null
  }

  /** The nearest position that is known and not behind this commit; `null` if none is. */
  markBefore(index: number): LogPosition | null {
    return this.#nearest(index, [this.passing, ...this.#marks])
  }

  /** `position`: how far the log was known to some process. It is checked before use. */
  suggest(position: LogPosition): void {
    this.#suggested = position
    if (this.#position.count === 0) this.#setPosition(position)
  }

  /** From where to read so that the commit `index` is not missed. */
  async startFor(index: number): Promise<LogPosition> {
    const nearest = this.#nearest(index, [this.#suggested, this.#position, ...this.#marks])
    return nearest !== null && !this.failed && (await holdsHead(this.path, nearest)) ? nearest : logStart
  }

  /** Nobody is using it, and it may be closed without forgetting a failure. */
  get idle(): boolean {
    return this.#waiting === 0 && !this.failed
  }

  /** A sync has failed: nothing is appended until the log has been read anew, from its start. */
  get failed(): boolean {
    return this.#file?.failed === true
  }

  append(record: CommitRecord): Promise<void> {
    return this.inTurn(async () => {
      let file = this.#file ?? (await this.#open())
      if (record.index !== this.#position.count) file = await this.#refresh(file)
      if (record.index === this.#position.count) this.#appendNext(file, record)
      const hash = this.#recentHashAt(record.index) ?? (await this.#readHashAt(record.index))
      if (hash !== record.hash) throw versionConflict(this.#runId, record.index, this.#position.count)
      await file.sync()
    })
  }

  head(): Promise<LogHead | null> {
    return this.inTurn(async () => {
      if (this.#file === null || this.#file.isDeleted()) await this.#catchUp()
      else this.#take(this.#file.readNew())
      const { count, headHash } = this.#position
      return count === 0 ? null : { index: count - 1, hash: headHash }
    })
  }

  /**
   * Takes over what a reader found out, so that the next append does not read the file again. `anew`: it read from
   * the start, after the sync had failed. `passed`: positions that it passed, oldest first.
   */
  learn(position: LogPosition, anew: boolean, passed: readonly LogPosition[]): Promise<void> {
    return this.inTurn(async () => {
      if (anew) this.close()
      if (this.#file !== null) return
      const earlier = this.#marks.filter(({ end }) => end < (passed[0]?.end ?? position.end))
      this.#setPosition(position)
      this.#marks = [...earlier, ...passed].slice(-marksMax)
    })
  }

  /** Runs `work` when everything that was begun before has ended. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#waiting++
    const result = this.#turn
      .then(() => {
        this.#lifetime.assertOpen()
        return work()
      })
      .finally(() => {
        this.#waiting--
      })
    this.#turn = result.catch(() => undefined)
    return result
  }

  /** Gives the descriptor back. The next append opens the file again. */
  close(): void {
    this.#file?.close()
    this.#file = null
  }

  /** Closes when what was begun has ended. */
  async end(): Promise<void> {
    await this.#turn
    this.close()
  }

  /** The first intact line for an index is its commit: whose line that is shows only once ours is written. */
  #appendNext(file: AppendFile, record: CommitRecord): void {
    try {
      const landed = file.appendAndReadBack([record.text])
      if (file.deleted) throw this.#deleted()
      if (landed.length === 1 && landed[0] === record.text) this.#advance([record.hash])
      else this.#take(landed)
    } catch (error) {
      // Whatever went wrong, the next append looks at the file anew; a failed sync is not forgotten by this.
      if (!file.failed) this.close()
      throw error
    }
  }

  async #refresh(file: AppendFile): Promise<AppendFile> {
    if (file.isDeleted()) return await this.#open()
    this.#take(file.readNew())
    return file
  }

  async #open(): Promise<AppendFile> {
    this.close()
    const folder = dirname(this.path)
    await createFolder(folder)
    await this.#catchUp()
    const file = this.#openFile()
    try {
      if (this.#position.count > 0) await renewTail(this.path, this.#position)
      // Whoever created the file may have died before its name was durable.
      await Promise.all([syncFolder(folder), syncFolder(dirname(folder))])
    } catch (error) {
      file.close()
      throw error
    }
    this.#file = file
    // Also tells whether the file ends in a torn line, behind which a new line must begin.
    this.#take(file.readNew())
    return file
  }

  #openFile(): AppendFile {
    try {
      return AppendFile.open(this.path, { create: true, from: this.#position.end })
    } catch (error) {
      throw fileFailure(error, 'Opening the log', this.path)
    }
  }

  async #catchUp(): Promise<void> {
    const from = this.#position
    const isSame = from.count > 0 && (await holdsHead(this.path, from))
    const reader = await LogReader.open(this.path, this.#runId, isSame ? from : logStart)
    if (reader === null) return this.#setPosition(logStart)
    try {
      while ((await reader.next()) !== null);
      this.#setPosition(reader.position)
    } finally {
      await reader.close()
    }
  }

  #setPosition(position: LogPosition): void {
    this.#position = position
    this.#marks = position.count === 0 ? [] : [position]
    this.#recent = position.count === 0 ? [] : [position.headHash]
  }

  /** Lines that the open file gave. If they are damaged, the whole file is read again the next time. */
  #take(lines: string[]): void {
    if (lines.length === 0) return
    const { texts, damage } = selectCommits(lines, this.#position.count)
    if (damage === null) {
      this.#advance(texts.map(hashOf))
      return
    }
    const before = lines.slice(0, damage.line).reduce((bytes, text) => bytes + Buffer.byteLength(text) + 1, 0)
    const { count, end } = this.#position
    this.close()
    this.#setPosition(logStart)
    throw damagedLine(this.#runId, end + before, count + texts.length, damage.why)
  }

  #advance(hashes: readonly string[]): void {
    this.#recent.push(...hashes)
    if (this.#recent.length > 2 * recentMax) this.#recent.splice(0, this.#recent.length - recentMax)
    const { count, end } = this.#position
    this.#position = {
      count: count + hashes.length,
      headHash: this.#recent.at(-1) ?? '',
      end: this.#file?.end ?? end,
    }
    if (this.#position.end - (this.#marks.at(-1)?.end ?? 0) < markEveryBytes) return
    this.#marks.push(this.#position)
    if (this.#marks.length > marksMax) this.#marks.shift()
  }

  #nearest(index: number, known: readonly LogPosition[]): LogPosition | null {
    const before = known.filter(({ count }) => count > 0 && count <= index)
    return before.reduce<LogPosition | null>((best, each) => (each.count > (best?.count ?? 0) ? each : best), null)
  }

  #recentHashAt(index: number): string | undefined {
    return this.#recent[index - (this.#position.count - this.#recent.length)]
  }

  async #readHashAt(index: number): Promise<string | null> {
    if (index >= this.#position.count) return null
    const reader = await LogReader.open(this.path, this.#runId)
    if (reader === null) return null
    try {
      for (;;) {
        const first = reader.position.count
        const texts = await reader.next()
        if (texts === null) return null
        const text = texts[index - first]
        if (text !== undefined) return hashOf(text)
      }
    } finally {
      await reader.close()
    }
  }

  #deleted(): RepriseError {
    return new RepriseError(
      'ADAPTER_UNAVAILABLE',
      `The log of run ${this.#runId} was deleted while it was open. Find out who deletes files in this folder.`,
      { details: { runId: this.#runId, path: this.path } },
    )
  }
}
