import { describe, expect, it } from 'vitest'
import { RepriseError } from '../src/protocol/errors.js'
import type { Offer } from '../src/protocol/task.js'
import { isoTime } from '../src/protocol/time.js'
import { follow, RunStage, request, requests } from './run-stage.js'

describe('delivery', () => {
  it('is tried again, for as long as it takes, when the queue fails', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const failures: unknown[] = []
    run.on('transport-failed', (error) => failures.push(error))
    stage.spoil('queue.offer', 'fail', { times: 12 })
    await stage.clock.run(run.dispatch(request('t1')))
    await stage.clock.runUntil(() => stage.queued.length === 1, 120_000)
    expect(failures).toHaveLength(12)
    expect(failures[0]).toMatchObject({ code: 'ADAPTER_UNAVAILABLE' })
    expect(run.signal.aborted).toBe(false)
  })

  it('goes on past an attempt that the queue will never take, which is reported and left to its deadline', async () => {
    const stage = new RunStage()
    const { run, adapter } = await stage.open()
    const failures: unknown[] = []
    run.on('transport-failed', (error) => failures.push(error))
    const { offer } = adapter.queue
    const refuse = async (offers: readonly Offer[]) => {
      if (!offers.some(({ taskId, attempt }) => taskId === 't2' && attempt === 1)) return offer(offers)
      throw new RepriseError('DISPATCH_MISMATCH', 'another attempt of that name is there')
    }
    Object.assign(adapter.queue, { offer: refuse })
    await stage.clock.run(run.dispatch(requests(3)))
    await stage.clock.advance(1000)
    expect(stage.queued).toEqual(['t1/1', 't3/1'])
    expect(failures).toMatchObject([{ code: 'DISPATCH_MISMATCH' }])
    await stage.clock.runUntil(() => stage.queued.includes('t2/2'), 24 * 3_600_000)
  })

  it('finds the one attempt that the queue will never take among many without offering each by itself', async () => {
    const stage = new RunStage()
    const { run, adapter } = await stage.open({ policy: { inFlightMax: 1024 } })
    const failures: unknown[] = []
    run.on('transport-failed', (error) => failures.push(error))
    const { offer } = adapter.queue
    let calls = 0
    const refuse = async (offers: readonly Offer[]) => {
      calls++
      if (!offers.some(({ taskId }) => taskId === 't700')) return offer(offers)
      throw new RepriseError('TOO_LARGE', 'this attempt is too large')
    }
    Object.assign(adapter.queue, { offer: refuse })
    await stage.clock.run(run.dispatch(requests(1024)))
    await stage.clock.advance(1000)
    expect(stage.queued).toEqual(requests(1024).flatMap(({ taskId }) => (taskId === 't700' ? [] : [`${taskId}/1`])))
    expect(failures).toMatchObject([{ code: 'TOO_LARGE' }])
    // Halves of halves: eleven that hold it, ten that do not.
    expect(calls).toBe(21)
  })

  it('is tried again when the queue refuses the coordinator, whose rights may come back', async () => {
    const stage = new RunStage()
    const { run, adapter } = await stage.open()
    const failures: unknown[] = []
    run.on('transport-failed', (error) => failures.push(error))
    const { offer } = adapter.queue
    const refuse = async (offers: readonly Offer[]) => {
      if (failures.length === 3) return offer(offers)
      throw new RepriseError('INVALID_INPUT', 'this user may not offer')
    }
    Object.assign(adapter.queue, { offer: refuse })
    await stage.clock.run(run.dispatch(requests(2)))
    await stage.clock.advance(10_000)
    expect(stage.queued).toEqual(['t1/1', 't2/1'])
    expect(failures).toHaveLength(3)
  })

  it('goes on past a withdrawal that the queue will never do, which is reported once', async () => {
    const stage = new RunStage()
    const { run, adapter } = await stage.open()
    const failures: unknown[] = []
    run.on('transport-failed', (error) => failures.push(error))
    const withdraw = async () => {
      throw new RepriseError('INVALID_INPUT', 'this user may not withdraw')
    }
    Object.assign(adapter.queue, { withdraw })
    await stage.clock.run(run.dispatch(requests(1)))
    await stage.clock.run(run.cancel('t1', 'not needed'))
    await stage.clock.run(run.dispatch(request('t2')))
    await stage.clock.advance(1000)
    expect(stage.queued).toContain('t2/1')
    expect(failures).toMatchObject([{ code: 'INVALID_INPUT' }])
  })

  it('of an attempt whose offer was lost is repeated without doubling it', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const failures: unknown[] = []
    run.on('transport-failed', (error) => failures.push(error))
    stage.spoil('queue.offer', 'fail', { phase: 'after' })
    await stage.clock.run(run.dispatch(requests(2)))
    await stage.clock.advance(1000)
    expect(failures).toHaveLength(1)
    expect(stage.calls.at(-1)).toBe('queue.offer')
    expect(stage.queued).toEqual(['t1/1', 't2/1'])
  })

  it('that a crash prevented is made up for by the next coordinator, under the digest of the log', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    stage.spoil('queue.offer', 'kill')
    void run.dispatch(requests(2))
    await stage.clock.settle()
    expect(stage.of('dispatched')).toHaveLength(2)
    expect(stage.queued).toEqual([])
    await stage.open()
    expect(stage.queued).toEqual(['t1/1', 't2/1'])
    expect(stage.of('dispatched').map(({ digest }) => digest)).toEqual(['t1', 't2'].map((id) => stage.offer(id).digest))
  })

  it('fills free slots by priority, oldest first', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ policy: { inFlightMax: 1 } })
    await stage.clock.run(run.dispatch([request('a'), request('b'), request('c'), request('d', { priority: 9 })]))
    const order: string[] = []
    for (let i = 0; i < 4; i++) {
      const [next] = stage.queued
      order.push(next ?? 'nothing')
      const taskId = next?.split('/')[0] ?? ''
      await stage.answer(taskId)
      await stage.clock.run(run.accept(taskId))
      await stage.clock.settle()
      stage.backend.lanes.attempts.forEach((attempt) => {
        if (attempt.offer.taskId === taskId) attempt.done = true
      })
    }
    expect(order).toEqual(['d/1', 'a/1', 'b/1', 'c/1'])
  })
})

