import { describe, expect, it } from 'vitest'
import { allOf } from '../src/patterns/all-of.js'
import type { Verdict } from '../src/patterns/judge.js'
import { follow, RunStage, request, requests } from './run-stage.js'

const outcomesOf = (settled: Awaited<ReturnType<typeof allOf>> | undefined) =>
  [...(settled ?? [])].map(([taskId, { outcome }]) => `${taskId} ${outcome}`)

/** A run with `allOf` waiting for tasks t1, t2, …, all of them out. */
async function waiting(count: number, options: Parameters<typeof allOf>[2] = {}, policy = {}) {
  const stage = new RunStage()
  const holding = await stage.open({ policy })
  const all = follow(allOf(holding.run, requests(count), options))
  await stage.clock.settle()
  return { stage, all, ...holding }
}

describe('allOf', () => {
  it('accepts what is completed, retries what is partial, abandons what has stopped, in the order of the log', async () => {
    const { stage, all } = await waiting(3, {}, { retryBackoffMs: 1 })
    await stage.answer('t3', { status: 'failed', output: null, error: { message: 'no disk', retryable: false } })
    await stage.answer('t2', { status: 'partial', output: { lines: 1 } })
    await stage.clock.advance(10)
    await stage.answer('t1')
    expect(all.settled).toBe(false)
    await stage.answer('t2', { output: { lines: 2 } })
    expect(outcomesOf(all.value)).toEqual(['t3 abandoned', 't1 accepted', 't2 accepted'])
    expect(all.value?.get('t2')).toMatchObject({ receipt: { attempt: 2, output: { lines: 2 } }, reason: null })
    expect(all.value?.get('t3')).toMatchObject({ receipt: null, reason: 'attempt 1 failed: no disk' })
  })

  it('counts what somebody else settles, and asks nobody about it', async () => {
    const judged: string[] = []
    const judge = ({ taskId }: { taskId: string }): Verdict => {
      judged.push(taskId)
      return 'leave'
    }
    const { stage, all, run } = await waiting(4, { judge })
    await stage.send('command', JSON.stringify({ type: 'cancel', taskId: 't1', reason: 'not needed' }))
    await stage.clock.run(run.abandon('t2', 'hopeless'))
    await stage.answer('t3')
    await stage.answer('t4')
    await stage.clock.run(run.accept('t3'))
    expect([judged, all.settled]).toEqual([['t3', 't4'], false])
    await stage.clock.run(run.accept('t4'))
    expect(outcomesOf(all.value)).toEqual(['t1 cancelled', 't2 abandoned', 't3 accepted', 't4 accepted'])
    expect(all.value?.get('t3')?.receipt).toMatchObject({ taskId: 't3' })
    expect(all.value?.get('t1')?.reason).toBe('not needed')
  })

  it('leaves other tasks alone: they are there for others, who may run patterns beside it', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.clock.run(run.dispatch(request('mine')))
    const [one, two] = [
      ['a', 'b'],
      ['b', 'c'],
    ].map((ids) =>
      follow(
        allOf(
          run,
          ids.map((id) => request(id)),
        ),
      ),
    )
    await stage.clock.settle()
    for (const taskId of ['mine', 'a', 'b', 'c']) await stage.answer(taskId)
    expect(outcomesOf(one?.value)).toEqual(['a accepted', 'b accepted'])
    expect(outcomesOf(two?.value)).toEqual(['b accepted', 'c accepted'])
    expect(run.status.counts).toMatchObject({ received: 1, accepted: 3 })
    const left = await stage.clock.run(run.results().next())
    expect(left.value).toMatchObject({ taskId: 'mine' })
  })

  it('of no tasks is done at once, and records nothing', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const { length } = stage.commits
    expect(await stage.clock.run(allOf(run, []))).toEqual(new Map())
    expect(stage.commits).toHaveLength(length)
  })

  it('takes a task that is named twice once, and refuses two under one id before it dispatches anything', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const twice = follow(allOf(run, [request('t1'), request('t1')]))
    await stage.clock.settle()
    await stage.answer('t1')
    expect(outcomesOf(twice.value)).toEqual(['t1 accepted'])
    const { length } = stage.commits
    const conflict = allOf(run, [request('t2'), request('t2', { input: 'other' })])
    await expect(stage.clock.run(conflict)).rejects.toMatchObject({ code: 'TASK_CONFLICT' })
    expect(stage.commits).toHaveLength(length)
  })

  it('waits while the run is paused or blocked, with nothing out, and goes on when that ends', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ policy: { inFlightMax: 1 } })
    await stage.clock.run(run.pause('lunch'))
    const all = follow(allOf(run, requests(2)))
    await stage.clock.advance(60_000)
    expect([all.settled, stage.queued]).toEqual([false, []])
    await stage.clock.run(run.unpause('back'))
    await stage.clock.settle()
    await stage.clock.run(run.block('no network'))
    await stage.answer('t1')
    expect(run.status.counts).toMatchObject({ accepted: 1, out: 0, planned: 1 })
    await stage.clock.run(run.unblock('network'))
    await stage.clock.settle()
    await stage.answer('t2')
    expect(outcomesOf(all.value)).toEqual(['t1 accepted', 't2 accepted'])
  })

  it('goes on when somebody asks for another attempt after nothing could come by itself', async () => {
    const verdicts: Verdict[] = ['leave', 'accept']
    const { stage, all, run } = await waiting(1, { judge: () => verdicts.shift() ?? 'leave' })
    await stage.answer('t1')
    await stage.clock.advance(60_000)
    expect(all.settled).toBe(false)
    await stage.clock.run(run.retry('t1', 'look again'))
    await stage.clock.runUntil(() => stage.queued.includes('t1/2'))
    await stage.answer('t1', { output: 'better' })
    expect(all.value?.get('t1')).toMatchObject({ outcome: 'accepted', receipt: { attempt: 2 } })
  })

  it('does not ask for another attempt of what had stopped before: its judge does, or not', async () => {
    const stage = new RunStage()
    const first = await stage.open()
    const all = follow(allOf(first.run, requests(1), { judge: () => 'leave' }))
    await stage.clock.settle()
    await stage.answer('t1', { status: 'failed', output: null, error: { message: 'no', retryable: false } })
    first.adapter.kill()
    expect(all.settled).toBe(false)
    const { run } = await stage.open({ takeover: 'now' })
    const again = await stage.clock.run(allOf(run, requests(1)))
    expect(outcomesOf(again)).toEqual(['t1 abandoned'])
    expect(stage.of('dispatched')).toHaveLength(1)
  })

  it('lets other results be settled while its judge thinks about one', async () => {
    let think = (): void => {}
    const thought = new Promise<void>((resolve) => {
      think = resolve
    })
    const judge = async ({ taskId }: { taskId: string }): Promise<Verdict> => {
      if (taskId === 't1') await thought
      return 'accept'
    }
    const { stage, all, run } = await waiting(3, { judge })
    for (const taskId of ['t1', 't2', 't3']) await stage.answer(taskId)
    expect(run.status.counts).toMatchObject({ accepted: 2, received: 1 })
    think()
    await stage.clock.settle()
    expect(outcomesOf(all.value)).toEqual(['t2 accepted', 't3 accepted', 't1 accepted'])
  })
})

