import { describe, expect, it } from 'vitest'
import { openRun } from '../src/coordinator/open-run.js'
import { resumeGates } from '../src/protocol/events.js'
import { follow, goal, RunStage, request, runId } from './run-stage.js'

const leaseTtlMs = 10_000

describe('opening a run', () => {
  it('writes the goal, the criteria, the policy and the lock in one commit, then every gate, then rests', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ successCriteria: ['all'], policy: { inFlightMax: 2 } })
    const [first, second] = stage.commits
    expect(first?.events.map(({ type }) => type)).toEqual(['run-opened', 'lock-acquired'])
    expect(second?.events.map(({ type }) => type)).toEqual(['resumed', 'mode-changed'])
    expect(stage.of('run-opened')[0]).toMatchObject({
      runId,
      goal,
      successCriteria: ['all'],
      policy: { inFlightMax: 2 },
    })
    expect(run.gates.map(({ gate }) => gate)).toEqual(resumeGates)
    expect(run.status).toMatchObject({ version: 4, epoch: 2, mode: 'dispatching', status: 'running' })
  })

  it('is taken up again by the same call after a crash, under a new epoch, with what is out offered again', async () => {
    const stage = new RunStage()
    const first = await stage.open()
    await stage.clock.run(first.run.dispatch(request('t1')))
    first.adapter.kill()
    const { run } = await stage.open()
    expect(run.status).toMatchObject({ mode: 'awaiting', status: 'awaiting-result', counts: { out: 1 } })
    expect(stage.of('lock-acquired')).toMatchObject([{ reason: 'opened' }, { reason: 'process-gone' }])
    expect(stage.of('resumed').at(-1)).toMatchObject({ redelivered: 1 })
    expect(await stage.clock.run(run.dispatch(request('t1')))).toMatchObject({ known: ['t1'], dispatched: [] })
    expect(stage.queued).toEqual(['t1/1'])
  })

  it('goes on without a goal once it is open, and says what is missing before', async () => {
    const stage = new RunStage()
    const options = { ...stage.process(), runId }
    await expect(stage.clock.run(openRun(options))).rejects.toMatchObject({ code: 'RUN_UNKNOWN' })
    expect(stage.commits).toEqual([])
    await stage.close(await stage.open())
    expect((await stage.clock.run(openRun(options))).status.epoch).toBeGreaterThan(2)
  })

  it('refuses another goal, criteria or policy with RUN_MISMATCH and leaves the run alone', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ successCriteria: ['a'], policy: { inFlightMax: 2 } })
    await stage.clock.run(run.close())
    const { length } = stage.commits
    const other = { goal: 'other', successCriteria: ['b'], policy: { inFlightMax: 3, tasksMax: 9 } }
    await expect(stage.open(other)).rejects.toMatchObject({
      code: 'RUN_MISMATCH',
      details: { differences: ['goal', 'successCriteria', 'policy.inFlightMax', 'policy.tasksMax'] },
    })
    expect(stage.commits).toHaveLength(length)
    expect((await stage.open({ successCriteria: ['a'], policy: { inFlightMax: 2 } })).run.signal.aborted).toBe(false)
  })

  it('refuses a goal that lost the race against another opener', async () => {
    const stage = new RunStage()
    const held = stage.hold('leases.acquire')
    const late = follow(stage.opening({ goal: 'another goal', takeover: 'now' }))
    await stage.clock.settle()
    expect(held.held).toBe(1)
    const { hash } = await stage.openBehind(goal)
    held.release()
    await stage.clock.runUntil(() => late.settled)
    expect(late.error).toMatchObject({ code: 'RUN_MISMATCH', details: { differences: ['goal'] } })
    expect(stage.backend.recordsOf(runId).at(-1)?.hash).toBe(hash)
  })

  it('shows a run that has ended without holding it, and a script that runs again does no harm', async () => {
    const stage = new RunStage()
    const first = await stage.open()
    await stage.clock.run(first.run.dispatch(request('t1')))
    await stage.answer('t1')
    await stage.clock.run(first.run.accept('t1'))
    await stage.clock.run(first.run.complete('done'))
    const { length } = stage.commits
    const { run } = await stage.open()
    expect(await stage.clock.run(run.dispatch(request('t1')))).toMatchObject({ known: ['t1'] })
    expect(await stage.clock.run(run.results().next())).toMatchObject({ done: true })
    await stage.clock.run(run.complete('done'))
    await expect(stage.clock.run(run.dispatch(request('new')))).rejects.toMatchObject({ code: 'RUN_CLOSED' })
    await stage.clock.run(run.close())
    expect(stage.commits).toHaveLength(length)
    expect(stage.backend.leases.held.size).toBe(0)
  })

  it('records that the caller expected another mode, and keeps the one of the log', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.clock.run(run.close())
    const again = await stage.open({ expectMode: 'evaluating' })
    expect(again.run.status.mode).toBe('dispatching')
    expect(stage.of('resumed').at(-1)?.corrections).toEqual([
      'mode: the caller expected evaluating, the log says dispatching; the log is right',
    ])
    await stage.close(again)
    await stage.open({ expectMode: 'dispatching' })
    expect(stage.of('resumed').at(-1)?.corrections).toEqual([])
  })
})

