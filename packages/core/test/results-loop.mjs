// A coordinator as a reader of the manual writes it: nothing is caught.
import { closeOnSignals, openRun } from '@reprise/core'
import { memoryAdapter } from '@reprise/core/testing'

const adapter = memoryAdapter()
const run = await openRun({ adapter, runId: 'run-1', goal: 'count every line' })
closeOnSignals({
  close: async () => {
    await run.close()
    await adapter.close()
  },
})
await run.dispatch({ taskId: 't1', kind: 'count', input: null })
if (process.argv.includes('with-bug')) run.signal.addEventListener('abort', () => Promise.reject(new Error('a bug')))
console.log('waiting')
for await (const result of run.results()) await result.accept()
