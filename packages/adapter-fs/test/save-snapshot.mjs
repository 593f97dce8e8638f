// Keeps a snapshot of three pieces for a run, and says when that has ended well. Used by tests that kill it on the way;
// with a number it does that itself, behind so many pieces.
import { openFiles } from '@reprise/adapter-fs'

const [dir = '', id = '', last = '-1'] = process.argv.slice(2)
const adapter = await openFiles({ dir })
async function* pieces() {
  for (const [at, piece] of ['new ', 'and ', 'whole', ''].entries()) {
    if (at === Number(last)) process.kill(process.pid, 'SIGKILL')
    yield piece
  }
}
await adapter.snapshots.save(/** @type {import('@reprise/core').RunId} */ (id), pieces())
console.log('saved')
await adapter.close()
