import { describe, expect, it } from 'vitest'
import { follow, RunStage, request } from './run-stage.js'

describe('opening a run whose signal aborts', () => {
  it('ends with ABORTED although a gate waits, dispatches nothing and leaves the run to the next', async () => {
    const stage = new RunStage()
    const first = await stage.open({ policy: { inFlightMax: 1 } })
    await stage.clock.run(first.run.dispatch([request('t1'), request('t2')]))
    first.adapter.kill()
    const held = stage.hold('inbox.receive')
    const ending = new AbortController()
    const opening = follow(stage.opening({ signal: ending.signal, resumeTimeoutMs: 60_000 }))
    await stage.clock.advance(1_000)
    expect([held.held, opening.settled]).toEqual([1, false])
    const startedAt = stage.clock.now()
    ending.abort()
    await stage.clock.runUntil(() => opening.settled)
    expect(opening.error).toMatchObject({ code: 'ABORTED' })
    // Closing waits for an adapter that does not answer, but not for long.
    expect(stage.clock.now() - startedAt).toBeLessThanOrEqual(10_000)
    expect(stage.queued).toEqual(['t1/1'])
    expect(stage.backend.leases.held.size).toBe(0)
    held.release()
    const { run } = await stage.open()
    expect(run.status.counts).toMatchObject({ out: 1, planned: 1 })
  })
})