describe('a run that another coordinator holds', () => {
  it('is refused with RUN_HELD, naming the holder, and nothing is touched', async () => {
    const stage = new RunStage()
    const { runtime } = await stage.open()
    const { length } = stage.commits
    await expect(stage.open()).rejects.toMatchObject({ code: 'RUN_HELD', details: { holder: { pid: runtime.pid } } })
    expect(stage.commits).toHaveLength(length)
  })

  it('is taken over at once with takeover now', async () => {
    const stage = new RunStage()
    await stage.open()
    const { run } = await stage.open({ takeover: 'now' })
    expect(run.status.mode).toBe('dispatching')
    expect(stage.of('lock-acquired').at(-1)).toMatchObject({ reason: 'forced' })
  })

  it('is waited for until its holder lets go', async () => {
    const stage = new RunStage()
    const first = await stage.open()
    const second = follow(stage.opening({ waitForMs: 5000 }))
    await stage.clock.advance(1000)
    expect(second.settled).toBe(false)
    await stage.clock.run(first.run.close())
    await stage.clock.advance(400)
    expect(second.value?.run.status.mode).toBe('dispatching')
  })

  it('is refused when waitForMs has passed', async () => {
    const stage = new RunStage()
    await stage.open()
    const before = stage.clock.now()
    await expect(stage.open({ waitForMs: 5000 })).rejects.toMatchObject({ code: 'RUN_HELD' })
    expect(stage.clock.now() - before).toBe(5000)
  })

  it('is taken over when the lease of a holder that fell silent has run out', async () => {
    const stage = new RunStage()
    const first = await stage.open()
    first.adapter.kill({ noticed: false })
    await expect(stage.open()).rejects.toMatchObject({ code: 'RUN_HELD' })
    await stage.open({ waitForMs: leaseTtlMs })
    expect(stage.of('lock-acquired').at(-1)).toMatchObject({ reason: 'lease-expired' })
  })

  it('keeps its lease while it is held, however long that is', async () => {
    const stage = new RunStage()
    await stage.open()
    await stage.clock.advance(20 * leaseTtlMs)
    await expect(stage.open()).rejects.toMatchObject({ code: 'RUN_HELD' })
  })

  it('is taken over with a lease although a zombie appended in the middle', async () => {
    const stage = new RunStage()
    const zombie = await stage.open()
    const held = stage.hold('log.append')
    const { runtime, adapter } = stage.process()
    const taking = follow(stage.opening({ takeover: 'now' }, { runtime, adapter }))
    await stage.clock.settle()
    expect(held.held).toBe(1)
    runtime.pause()
    held.release()
    await stage.clock.run(zombie.run.note('still here'))
    runtime.resume()
    await stage.clock.runUntil(() => taking.settled)
    expect(taking.value?.run.status.mode).toBe('dispatching')
    await stage.clock.advance(3 * leaseTtlMs)
    await expect(stage.open()).rejects.toMatchObject({ code: 'RUN_HELD' })
  })
})

describe('options of openRun', () => {
  const bad = {
    'an empty run id': { options: { runId: '' }, code: 'INVALID_ID' },
    'a run id with a path': { options: { runId: '../up' }, code: 'INVALID_ID' },
    'an empty goal': { options: { goal: '' }, code: 'INVALID_INPUT', path: 'goal' },
    'criteria that are no list': {
      options: { successCriteria: 'all' },
      code: 'INVALID_INPUT',
      path: 'successCriteria',
    },
    'an unknown limit': { options: { policy: { inflightMax: 1 } }, code: 'INVALID_INPUT', path: 'policy' },
    'a limit of nothing': { options: { policy: { inFlightMax: 0 } }, code: 'INVALID_INPUT', path: 'policy' },
    'an unknown takeover': { options: { takeover: 'soon' }, code: 'INVALID_INPUT', path: 'takeover' },
    'a negative wait': { options: { waitForMs: -1 }, code: 'INVALID_INPUT', path: 'waitForMs' },
    'a wait that is no number': { options: { waitForMs: Number.NaN }, code: 'INVALID_INPUT', path: 'waitForMs' },
    'an unknown mode': { options: { expectMode: 'sleeping' }, code: 'INVALID_INPUT', path: 'expectMode' },
    'no adapter': { options: { adapter: undefined }, code: 'INVALID_INPUT', path: 'adapter' },
    'tasks that are no definitions': { options: { tasks: [{ kind: 'x' }] }, code: 'INVALID_INPUT', path: 'tasks' },
    'a signal that is none': { options: { signal: {} }, code: 'INVALID_INPUT', path: 'signal' },
    'an option that does not exist': { options: { gaol: 'x' }, code: 'INVALID_INPUT' },
  }

  it.each(Object.entries(bad))(
    'are refused, by name, before anything is touched: %s',
    async (_name, { options, code, ...rest }) => {
      const stage = new RunStage()
      const error: unknown = await stage.open(options as never).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code })
      if ('path' in rest) expect((error as { details: { path: string[] } }).details.path[0]).toBe(rest.path)
      expect((error as Error).message).toMatch(/Nothing was opened/)
      expect(stage.calls).toEqual([])
    },
  )
})
