// The worker: `node worker.mjs FOLDER ROOT`. It lists and counts what is under ROOT.
import { existsSync, readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openFiles } from '@reprise/adapter-fs'
import { closeOnSignals, startWorker } from '@reprise/core'
import { check, count, list, slowFolder } from './tasks.mjs'
import { thinkingMark } from './work-folder.mjs'

const [dir = '.', root = '.'] = process.argv.slice(2)
const adapter = await openFiles({ dir })
const worker = await startWorker({
  adapter,
  concurrency: 4,
  handlers: [
    list.handle(async ({ folder }, task) => {
      // Only here, to show what then happens: this list comes back while a coordinator is deciding.
      while (folder === slowFolder && !existsSync(thinkingMark(dir))) await sleep(20, null, { signal: task.signal })
      return { documents: documentsIn(folder) }
    }),
    count.handle(async ({ path }) => {
      return { words: (await readFile(join(root, path), 'utf8')).split(/\s+/).filter(Boolean).length }
    }),
    check.handle(async ({ path }) => {
      return { words: [...(await readFile(join(root, path), 'utf8')).matchAll(/\S+/g)].length }
    }),
  ],
})
worker.on('error', (error) => console.error(error))
closeOnSignals({
  async close() {
    await worker.close()
    await adapter.close()
  },
})

/** @param {string} folder */
function documentsIn(folder) {
  const parts = folder.endsWith('/*')
    ? namesIn(folder.slice(0, -2)).map((name) => `${folder.slice(0, -1)}${name}`)
    : [folder]
  return parts.flatMap((part) => {
    const names = namesIn(part).filter((name) => name.endsWith('.md'))
    return names.map((name) => (part === '.' ? name : `${part}/${name}`))
  })
}

/** @param {string} folder */
function namesIn(folder) {
  try {
    return readdirSync(join(root, folder)).sort()
  } catch {
    // Not a folder, or not there: nothing to count.
    return []
  }
}
