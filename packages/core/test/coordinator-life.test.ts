import { describe, expect, it } from 'vitest'
import { follow, RunStage, request, requests } from './run-stage.js'

describe('closing', () => {
  it('makes what was decided durable, releases the lock and the lease, and is harmless twice', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const note = follow(run.note('last words'))
    await stage.clock.run(Promise.all([run.close(), run.close()]))
    await stage.clock.run(run.close())
    expect(note).toMatchObject({ settled: true })
    expect(stage.of('note-added')).toEqual([{ text: 'last words' }])
    expect(stage.of('lock-released')).toHaveLength(1)
    expect(stage.backend.leases.held.size).toBe(0)
    expect(run.signal.reason).toMatchObject({ code: 'CLOSED' })
  })

  it('refuses later commands with CLOSED, and those that come while it closes too', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const held = stage.hold('log.append')
    const closing = follow(run.close())
    const during = follow(run.note('x'))
    await stage.clock.settle()
    held.release()
    await stage.clock.runUntil(() => closing.settled)
    expect(during.error).toMatchObject({ code: 'CLOSED' })
    await expect(stage.clock.run(run.dispatch(request('t1')))).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('leaves the run to the next coordinator, who finds the lock free', async () => {
    const stage = new RunStage()
    const first = await stage.open()
    await stage.clock.run(first.run.dispatch(request('t1')))
    await stage.close(first)
    const { run } = await stage.open()
    expect(stage.of('lock-acquired').at(-1)).toMatchObject({ reason: 'free' })
    expect(run.status.counts.out).toBe(1)
  })

  it('happens by itself when the signal aborts, also if it aborted before', async () => {
    const stage = new RunStage()
    const ending = new AbortController()
    const { run } = await stage.open({ signal: ending.signal })
    ending.abort()
    await stage.clock.run(run.close())
    expect(stage.of('lock-released')).toHaveLength(1)
    await expect(stage.open({ signal: ending.signal })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(stage.backend.leases.held.size).toBe(0)
  })

  it('leaves no timer behind', async () => {
    const stage = new RunStage()
    const first = await stage.open()
    await stage.clock.run(first.run.dispatch(request('t1')))
    await stage.close(first)
    await expect(stage.clock.runUntil(() => false)).rejects.toMatchObject({ details: { timers: 0 } })
  })
})

describe('pausing and blocking', () => {
  it('hold dispatches back, not results, and let them go afterwards', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.clock.run(run.dispatch(request('t1')))
    await stage.clock.run(run.pause('lunch'))
    expect(await stage.clock.run(run.dispatch(request('t2')))).toMatchObject({ planned: ['t2'] })
    await stage.answer('t1')
    await stage.clock.run(run.accept('t1'))
    expect(run.status).toMatchObject({ status: 'paused', reason: 'lunch', counts: { accepted: 1, out: 0 } })
    await expect(stage.clock.run(run.block('no disk'))).rejects.toMatchObject({ code: 'ILLEGAL_TRANSITION' })
    await stage.clock.run(run.unpause('back'))
    await stage.clock.settle()
    expect(stage.offer('t2').attempt).toBe(1)
    await stage.clock.run(run.block('no disk'))
    await expect(stage.clock.run(run.complete('x'))).rejects.toMatchObject({ code: 'UNSETTLED' })
    await stage.clock.run(run.unblock('disk is back'))
    expect(run.status.status).toBe('awaiting-result')
  })

  it('survive a crash', async () => {
    const stage = new RunStage()
    const first = await stage.open()
    await stage.clock.run(first.run.pause('lunch'))
    await stage.clock.run(first.run.dispatch(request('t1')))
    first.adapter.kill()
    const { run } = await stage.open()
    expect(run.status).toMatchObject({ status: 'paused', counts: { planned: 1 } })
    expect(stage.queued).toEqual([])
    await stage.clock.run(run.unpause('back'))
    await stage.clock.settle()
    expect(stage.queued).toEqual(['t1/1'])
  })
})

describe('events of a run', () => {
  it('name the version that they were derived from, in order, without gaps', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const versions: number[] = [run.status.version]
    run.on('commit', ({ status, events }) => {
      expect(status.version).toBe(versions.at(-1)! + events.length)
      expect(run.status).toEqual(status)
      versions.push(status.version)
    })
    await stage.clock.run(run.dispatch(requests(2)))
    await stage.answer('t1')
    await stage.clock.run(run.accept('t1'))
    expect(versions.at(-1)).toBe(stage.commits.at(-1)?.version)
  })

  it('carry the data of what happened', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ policy: { tasksMax: 1, attemptTimeoutMs: 1000 } })
    const seen: Record<string, unknown> = {}
    run.on('dispatched', (data) => (seen.dispatched = data.taskId))
    run.on('receipt', (data) => (seen.receipt = data.receipt.taskId))
    run.on('receipt-rejected', (data) => (seen['receipt-rejected'] = data.gate))
    run.on('spawn-refused', (data) => (seen['spawn-refused'] = data.rule))
    run.on('attempt-expired', (data) => (seen['attempt-expired'] = data.attempt))
    await stage.clock.run(
      run.dispatch(requests(2)).catch((error) => expect(error).toMatchObject({ code: 'SPAWN_REFUSED' })),
    )
    const twin = stage.receipt(stage.offer('t1'))
    await stage.clock.advance(2500)
    await stage.answer('t1')
    await stage.send('receipt', twin)
    expect(seen).toEqual({
      ...{ dispatched: 't1', receipt: 't1', 'receipt-rejected': 'current-attempt' },
      ...{ 'spawn-refused': 'tasksMax', 'attempt-expired': 1 },
    })
  })

  it('do not stop the pipeline when a listener throws: the error surfaces where nothing else runs', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    run.on('commit', () => {
      throw new Error('a bug in a listener')
    })
    const note = follow(run.note('x'))
    const thrown: unknown[] = []
    for (let i = 0; i < 5; i++) await stage.clock.settle().catch((error) => thrown.push(error))
    expect(note).toMatchObject({ settled: true })
    expect(note.error).toBeUndefined()
    expect(thrown).toMatchObject([{ message: 'a bug in a listener' }])
    expect(run.signal.aborted).toBe(false)
  })
})

describe('calls that cannot be right', () => {
  it.each([
    ['a task id with a control character', { type: 'dispatch', tasks: [request('a\u0000b')] }],
    ['an input that is no JSON', { type: 'dispatch', tasks: [request('t', { input: { f: () => 1 } })] }],
    ['an input with __proto__', { type: 'dispatch', tasks: [request('t', { input: JSON.parse('{"__proto__":1}') })] }],
    ['an unknown option of a task', { type: 'dispatch', tasks: [{ ...request('t'), prio: 1 }] }],
    ['a lane with a path', { type: 'dispatch', tasks: [request('t', { lane: 'a/b' })] }],
    ['an empty reason', { type: 'pause', reason: '' }],
    ['an unknown command', { type: 'explode' }],
    ['nothing', undefined],
  ])('are refused with INVALID_INPUT and leave no trace: %s', async (_name, command) => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const { length } = stage.commits
    await expect(stage.clock.run(run.execute(command as never))).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(stage.commits).toHaveLength(length)
  })

  it('are refused typed by the verbs too', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await expect(run.setCheckpoint(new Date(Number.NaN), 'x')).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(run.setCheckpoint(5 as never, 'x')).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(run.dispatch(null as never)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(run.accept('')).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(run.note('x'.repeat(9000))).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })
})
