import { describe, expect, it } from 'vitest'
import { limits } from '../src/protocol/limits.js'
import { follow, RunStage, request, requests } from './run-stage.js'

describe('group commit', () => {
  it('puts what is decided at once, and what is decided during an append, into one commit each', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const { length } = stage.commits
    const held = stage.hold('log.append')
    const notes = Array.from({ length: 100 }, (_, i) => follow(run.note(`first ${i}`)))
    await stage.clock.settle()
    notes.push(...Array.from({ length: 100 }, (_, i) => follow(run.note(`second ${i}`))))
    await stage.clock.settle()
    expect(held.held).toBe(1)
    expect(notes.some(({ settled }) => settled)).toBe(false)
    held.release()
    await stage.clock.settle()
    expect(notes.every(({ settled, error }) => settled && error === undefined)).toBe(true)
    expect(stage.commits.slice(length).map(({ events }) => events.length)).toEqual([100, 100])
  })

  it('resolves nothing before its own commit, even if an earlier one is durable', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const first = stage.hold('log.append')
    const early = follow(run.note('early'))
    await stage.clock.settle()
    const late = follow(run.note('late'))
    const second = stage.hold('log.append', 'after')
    first.release()
    await stage.clock.settle()
    expect([early.settled, late.settled]).toEqual([false, false])
    second.release()
    await stage.clock.settle()
    expect([early.settled, late.settled]).toEqual([true, true])
  })

  it('splits a decision larger than commitBytesMax between events, in order, and resolves after the last part', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const { length } = stage.commits
    const text = 'x'.repeat(100 * 1024)
    const tasks = Array.from({ length: 12 }, (_, i) => request(`t${i}`, { input: { text } }))
    const appends: number[] = []
    run.on('commit', ({ events }) => appends.push(events.length))
    const report = await stage.clock.run(run.dispatch(tasks))
    expect(report.dispatched).toEqual(tasks.map(({ taskId }) => taskId))
    const parts = stage.commits.slice(length)
    expect(parts.length).toBeGreaterThan(2)
    expect(appends).toEqual(parts.map(({ events }) => events.length))
    for (const { text: line } of stage.backend.recordsOf('run-1' as never)) {
      expect(Buffer.byteLength(line)).toBeLessThanOrEqual(limits.commitBytesMax)
    }
    expect(stage.of('dispatched').map(({ taskId }) => taskId)).toEqual(tasks.map(({ taskId }) => taskId))
    expect(stage.queued).toHaveLength(12)
  })

  it('does not split a decision that fits into one commit, however full the open one is', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const { length } = stage.commits
    const big = (taskId: string, kib: number) => request(taskId, { input: { text: 'x'.repeat(kib * 1024) } })
    const held = stage.hold('log.append')
    const first = follow(run.note('under way'))
    await stage.clock.settle()
    const pair = follow(run.dispatch([big('t1', 150), big('t2', 200)]))
    const another = follow(run.dispatch([big('t3', 99), big('t4', 99)]))
    const last = follow(run.note('behind them'))
    held.release()
    await stage.clock.settle()
    for (const { settled, error } of [first, pair, another, last]) expect([settled, error]).toEqual([true, undefined])
    const parts = stage.commits.slice(length).map(({ events }) => events)
    const taskIds = parts.map((events) =>
      events.flatMap((event) => (event.type === 'dispatched' ? [event.data.taskId] : [])),
    )
    expect(taskIds).toEqual([[], ['t1', 't2'], ['t3', 't4']])
    expect(parts[2]?.some(({ type }) => type === 'note-added')).toBe(true)
  })

  it('keeps the retry of an expired attempt in its commit when a decision must be split', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ policy: { inFlightMax: 1_000, attemptTimeoutMs: 5_000 } })
    const tasks = Array.from({ length: 900 }, (_, i) => request(`${i}-${'x'.repeat(480 - (i % 7))}`))
    await stage.clock.run(run.dispatch(tasks))
    const { length } = stage.commits
    await stage.clock.advance(5_500)
    const parts = stage.commits.slice(length).map(({ events }) => events)
    expect(parts.filter((events) => events.some(({ type }) => type === 'attempt-expired')).length).toBeGreaterThan(1)
    expect(stage.of('attempt-expired')).toHaveLength(tasks.length)
    for (const events of parts) {
      for (const [i, event] of events.entries()) {
        if (event.type !== 'attempt-expired') continue
        const { taskId } = event.data
        expect(events[i + 1]).toMatchObject({ type: 'planned', data: { taskId, attempt: 2, why: 'retry' } })
      }
    }
  })

  it('answers a refusal only after the commits that it was judged by', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const held = stage.hold('log.append')
    const pausing = follow(run.pause('lunch'))
    const again = follow(run.execute({ type: 'pause', reason: 'lunch' }))
    await stage.clock.settle()
    expect([pausing.settled, again.settled]).toEqual([false, false])
    held.release()
    await stage.clock.settle()
    expect(again.value).toMatchObject({ ok: false, code: 'NO_CHANGE', status: { status: 'paused' } })
  })
})

