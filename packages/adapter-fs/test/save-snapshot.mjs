// Keeps a snapshot of three pieces for a run, and says when that has ended well. Used by tests that kill it on the way.
import { openFiles } from '@reprise/adapter-fs'

const [dir = '', id = ''] = process.argv.slice(2)
const adapter = await openFiles({ dir })
async function* pieces() {
  yield* ['new ', 'and ', 'whole']
}
await adapter.snapshots.save(/** @type {import('@reprise/core').RunId} */ (id), pieces())
console.log('saved')
await adapter.close()