describe('a judge', () => {
  it('that asks for more attempts than there are gives the task up, with its reason', async () => {
    const { stage, all } = await waiting(
      1,
      { judge: () => ({ retry: 'not good enough' }) },
      { attemptsMax: 2, retryBackoffMs: 1 },
    )
    await stage.answer('t1')
    await stage.clock.advance(10)
    await stage.answer('t1')
    expect(all.value?.get('t1')).toMatchObject({ outcome: 'abandoned', reason: 'not good enough' })
    expect(stage.of('dispatched')).toHaveLength(2)
  })

  it('is overruled by who settles or retries the task while it thinks: that stands', async () => {
    const thoughts: (() => void)[] = []
    const judge = ({ status }: { status: string }): Verdict | Promise<Verdict> =>
      status === 'stopped' ? 'leave' : new Promise((resolve) => thoughts.push(() => resolve('accept')))
    const { stage, all, run } = await waiting(3, { judge }, { retryBackoffMs: 1 })
    for (const taskId of ['t1', 't2', 't3']) await stage.answer(taskId)
    await stage.clock.run(run.cancel('t1', 'not needed'))
    await stage.clock.run(run.retry('t2', 'again'))
    await stage.clock.run(run.reject('t3', 'wrong'))
    await stage.clock.advance(10)
    for (const think of thoughts.splice(0)) think()
    await stage.clock.settle()
    expect(run.status.counts).toMatchObject({ accepted: 0, cancelled: 1, out: 1, stopped: 1 })
    await stage.clock.run(run.abandon('t3', 'it was wrong'))
    await stage.answer('t2')
    for (const think of thoughts.splice(0)) think()
    await stage.clock.settle()
    expect(outcomesOf(all.value)).toEqual(['t1 cancelled', 't3 abandoned', 't2 accepted'])
  })

  it.each([
    ['nothing', undefined, 'INVALID_INPUT'],
    ['a made-up verdict', { retry: 'a', abandon: 'b' }, 'INVALID_INPUT'],
    ['accept for what has stopped', 'accept', 'RECEIPT_NOT_ACCEPTABLE'],
  ])('that answers %s is told so, and nothing is settled', async (_, verdict, code) => {
    const { stage, all, run } = await waiting(1, { judge: () => verdict as Verdict })
    await stage.answer('t1', { status: 'failed', output: null, error: { message: 'no', retryable: false } })
    expect(all.error).toMatchObject({ code, message: expect.stringContaining('t1') })
    expect(run.status.counts).toMatchObject({ stopped: 1 })
  })

  it('that throws ends the call with its error; the same call asks again', async () => {
    let calls = 0
    const judge = (): Verdict => {
      if (++calls === 1) throw new Error('no opinion')
      return 'accept'
    }
    const { stage, all, run } = await waiting(1, { judge })
    await stage.answer('t1')
    expect(all.error).toEqual(new Error('no opinion'))
    expect(outcomesOf(await stage.clock.run(allOf(run, requests(1), { judge })))).toEqual(['t1 accepted'])
  })
})

