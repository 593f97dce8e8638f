import { openFiles } from '@reprise/adapter-fs'
import { defineTask, openRun, startWorker } from '@reprise/core'
import { z } from 'zod'

const count = defineTask('count', { input: z.string(), output: z.object({ lines: z.number() }) })

/** Makes a run in a folder, with an artifact per task, and ends it unless it is to stay open. */
export async function makeRun(
  dir: string,
  runId: string,
  { tasks = 3, end = 'complete' as 'complete' | 'fail' | 'no' } = {},
) {
  const adapter = await openFiles({ dir })
  const worker = await startWorker({
    adapter,
    handlers: [
      count.handle(async (name, task) => {
        await task.artifact('report.txt', Buffer.from(`counted ${name}`))
        return { lines: 3 }
      }),
    ],
  })
  const run = await openRun({ adapter, runId, goal: 'count every line', tasks: [count] })
  await run.dispatch(Array.from({ length: tasks }, (_, i) => count.task(`t${i + 1}`, `file ${i + 1}`)))
  let left = tasks
  for await (const result of run.results()) {
    await result.accept()
    if (--left === 0) break
  }
  if (end === 'complete') await run.complete('counted')
  if (end === 'fail') await run.fail('the numbers differ')
  await worker.close()
  await run.close()
  await adapter.close()
}
