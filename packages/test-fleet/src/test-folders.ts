import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Folders of one test file, to be removed after each test. */
export class TestFolders {
  readonly #folders: string[] = []

  async make(): Promise<string> {
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'reprise-process-')))
    this.#folders.push(folder)
    return folder
  }

  async removeAll(): Promise<void> {
    await Promise.all(this.#folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })))
  }
}
