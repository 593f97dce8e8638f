import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openRun, type Run } from '@reprise/core'
import { dataOf, openPlace, type Place, startEchoWorker, TestFolders } from '@reprise/test-fleet'
import { afterEach, describe, expect, it } from 'vitest'
import { backends, type Stage, useBackend } from './backends.js'
import { expectWhole } from './whole-run.js'

const runId = 'stopped-worker'
/** Longer than this machine may stand still: a claim that runs out elsewhere makes a second late receipt. Milliseconds. */
const claimTtlMs = 5_000
const folders = new TestFolders()
afterEach(() => folders.removeAll())

/** A run with one task, held by this process, and a worker in another process that has begun it. */
async function begin(stage: Stage, place: Place, kind: string, input: object) {
  const zombie = stage.fleet.start('worker', { place, claimTtlMs })
  await zombie.line('working')
  const adapter = await openPlace(place)
  const run = await openRun({ adapter, runId, goal: 'one acceptance' })
  const tasks = [{ taskId: 'slow', kind, input: { ...input } }]
  await run.dispatch(tasks)
  await zombie.line('holding')
  return { run, adapter, tasks, zombie }
}

/** Another worker, in this process, does what the first one has begun and does not end. */
async function doneByAnother(place: Place, run: Run, kind: string): Promise<void> {
  const worker = await startEchoWorker(place, [kind], { claimTtlMs })
  for await (const result of run.results()) await result.accept()
  await worker.close()
}

describe.each(backends)('a worker over $name that stands still past its claim', (backend) => {
  const stage = useBackend(backend)

  it.each(['freeze', 'block'])(
    'changes nothing by its late receipt (%s)',
    async (kind) => {
      const place = stage.newPlace()
      const until = join(await folders.make(), 'until')
      const { run, adapter, tasks, zombie } = await begin(stage, place, kind, { until })
      await doneByAnother(place, run, kind)

      const rejected = new Promise((resolve) => run.once('receipt-rejected', resolve))
      await writeFile(until, '')
      zombie.signal('SIGCONT')
      await zombie.line('receipt')
      await rejected
      await run.complete('done')
      await adapter.close()
      const facts = await expectWhole(place, runId, tasks)
      expect(dataOf(facts, 'receipt-rejected')).toMatchObject([{ gate: 'current-attempt', taskId: 'slow', attempt: 1 }])
    },
    60_000,
  )

  it('tells the handler of a worker that was stopped that its claim is lost', async () => {
    const place = stage.newPlace()
    const { run, adapter, tasks, zombie } = await begin(stage, place, 'hold', {})
    zombie.signal('SIGSTOP')
    await doneByAnother(place, run, 'hold')
    zombie.signal('SIGCONT')
    expect((await zombie.line('aborted')).aborted).toBe('CLAIM_LOST')
    expect(zombie.said('receipt')).toEqual([])
    await run.complete('done')
    await adapter.close()
    await expectWhole(place, runId, tasks)
  }, 60_000)
})
