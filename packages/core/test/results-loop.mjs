// A coordinator as a reader of the manual writes it: nothing is caught.
import { closeOnSignals, openRun, readCommits } from '@reprise/core'
import { MemoryBackend, memoryAdapter } from '@reprise/core/testing'

const backend = new MemoryBackend()
const adapter = memoryAdapter({ backend })
const run = await openRun({ adapter, runId: 'run-1', goal: 'count every line' })
/** @param {string} word */
const is = (word) => process.argv.includes(word)
closeOnSignals(
  {
    close: async () => {
      if (is('hangs')) await new Promise(() => {})
      await run.close()
      await adapter.close()
      const log = memoryAdapter({ backend }).log
      for await (const { events } of readCommits(log, run.id)) {
        for (const { type } of events) if (type === 'lock-released') console.log('let go')
      }
    },
  },
  { uncaught: !is('as-node-does') },
)
await run.dispatch({ taskId: 't1', kind: 'count', input: null })
if (is('with-bug')) run.signal.addEventListener('abort', () => Promise.reject(new Error('a bug')))
console.log('waiting')
if (is('throws'))
  setImmediate(() => {
    throw new Error('nobody caught this: first')
  })
if (is('rejects')) for (const nth of ['first', 'second']) void Promise.reject(new Error(`nobody caught this: ${nth}`))
for await (const result of run.results()) await result.accept()