describe('log first', () => {
  it('offers, emits, shows and resolves nothing of a commit before its append has resolved', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const seen: string[] = []
    for (const name of ['commit', 'dispatched', 'mode-changed'] as const) run.on(name, () => seen.push(name))
    const { status } = run
    const held = stage.hold('log.append', 'after')
    const report = follow(run.dispatch(requests(3)))
    await stage.clock.settle()
    expect(held.held).toBe(1)
    expect(stage.of('dispatched')).toHaveLength(3)
    expect({ settled: report.settled, queued: stage.queued, seen }).toEqual({ settled: false, queued: [], seen: [] })
    expect(run.status).toEqual(status)
    held.release()
    await stage.clock.settle()
    expect(report.value?.dispatched).toEqual(['t1', 't2', 't3'])
    expect(stage.queued).toEqual(['t1/1', 't2/1', 't3/1'])
    expect(seen).toEqual(['commit', 'dispatched', 'dispatched', 'dispatched', 'mode-changed'])
    expect(run.status.version).toBe(stage.commits.at(-1)?.version)
  })

  it('shows a result, and acknowledges its message, only after the commit that records it', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.clock.run(run.dispatch(request('t1')))
    const result = follow(run.results().next())
    const held = stage.hold('log.append', 'after')
    await stage.answer('t1')
    expect(held.held).toBe(1)
    expect(result.settled).toBe(false)
    expect(stage.backend.messagesOf(run.id)).toHaveLength(1)
    held.release()
    await stage.clock.settle()
    expect(result.value?.value).toMatchObject({ taskId: 't1', status: 'completed', output: { lines: 3 } })
    expect(stage.backend.messagesOf(run.id)).toHaveLength(0)
  })

  it('offers and shows nothing while resuming that is decided but not durable yet', async () => {
    const stage = new RunStage()
    const first = await stage.open({ policy: { inFlightMax: 1 } })
    await stage.clock.run(first.run.dispatch(requests(2)))
    first.adapter.kill()
    const receipt = stage.receipt(stage.offer('t1'))
    const process = stage.process()
    const offered: string[] = []
    const { offer } = process.adapter.queue
    process.adapter.queue.offer = (offers) => {
      offered.push(...offers.map(({ taskId }) => taskId))
      return offer(offers)
    }
    // The lock is appended; then the gates, held back; then what the receipt leads to, held back as well.
    const gates = stage.hold('log.append', 'after', 1)
    const opening = follow(stage.opening({}, process))
    await stage.clock.settle()
    await stage.send('receipt', receipt)
    const consequences = stage.hold('log.append', 'before')
    gates.release()
    await stage.clock.settle()
    expect(consequences.held).toBe(1)
    expect(opening.value?.run.status.counts).toMatchObject({ out: 1, planned: 1, received: 0 })
    const result = follow(opening.value!.run.results().next())
    await stage.clock.settle()
    expect({ offered, shown: result.settled }).toEqual({ offered: ['t1'], shown: false })
    consequences.release()
    await stage.clock.settle()
    expect({ offered, shown: result.value?.value?.taskId }).toEqual({ offered: ['t1', 't2'], shown: 't1' })
  })
})

