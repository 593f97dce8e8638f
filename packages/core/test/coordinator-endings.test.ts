import { describe, expect, it } from 'vitest'
import { RepriseError } from '../src/protocol/errors.js'
import { follow, type Holding, RunStage, request } from './run-stage.js'

const lease = 'run/run-1'
const heldBy = (stage: RunStage) => stage.backend.leases.held.get(lease)?.holder.pid
const firstResult = ({ run }: Holding) => follow(run.results().next())

/** The first `times` calls of a method are never answered and never take effect. */
function swallow(stage: RunStage, method: string, times = 1): void {
  let left = times
  stage.intercept((call) => {
    if (left === 0 || call.phase !== 'before' || `${call.port}.${call.method}` !== method) return 'go'
    left--
    return new Promise(() => {})
  })
}

describe('an adapter that is closed under a run', () => {
  it('stops the run, and everybody who waits is told', async () => {
    const stage = new RunStage()
    const holding = await stage.open()
    const { run, adapter } = holding
    await stage.clock.run(run.dispatch(request('t1')))
    const stopped: string[] = []
    run.on('stopped', (error) => stopped.push(error.message))
    const result = firstResult(holding)
    await adapter.close()
    await stage.clock.settle()
    expect(run.signal.reason).toMatchObject({ code: 'CLOSED', message: expect.stringContaining('adapter was closed') })
    expect(stopped).toHaveLength(1)
    expect(result.error).toMatchObject({ code: 'CLOSED' })
    await stage.close(holding)
  })

  it('stops the run too if an append is the first to notice, also while attempts are overdue', async () => {
    const stage = new RunStage()
    const { runtime, adapter } = stage.process()
    let closed = false
    const log: typeof adapter.log = {
      ...adapter.log,
      append: async (...args) => {
        if (closed) throw new RepriseError('CLOSED', 'The log was closed.')
        return adapter.log.append(...args)
      },
    }
    const holding = await stage.open({ policy: { attemptTimeoutMs: 1_000 } }, { runtime, adapter: { ...adapter, log } })
    await stage.clock.run(holding.run.dispatch(request('t1')))
    const stopped: string[] = []
    holding.run.on('stopped', (error) => stopped.push(error.code))
    const result = firstResult(holding)
    closed = true
    await stage.clock.advance(3_000)
    expect(stopped).toEqual(['CLOSED'])
    expect(holding.run.signal.aborted).toBe(true)
    expect(result.error).toMatchObject({ code: 'CLOSED', message: 'The log was closed.' })
  })
})

describe('the lease of a run', () => {
  it('is renewed while a resume gate waits', async () => {
    const stage = new RunStage()
    const inbox = stage.hold('inbox.receive')
    const opening = follow(stage.opening({ policy: { leaseTtlMs: 1_000 }, resumeTimeoutMs: 60_000 }))
    await stage.clock.advance(30_000)
    await expect(stage.open()).rejects.toMatchObject({ code: 'RUN_HELD' })
    inbox.release()
    await stage.clock.runUntil(() => opening.settled)
    expect(opening.error).toBeUndefined()
  })

  it('is taken again when it was lost and the log says that the run was not', async () => {
    const stage = new RunStage()
    const holding = await stage.open({ policy: { leaseTtlMs: 1_000 } })
    stage.backend.leases.held.clear()
    await stage.clock.advance(1_000)
    expect(heldBy(stage)).toBe(holding.runtime.pid)
    await stage.clock.advance(10_000)
    await expect(stage.open()).rejects.toMatchObject({ code: 'RUN_HELD' })
    await stage.close(holding)
    expect(stage.backend.leases.held.size).toBe(0)
  })

  it('is renewed again after a renewal that was never answered', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ policy: { leaseTtlMs: 60_000 } })
    const failures: unknown[] = []
    run.on('transport-failed', (error) => failures.push(error))
    swallow(stage, 'leases.renew')
    await stage.clock.advance(120_000)
    expect(failures).toMatchObject([{ code: 'ADAPTER_UNAVAILABLE' }])
    await expect(stage.open()).rejects.toMatchObject({ code: 'RUN_HELD' })
  })
})

describe('what the queue has not got yet', () => {
  it('is offered before the run is let go', async () => {
    const stage = new RunStage()
    const holding = await stage.open()
    stage.spoil('queue.offer', 'fail', { times: 2 })
    await stage.clock.run(holding.run.dispatch(request('t1')))
    await stage.close(holding)
    expect(stage.queued).toEqual(['t1/1'])
  })

  it('is withdrawn before a run that has ended is let go', async () => {
    const stage = new RunStage()
    const holding = await stage.open()
    await stage.clock.run(holding.run.dispatch(request('t1')))
    stage.spoil('queue.withdraw', 'fail', { times: 2 })
    await stage.clock.run(holding.run.fail('no use'))
    await stage.close(holding)
    expect(stage.queued).toEqual([])
  })

  it('is left to the next coordinator when the queue stays away, and closing does not wait for ever', async () => {
    const stage = new RunStage()
    const holding = await stage.open()
    stage.spoil('queue.offer', 'fail', { times: 1_000 })
    await stage.clock.run(holding.run.dispatch(request('t1')))
    const startedAt = stage.clock.now()
    await stage.close(holding)
    expect(stage.clock.now() - startedAt).toBeLessThanOrEqual(10_000)
    expect(stage.backend.leases.held.size).toBe(0)
  })

  it.each(['offer', 'withdraw'])('is handed over again after a call without an answer: %s', async (method) => {
    const stage = new RunStage()
    const { run } = await stage.open()
    swallow(stage, `queue.${method}`)
    await stage.clock.run(run.dispatch(request('t1')))
    if (method === 'withdraw') await stage.clock.run(run.cancel('t1', 'not wanted'))
    await stage.clock.advance(40_000)
    expect(stage.queued).toEqual(method === 'offer' ? ['t1/1'] : [])
  })
})

describe('while a run closes', () => {
  it('a reader of results is told last, when the lease is free', async () => {
    const stage = new RunStage()
    const holding = await stage.open()
    await stage.clock.run(holding.run.dispatch(request('t1')))
    const result = firstResult(holding)
    const release = stage.hold('leases.release')
    const closing = follow(holding.run.close())
    await stage.clock.settle()
    expect([release.held, result.settled]).toEqual([1, false])
    release.release()
    await stage.clock.runUntil(() => closing.settled)
    expect(result.error).toMatchObject({ code: 'CLOSED' })
    expect(stage.backend.leases.held.size).toBe(0)
  })

  it('settling a result rejects with CLOSED, although nobody holds the lock any more', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.clock.run(run.dispatch(request('t1')))
    await stage.answer('t1')
    const { value } = await stage.clock.run(run.results().next())
    const append = stage.hold('log.append')
    const closing = follow(run.close())
    await stage.clock.settle()
    const accepted = follow(value!.accept())
    append.release()
    await stage.clock.runUntil(() => closing.settled && accepted.settled)
    expect(accepted.error).toMatchObject({ code: 'CLOSED' })
    await expect(value!.accept()).rejects.toMatchObject({ code: 'CLOSED' })
    expect(stage.of('task-accepted')).toEqual([])
  })
})
