import { createHash, randomBytes } from 'node:crypto'
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isAlive, ownIdentity, RepriseError } from '@reprise/core/adapter'
import { fileFailure } from './file-failure.js'
import { createFolder, syncFolder } from './sync-folder.js'

const keepForeignMs = 24 * 3600 * 1000

/** A file that is hashed while it is written, and gets its name only once it is whole and durable. */
export class IncomingFile {
  readonly #path: string
  readonly #file: FileHandle
  readonly #hash = createHash('sha256')
  #bytes = 0

  static async create(folder: string): Promise<IncomingFile> {
    const path = join(folder, newIncomingName())
    try {
      return new IncomingFile(path, await open(path, 'wx', 0o644))
    } catch (error) {
      throw fileFailure(error, 'Creating', path)
    }
  }

  private constructor(path: string, file: FileHandle) {
    this.#path = path
    this.#file = file
  }

  get bytes(): number {
    return this.#bytes
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#hash.update(chunk)
    this.#bytes += chunk.length
    try {
      for (let written = 0; written < chunk.length; ) {
        written += (await this.#file.write(chunk, written)).bytesWritten
      }
    } catch (error) {
      throw fileFailure(error, 'Writing', this.#path)
    }
  }

  /** The sha256 of what was written. Nothing can be written afterwards. */
  digest(): string {
    return this.#hash.digest('hex')
  }

  /**
   * Makes it durable under its final name. What has that name already is replaced: it should be the same, and if it
   * was damaged it is healed.
   */
  async moveTo(path: string): Promise<void> {
    try {
      await this.#file.chmod(0o444)
      await this.#file.sync()
      await this.#file.close()
      await createFolder(dirname(path))
      await rename(this.#path, path)
      await syncFolder(dirname(path))
    } catch (error) {
      await this.discard()
      throw error instanceof RepriseError ? error : fileFailure(error, 'Storing', path)
    }
  }

  async discard(): Promise<void> {
    await this.#file.close().catch(() => undefined)
    await rm(this.#path, { force: true }).catch(() => undefined)
  }
}

/** A name that no other process gives, and that tells which one gave it: see `clearAbandoned`. */
export const newIncomingName = (): string => `${ownMark()}-${randomBytes(12).toString('hex')}`

/** Deletes what processes that are gone have left unfinished. */
export async function clearAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const [scope, pid, startedAt] = name.split('-')
    const isOurs = scope === scopeMark()
    const path = join(folder, name)
    const abandoned = isOurs
      ? isAlive({ ...ownIdentity(), pid: Number(pid), startedAt: startedAt || null }) === 'gone'
      : Date.now() - ((await stat(path).catch(() => null))?.mtimeMs ?? Date.now()) > keepForeignMs
    if (abandoned) await rm(path, { force: true }).catch(() => undefined)
  }
}

const scopeMark = (): string => createHash('sha256').update(ownIdentity().scope).digest('hex').slice(0, 12)

const ownMark = (): string => `${scopeMark()}-${ownIdentity().pid}-${ownIdentity().startedAt ?? ''}`