describe('an attempt without a receipt', () => {
  const policy = { attemptTimeoutMs: 10_000, attemptsMax: 3, retryBackoffMs: 1000 }

  it('expires at its deadline, is withdrawn, and is offered again with a doubling wait up to attemptsMax', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ policy })
    const expired: number[] = []
    run.on('attempt-expired', ({ attempt }) => expired.push(attempt))
    const startedAt = stage.clock.now()
    await stage.clock.run(run.dispatch(request('t1')))
    await stage.clock.advance(9_999)
    expect(stage.queued).toEqual(['t1/1'])
    await stage.clock.advance(1)
    expect(stage.queued).toEqual([])
    expect(stage.of('planned')).toMatchObject([{ attempt: 2, why: 'retry', notBefore: isoTime(startedAt + 11_000) }])
    await stage.clock.advance(1_000)
    expect(stage.queued).toEqual(['t1/2'])
    await stage.clock.advance(12_000)
    expect(stage.queued).toEqual(['t1/3'])
    const result = follow(run.results().next())
    await stage.clock.advance(10_000)
    expect(expired).toEqual([1, 2, 3])
    expect(stage.queued).toEqual([])
    expect(result.value?.value).toMatchObject({ taskId: 't1', status: 'stopped', attempt: 3, receipt: null })
  })

  it('expires after a restart too, if its deadline passed while nobody was home', async () => {
    const stage = new RunStage()
    const { run, adapter } = await stage.open({ policy })
    await stage.clock.run(run.dispatch(request('t1')))
    adapter.kill()
    await stage.clock.advance(60_000)
    const second = await stage.open()
    await stage.clock.advance(1_500)
    expect(stage.of('attempt-expired')).toMatchObject([{ taskId: 't1', attempt: 1 }])
    expect(second.run.status.counts).toMatchObject({ out: 1, expired: 1 })
    expect(stage.queued).toEqual(['t1/2'])
  })

  it('refuses the receipt that comes too late, on record, and changes nothing else', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ policy })
    await stage.clock.run(run.dispatch(request('t1')))
    const late = stage.receipt(stage.offer('t1'))
    await stage.clock.advance(11_500)
    const { counts } = run.status
    await stage.send('receipt', late)
    expect(stage.of('receipt-rejected')).toMatchObject([{ gate: 'current-attempt', taskId: 't1', attempt: 1 }])
    expect(run.status.counts).toEqual({ ...counts, receiptsRejected: 1 })
  })

  it('is withdrawn when its task is cancelled, and tasks that wait for it are cancelled too', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.clock.run(run.dispatch([request('t1'), request('t2', { after: ['t1'] })]))
    await stage.clock.run(run.cancel('t1', 'not needed'))
    await stage.clock.settle()
    expect(stage.queued).toEqual([])
    expect(stage.of('task-cancelled').map(({ taskId }) => taskId)).toEqual(['t2', 't1'])
  })
})

describe('a failed attempt', () => {
  it('is followed by another after the backoff, and by none when the worker says that it is vain', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ policy: { retryBackoffMs: 4000 } })
    await stage.clock.run(run.dispatch(requests(2)))
    await stage.answer('t1', { status: 'failed', error: { message: 'busy', retryable: true } })
    await stage.answer('t2', { status: 'refused', error: { message: 'no such kind', retryable: false } })
    await stage.clock.advance(3_999)
    expect(run.status.counts).toMatchObject({ out: 0, planned: 1, stopped: 1 })
    await stage.clock.advance(1)
    expect(run.status.counts).toMatchObject({ out: 1, planned: 0, stopped: 1 })
    expect(stage.offer('t1')).toMatchObject({ attempt: 2 })
  })
})

describe('a delayed task', () => {
  it('goes out on time, on the millisecond, and after a restart too', async () => {
    const stage = new RunStage()
    const { run, adapter } = await stage.open()
    const at = stage.clock.now()
    await stage.clock.run(
      run.dispatch([
        request('t1', { notBefore: isoTime(at + 2_345) }),
        request('t2', { notBefore: isoTime(at + 9_000) }),
      ]),
    )
    await stage.clock.advance(2_344)
    expect(stage.queued).toEqual([])
    await stage.clock.advance(1)
    expect(stage.queued).toEqual(['t1/1'])
    adapter.kill()
    await stage.clock.advance(60_000)
    await stage.open()
    expect(stage.queued).toEqual(['t1/1', 't2/1'])
  })

  it('wakes a sweep that was going to sleep longer', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.clock.advance(500)
    await stage.clock.run(run.dispatch(request('t1', { notBefore: isoTime(stage.clock.now() + 10) })))
    await stage.clock.advance(10)
    expect(stage.queued).toEqual(['t1/1'])
  })
})
