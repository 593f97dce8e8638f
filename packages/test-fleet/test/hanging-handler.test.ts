import { acceptedTasks, dataOf, finishRun, logFacts, startEchoWorker } from '@reprise/test-fleet'
import { describe, expect, it } from 'vitest'
import { anyPlace } from './any-place.js'

const runId = 'hanging-handler'
/** Nothing that this test waits for comes from a claim that ran out. Milliseconds. */
const claimTtlMs = 3_600_000

describe.each(anyPlace)('a worker over $name whose handler hangs', ({ use }) => {
  const stage = use()

  it('ends with 0 when it gets SIGTERM, after its time to drain, and another worker gets the attempt', async () => {
    const place = await stage.newPlace()
    const tasks = [{ taskId: 'slow', kind: 'ignore', input: null }]
    const finished = finishRun({ place, run: { runId, goal: 'wait for nobody' }, tasks })
    const hanging = stage.fleet.start('worker', { place, claimTtlMs, drainMs: 100 })
    await Promise.all([hanging.line('holding'), hanging.line('working')])
    hanging.signal('SIGTERM')
    expect(await hanging.end()).toBe(0)
    expect([hanging.errors, hanging.said('receipt')]).toEqual(['', []])
    const other = await startEchoWorker(place, ['ignore'])
    await finished
    await other.close()
    const facts = await logFacts(place, runId)
    expect(acceptedTasks(facts)).toEqual(['slow'])
    expect(dataOf(facts, 'dispatched').map(({ attempt }) => attempt)).toEqual([1])
  }, 60_000)
})