describe('an append that goes wrong', () => {
  it('is repeated with the same record after a lost reply, and stands once', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const { length } = stage.commits
    stage.spoil('log.append', 'fail', { phase: 'after', times: 2 })
    await stage.clock.run(run.note('once'))
    expect(stage.of('note-added')).toEqual([{ text: 'once' }])
    expect(stage.commits).toHaveLength(length + 1)
  })

  it('is tried again while the adapter is away, and goes through', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    stage.spoil('log.append', 'fail', { times: 5 })
    await stage.clock.run(run.note('at last'))
    expect(stage.of('note-added')).toEqual([{ text: 'at last' }])
  })

  it('stops the coordinator with ADAPTER_UNAVAILABLE when appending has failed for a minute, and not before', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    let tries = 0
    stage.intercept(({ method, phase }) => {
      if (method !== 'append') return 'go'
      if (phase === 'before') tries++
      return phase === 'before' ? 'fail' : 'go'
    })
    const startedAt = stage.clock.now()
    await expect(stage.clock.run(run.note('never'))).rejects.toMatchObject({ code: 'ADAPTER_UNAVAILABLE' })
    expect(stage.clock.now() - startedAt).toBeGreaterThan(57_000)
    expect(stage.clock.now() - startedAt).toBeLessThanOrEqual(60_000)
    // Every 2 s in the end: a server that comes back is not met by a storm.
    expect(tries).toBeLessThan(40)
    expect(run.signal.reason).toMatchObject({ code: 'ADAPTER_UNAVAILABLE' })
    await expect(stage.clock.run(run.note('later'))).rejects.toMatchObject({ code: 'ADAPTER_UNAVAILABLE' })
  })

  it('rides through a log that cannot be reached for twenty seconds', async () => {
    const stage = new RunStage()
    const holding = await stage.open()
    const backAt = stage.clock.now() + 20_000
    stage.intercept(({ method, phase }) =>
      method === 'append' && phase === 'before' && stage.clock.now() < backAt ? 'fail' : 'go',
    )
    const failures: unknown[] = []
    holding.run.on('transport-failed', (error) => failures.push(error))
    await stage.clock.run(holding.run.note('in the dark'))
    expect(failures[0]).toMatchObject({ code: 'ADAPTER_UNAVAILABLE' })
    expect(stage.clock.now()).toBeGreaterThanOrEqual(backAt)
    expect(holding.run.signal.aborted).toBe(false)
    await stage.close(holding)
  })

  it('stops the coordinator by its deadline when it never answers, and whoever waits is told', async () => {
    const stage = new RunStage()
    const holding = await stage.open()
    const { run } = holding
    await stage.clock.run(run.dispatch(request('t0')))
    const results = follow(run.results().next())
    stage.hold('log.append')
    const waiting = [follow(run.note('under way')), follow(run.dispatch(request('t1')))]
    await stage.clock.settle()
    waiting.push(follow(run.note('behind it')))
    await stage.clock.advance(29_000)
    expect(waiting.some(({ settled }) => settled)).toBe(false)
    await stage.clock.advance(3_000)
    for (const { error } of [...waiting, results]) expect(error).toMatchObject({ code: 'ADAPTER_UNAVAILABLE' })
    await stage.close(holding)
  })

  it('lets close and openRun end by the same deadline', async () => {
    const stage = new RunStage()
    const holding = await stage.open()
    const never = stage.hold('log.append')
    await stage.close(holding)
    const opening = follow(stage.opening({ takeover: 'now' }))
    await stage.clock.advance(60_000)
    expect(opening.error).toMatchObject({ code: 'ADAPTER_UNAVAILABLE' })
    expect(never.held).toBe(2)
  })

  it('is typed for callers even if the adapter throws something else', async () => {
    const stage = new RunStage()
    const { run, adapter } = await stage.open()
    adapter.log.append = () => Promise.reject(new TypeError('boom'))
    await expect(stage.clock.run(run.note('x'))).rejects.toMatchObject({ code: 'ADAPTER_UNAVAILABLE' })
    expect(run.signal.aborted).toBe(true)
  })
})
