// The worker: `node worker.mjs FOLDER`. It knows nothing of patterns: it does one task after the other.
import { readFile } from 'node:fs/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { openFiles } from '@reprise/adapter-fs'
import { closeOnSignals, startWorker } from '@reprise/core'
import { countLines, countWords, linesIn, rankWords, searchHash, sha256Of, testPrime } from './tasks.mjs'

const [dir = '.'] = process.argv.slice(2)
const adapter = await openFiles({ dir })
const worker = await startWorker({
  adapter,
  concurrency: 8,
  handlers: [
    countLines.handle(({ paths }) => ({ lines: linesIn(paths) })),

    searchHash.handle(async ({ from, zeros }, { signal }) => {
      const wanted = '0'.repeat(zeros)
      for (let found = from; ; found++) {
        const sha256 = sha256Of(found)
        if (sha256.startsWith(wanted)) return { found, sha256 }
        if (found % 1_000 !== 0) continue
        // Another one was first: nobody wants this result any more.
        signal.throwIfAborted()
        await nextTurn()
      }
    }),

    countWords.handle(async ({ path }) => {
      /** @type {Map<string, number>} */
      const counts = new Map()
      for (const word of (await readFile(path, 'utf8')).toLowerCase().match(/[a-z]{4,}/g) ?? []) {
        counts.set(word, (counts.get(word) ?? 0) + 1)
      }
      return { counts: Object.fromEntries(counts) }
    }),

    rankWords.handle(({ counts }) => {
      const [[word, times] = ['', 0]] = Object.entries(counts).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
      return { word, times }
    }),

    testPrime.handle(({ n }) => {
      for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return { isPrime: false }
      return { isPrime: true }
    }),
  ],
})
worker.on('error', (error) => console.error(error))

closeOnSignals({
  async close() {
    await worker.close({ drainMs: 0 })
    await adapter.close()
  },
})
