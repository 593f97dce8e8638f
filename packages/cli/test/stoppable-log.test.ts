import { memoryAdapter } from '@reprise/core/testing'
import { expect, it } from 'vitest'
import { stoppableLog } from '../src/stoppable-log.js'
import { appendLines, goldenId, goldenLines } from './golden-run.js'

it('reads what the log holds, and no more once the signal has aborted', async () => {
  const { log } = memoryAdapter()
  await appendLines({ log }, goldenLines())
  const stop = new AbortController()
  const stoppable = stoppableLog(log, stop.signal)
  const lines: string[] = []
  for await (const batch of stoppable.read(goldenId)) lines.push(...batch)
  expect(lines).toEqual(goldenLines())
  expect(await stoppable.head(goldenId)).toEqual(await log.head(goldenId))
  stop.abort()
  await expect(stoppable.read(goldenId)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
    code: 'ABORTED',
    details: { runId: goldenId },
  })
})
