// A worker: `node worker.mjs FOLDER`. It works while no coordinator is there as well, and changes nothing in the run itself.
import { join } from 'node:path'
import { openFiles } from '@reprise/adapter-fs'
import { closeOnSignals, startWorker } from '@reprise/core'
import { listMarkdown, readMarkdown } from './documents.mjs'
import { listDocuments, readDocument, writeIndex } from './tasks.mjs'

const [dir = '.'] = process.argv.slice(2)
const adapter = await openFiles({ dir: join(dir, 'reprise') })

const worker = await startWorker({
  adapter,
  concurrency: 4,
  handlers: [
    listDocuments.handle(({ root }) => ({ paths: listMarkdown(root) })),

    readDocument.handle(({ root, path }) => readMarkdown(root, path)),

    writeIndex.handle(async ({ documents }, task) => {
      const lines = documents.map(({ path, title, lines }) => `- [${title}](${path}), ${lines} lines`)
      const text = `# Index\n\n${lines.join('\n')}\n`
      const { sha256 } = await task.artifact('index.md', text, { mediaType: 'text/markdown' })
      return { documents: documents.length, sha256 }
    }),
  ],
})
worker.on('error', (error) => console.error(error))
console.log(`worker ${worker.id}`)

closeOnSignals({
  async close() {
    await worker.close({ drainMs: 1_000 })
    await adapter.close()
  },
})
