import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileFailure, systemCode } from './file-failure.js'
import { clearAbandoned, newIncomingName } from './incoming-file.js'

/** A snapshot that is being written: it gets its name, and replaces the one before it, once it is whole. */
export class SnapshotFile {
  readonly #path: string
  readonly #file: FileHandle

  /** In the folder of a run; `null` if that has no log. What killed writers have left there is deleted. */
  static async create(runFolder: string): Promise<SnapshotFile | null> {
    const folder = join(runFolder, 'incoming')
    const path = join(folder, newIncomingName())
    try {
      // A folder without a commit is no run.
      if ((await stat(join(runFolder, 'log.jsonl'))).size === 0) return null
      await makeIn(folder)
      await clearAbandoned(folder)
      return new SnapshotFile(path, await open(path, 'wx'))
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return null
      throw fileFailure(error, 'Creating', path)
    }
  }

  private constructor(path: string, file: FileHandle) {
    this.#path = path
    this.#file = file
  }

  async write(text: string): Promise<void> {
    try {
      await this.#file.writeFile(text)
    } catch (error) {
      throw fileFailure(error, 'Writing', this.#path)
    }
  }

  /** `false` if the run was removed meanwhile: then the file went with it. */
  async moveTo(path: string): Promise<boolean> {
    try {
      await this.#file.close()
      await rename(this.#path, path)
      return true
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return false
      throw fileFailure(error, 'Replacing', path)
    }
  }

  async discard(): Promise<void> {
    await this.#file.close().catch(() => undefined)
    await rm(this.#path, { force: true }).catch(() => undefined)
  }
}

/** Not the folder of the run: one that was removed meanwhile must not come back. */
async function makeIn(folder: string): Promise<void> {
  try {
    await mkdir(folder)
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
  }
}