describe('a pattern ends clearly', () => {
  it('with the reason of its signal, settles nothing more, and the same call goes on', async () => {
    const ending = new AbortController()
    const { stage, all, run } = await waiting(2, { signal: ending.signal })
    await stage.answer('t1')
    ending.abort(new Error('enough'))
    await stage.answer('t2')
    expect(all.error).toEqual(new Error('enough'))
    expect(run.status.counts).toMatchObject({ accepted: 1, received: 1 })
    await expect(allOf(run, requests(9), { signal: ending.signal })).rejects.toThrow('enough')
    expect(run.status.counts.tasks).toBe(2)
    expect(outcomesOf(await stage.clock.run(allOf(run, requests(2))))).toEqual(['t1 accepted', 't2 accepted'])
  })

  it('does not settle what its judge was thinking about when it was ended', async () => {
    const ending = new AbortController()
    let think: (verdict: Verdict) => void = () => {}
    const judge = () =>
      new Promise<Verdict>((resolve) => {
        think = resolve
      })
    const { stage, all, run } = await waiting(1, { signal: ending.signal, judge })
    await stage.answer('t1')
    ending.abort(new Error('enough'))
    think('accept')
    await stage.clock.settle()
    expect([all.error, run.status.counts.received]).toEqual([new Error('enough'), 1])
  })

  it('with CLOSED once the run is let go, not before, and with LOCK_LOST when somebody took it over', async () => {
    const closed = await waiting(1)
    const release = closed.stage.hold('leases.release')
    const closing = follow(closed.run.close())
    await closed.stage.clock.settle()
    expect([release.held, closed.all.settled]).toEqual([1, false])
    release.release()
    await closed.stage.clock.runUntil(() => closing.settled)
    await closed.stage.clock.settle()
    expect(closed.all.error).toMatchObject({ code: 'CLOSED' })
    const { stage, all, runtime } = await waiting(1)
    runtime.pause()
    await stage.open({ takeover: 'now' })
    runtime.resume()
    await stage.clock.runUntil(() => all.settled)
    expect(all.error).toMatchObject({ code: 'LOCK_LOST' })
  })

  it('with RUN_CLOSED when the run ends with tasks of it unsettled, or had ended without them', async () => {
    const { stage, all, run } = await waiting(2)
    await stage.answer('t1')
    await stage.clock.run(run.fail('no money left'))
    expect(all.error).toMatchObject({ code: 'RUN_CLOSED', message: expect.stringContaining('t2') })
    const { run: ended } = await stage.open()
    expect(outcomesOf(await stage.clock.run(allOf(ended, requests(1))))).toEqual(['t1 accepted'])
    await expect(stage.clock.run(allOf(ended, requests(2)))).rejects.toMatchObject({ code: 'RUN_CLOSED' })
    await expect(stage.clock.run(allOf(ended, requests(3)))).rejects.toMatchObject({ code: 'RUN_CLOSED' })
  })

  it('with SPAWN_REFUSED when a limit keeps a task out, naming it', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ policy: { tasksMax: 2 } })
    await expect(stage.clock.run(allOf(run, requests(3)))).rejects.toMatchObject({
      code: 'SPAWN_REFUSED',
      details: { refused: [{ taskId: 't3', rule: 'tasksMax' }] },
    })
    expect(run.listenerCount('commit')).toBe(0)
  })
})
