// Appends records to a run until it holds `count` of them, each time at the head that it finds, and prints one line
// for each attempt: the index, and `ok` or the code it failed with. Used by tests that disturb it.
import { openFiles } from '@reprise/adapter-fs'
import { isRepriseError } from '@reprise/core/adapter'
import { encodeCommit, genesisHash } from '@reprise/core/testing'

const [dir = '', id = '', label = '', count, mode = 'go-on', bytes = '100'] = process.argv.slice(2)
const run = /** @type {import('@reprise/core').RunId} */ (id)
const adapter = await openFiles({ dir })

async function next() {
  let last = null
  for await (const texts of adapter.log.read(run)) last = texts.at(-1) ?? last
  const head = last === null ? { hash: genesisHash, commit: { index: -1 } } : JSON.parse(last)
  const index = head.commit.index + 1
  const event = JSON.stringify({ type: 'note-added', v: 1, data: { text: `${label} ${'x'.repeat(Number(bytes))}` } })
  const at = '2030-01-01T00:00:00.000Z'
  return encodeCommit({ index, version: index + 1, epoch: 0, at, actor: label, prev: head.hash }, [event])
}

/** @param {import('@reprise/core/adapter').CommitRecord} record */
async function appendOnce(record) {
  try {
    await adapter.log.append(run, record)
    console.log(`${record.index} ok ${record.hash}`)
    return 'ok'
  } catch (error) {
    const code = isRepriseError(error) ? error.code : String(error)
    console.log(`${record.index} ${code}`)
    return code
  }
}

if (mode === 'zombie') {
  // Decides what comes next, is stopped here, and appends when it is woken.
  const record = await next()
  await adapter.log.append(run, record)
  const following = await next()
  console.log('ready')
  process.kill(process.pid, 'SIGSTOP')
  await appendOnce(following)
} else {
  for (;;) {
    const record = await next()
    if (record.index >= Number(count)) break
    const outcome = await appendOnce(record)
    if (mode === 'stop-at-failure' && outcome !== 'ok') {
      // The same object must not go on as if nothing had been.
      await appendOnce(record)
      break
    }
    if (mode === 'try-again' && outcome === 'ADAPTER_UNAVAILABLE') {
      console.log('full')
      while ((await appendOnce(record)) !== 'ok') await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}
await adapter.close()
