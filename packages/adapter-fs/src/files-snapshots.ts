import { join } from 'node:path'
import type { RunId, SnapshotStore } from '@reprise/core/adapter'
import type { FilesLog } from './files-log.js'
import type { Lifetime } from './lifetime.js'
import { loadMarked, saveMarked } from './marked-snapshot.js'

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
    yield* loadMarked(this.#pathOf(runId), this.#lifetime, (position) => this.#log.suggest(runId, position))
  }

  async save(runId: RunId, pieces: AsyncIterable<string>): Promise<void> {
    this.#lifetime.assertOpen()
    const folder = this.#log.folderOf(runId)
    const place = { runId, folder, path: this.#pathOf(runId), mark: this.#log.markOf(runId) }
    await saveMarked(place, pieces, this.#lifetime)
  }

  #pathOf(runId: RunId): string {
    return join(this.#log.folderOf(runId), 'snapshot')
  }
}
