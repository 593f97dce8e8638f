import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type RunHistory, type RunId, snapshotWithoutLog } from '@reprise/core/adapter'
import { fileFailure, systemCode } from './file-failure.js'
import type { FilesLog } from './files-log.js'
import type { Lifetime } from './lifetime.js'
import { loadMarked, saveMarked } from './marked-snapshot.js'

/** Earlier states of each run in `<dir>/runs/<run>/history/<version>`, written as snapshots are. */
export class FilesHistory implements RunHistory {
  readonly #log: FilesLog
  readonly #lifetime: Lifetime

  constructor(log: FilesLog, lifetime: Lifetime) {
    this.#log = log
    this.#lifetime = lifetime
  }

  async versions(runId: RunId): Promise<readonly number[]> {
    this.#lifetime.assertOpen()
    const folder = this.#folderOf(runId)
    try {
      const names = await readdir(folder)
      return names
        .filter((name) => /^[1-9]\d{0,15}$/.test(name))
        .map(Number)
        .sort((a, b) => a - b)
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return []
      throw fileFailure(error, 'Listing', folder)
    }
  }

  async *load(runId: RunId, version: number): AsyncGenerator<string> {
    this.#lifetime.assertOpen()
    const path = this.#pathOf(runId, version)
    yield* loadMarked(path, this.#lifetime, (position) => this.#log.suggest(runId, position))
  }

  async keep(
    runId: RunId,
    { commits, version }: { readonly commits: number; readonly version: number },
    pieces: AsyncIterable<string>,
  ): Promise<void> {
    this.#lifetime.assertOpen()
    const folder = this.#log.folderOf(runId)
    await this.#make(runId)
    const mark = this.#log.markBefore(runId, commits - 1)
    await saveMarked({ runId, folder, path: this.#pathOf(runId, version), mark }, pieces, this.#lifetime)
  }

  /** Not with the folder of the run: one that was removed meanwhile must not come back. */
  async #make(runId: RunId): Promise<void> {
    const folder = this.#folderOf(runId)
    try {
      await mkdir(folder)
    } catch (error) {
      if (systemCode(error) === 'ENOENT') throw snapshotWithoutLog(runId)
      if (systemCode(error) !== 'EEXIST') throw fileFailure(error, 'Making', folder)
    }
  }

  #folderOf(runId: RunId): string {
    return join(this.#log.folderOf(runId), 'history')
  }

  #pathOf(runId: RunId, version: number): string {
    return join(this.#folderOf(runId), String(version))
  }
}
