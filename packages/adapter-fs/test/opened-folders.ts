import { afterEach } from 'vitest'
import { type FilesAdapter, openFiles } from '../src/index.js'

/** Opens folders as other processes would: nothing is known of them. Closes behind each test what it has opened. */
export function openedFolders(): (dir: string) => Promise<FilesAdapter> {
  const opened: FilesAdapter[] = []
  afterEach(async () => {
    for (const adapter of opened.splice(0)) await adapter.close()
  })
  return async (dir) => {
    const adapter = await openFiles({ dir })
    opened.push(adapter)
    return adapter
  }
}
