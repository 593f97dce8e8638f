import { describe, expect, it } from 'vitest'
import { firstOf } from '../src/patterns/first-of.js'
import { taskIdBytesMax } from '../src/protocol/ids.js'
import { limits } from '../src/protocol/limits.js'
import type { TaskRequest } from '../src/protocol/task.js'
import { follow, RunStage, request, requests } from './run-stage.js'

async function racing(tasks: readonly TaskRequest[], options: Parameters<typeof firstOf>[2] = {}, policy = {}) {
  const stage = new RunStage()
  const holding = await stage.open({ policy })
  const first = follow(firstOf(holding.run, tasks, options))
  await stage.clock.settle()
  return { stage, first, ...holding }
}

const failed = { status: 'failed', output: null, error: { message: 'no', retryable: false } } as const
const story = (first: { value?: Awaited<ReturnType<typeof firstOf>> }) => [
  first.value?.winner?.taskId,
  [...(first.value?.others ?? [])].map(([taskId, { outcome }]) => `${taskId} ${outcome}`),
]

describe('firstOf', () => {
  it('passes over what has stopped; the first acceptable result wins and the others are withdrawn with it', async () => {
    const { stage, first } = await racing(requests(4), {}, { inFlightMax: 3 })
    await stage.answer('t1', failed)
    expect(first.settled).toBe(false)
    await stage.answer('t3')
    expect(story(first)).toEqual(['t3', ['t1 abandoned', 't4 cancelled', 't2 cancelled']])
    expect(first.value?.winner?.receipt).toMatchObject({ taskId: 't3', output: { lines: 3 } })
    const last = stage.commits.findLast(({ events }) => events.some(({ type }) => type === 'task-accepted'))
    expect(last?.events.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['task-accepted', 'task-cancelled', 'task-cancelled', 'round-closed']),
    )
    expect(stage.queued).not.toContain('t2/1')
  })

  it('has one winner when several results come at once, and when a loser answers late', async () => {
    const { stage, first, run } = await racing(requests(3))
    const bodies = ['t2', 't1'].map((taskId) => stage.receipt(stage.offer(taskId)))
    const messages = bodies.map((body, i) => ({ sender: 'both', seq: i + 1, kind: 'receipt' as const, body }))
    await stage.clock.run(stage.outside.adapter.inbox.send(run.id, messages))
    await stage.clock.settle()
    expect(story(first)).toEqual(['t2', ['t3 cancelled', 't1 cancelled']])
    await stage.answer('t3')
    expect(stage.of('receipt-rejected')).toMatchObject([{ taskId: 't3' }])
    expect(run.status.counts).toMatchObject({ accepted: 1, cancelled: 2 })
  })

  it('cancels the rest when somebody else accepts one of them', async () => {
    const { stage, first, run } = await racing(requests(3), { judge: () => 'leave' })
    await stage.answer('t2')
    expect(first.settled).toBe(false)
    await stage.clock.run(run.accept('t2'))
    await stage.clock.settle()
    expect(story(first)).toEqual(['t2', ['t1 cancelled', 't3 cancelled']])
    expect(first.value?.winner?.receipt).toMatchObject({ taskId: 't2' })
  })

  it('wins all the same when others are settled while the commit of its winner is asked for', async () => {
    let think = (): void => {}
    const judge = () =>
      new Promise<'accept'>((resolve) => {
        think = () => resolve('accept')
      })
    const { stage, first, run } = await racing(requests(3), { judge })
    await stage.answer('t1')
    // Decided, but not durable when the winner is: its round would cancel one that is gone.
    const append = stage.hold('log.append')
    const cancelled = follow(run.cancel('t3', 'not needed'))
    await stage.clock.settle()
    think()
    await stage.clock.settle()
    append.release()
    await stage.clock.runUntil(() => first.settled)
    expect(cancelled.settled).toBe(true)
    expect(story(first)).toEqual(['t1', ['t3 cancelled', 't2 cancelled']])
  })

  it('loses its winner to who retries it meanwhile, and goes on with the others', async () => {
    const thoughts: (() => void)[] = []
    const judge = () => new Promise<'accept'>((resolve) => thoughts.push(() => resolve('accept')))
    const { stage, first, run } = await racing(requests(2), { judge })
    await stage.answer('t1')
    await stage.clock.run(run.retry('t1', 'look again'))
    thoughts.shift()?.()
    await stage.clock.settle()
    expect(first.settled).toBe(false)
    await stage.answer('t2')
    thoughts.shift()?.()
    await stage.clock.settle()
    expect(story(first)).toEqual(['t2', ['t1 cancelled']])
  })

  it('cancels tasks that wait for one another', async () => {
    const tasks = [request('t1'), request('t2', { after: ['t1'] }), request('t3', { after: ['t2'] }), request('t4')]
    const { stage, first } = await racing(tasks)
    await stage.answer('t4')
    expect(story(first)).toEqual(['t4', ['t3 cancelled', 't2 cancelled', 't1 cancelled']])
  })

  it('cancels tasks that wait for one another, also those that somebody else has dispatched in another order', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const second = request('t2', { after: ['t1'] })
    await stage.clock.run(run.dispatch([request('t1'), second]))
    const first = follow(firstOf(run, [second, request('t1'), request('t3')]))
    await stage.clock.settle()
    await stage.answer('t3')
    expect(first.error).toBe(undefined)
    expect(story(first)).toEqual(['t3', ['t2 cancelled', 't1 cancelled']])
  })

  it('of no tasks has no winner; with none left it says why, now and when it is called again', async () => {
    const { stage, first, run } = await racing(requests(2))
    expect(await stage.clock.run(firstOf(run, []))).toEqual({ winner: null, others: new Map() })
    await stage.answer('t2', failed)
    await stage.clock.run(run.cancel('t1', 'not needed'))
    await stage.clock.settle()
    expect(story(first)).toEqual([undefined, ['t2 abandoned', 't1 cancelled']])
    expect(first.value?.others.get('t2')?.reason).toBe('attempt 1 failed: no')
    expect(await stage.clock.run(firstOf(run, requests(2)))).toEqual(first.value)
  })

  it('dispatches nothing more once there is a winner, and refuses more tasks than one commit can cancel', async () => {
    const { stage, first, run } = await racing(requests(2))
    await stage.answer('t1')
    expect(first.settled).toBe(true)
    const again = await stage.clock.run(firstOf(run, requests(3)))
    expect([again.winner?.taskId, run.status.counts.tasks]).toEqual(['t1', 2])
    const many = firstOf(run, requests(limits.roundCommandsMax + 1))
    await expect(many).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    const most = follow(
      firstOf(
        run,
        requests(limits.roundCommandsMax).map((task) => ({ ...task, taskId: `x${task.taskId}` })),
      ),
    )
    await stage.clock.settle()
    await stage.answer('xt1')
    expect(most.value?.others.size).toBe(limits.roundCommandsMax - 1)
  })

  it('takes as many tasks with the longest ids as one commit can cancel, and refuses one more before any is dispatched', async () => {
    const long = (count: number) => requests(count).map(({ taskId }) => request(taskId.padEnd(taskIdBytesMax, '"')))
    const stage = new RunStage()
    const { run } = await stage.open()
    // Whatever is not refused ends by this before anything is dispatched.
    const signal = AbortSignal.abort(new Error('enough'))
    const refusal = (count: number) => firstOf(run, long(count), { signal }).catch((error: Error) => error.message)
    let [most, tooMany]: [number, number] = [1, limits.roundCommandsMax]
    expect(await refusal(tooMany)).toMatch(/ids so long .* Nothing was dispatched/)
    while (tooMany - most > 1) {
      const middle = Math.floor((most + tooMany) / 2)
      if ((await refusal(middle)) === 'enough') most = middle
      else tooMany = middle
    }
    expect(run.status.counts.tasks).toBe(0)
    const fitting = follow(firstOf(run, long(most)))
    await stage.clock.settle()
    await stage.answer(long(1)[0]?.taskId ?? '')
    expect(fitting.error).toBe(undefined)
    expect(fitting.value?.others.size).toBe(most - 1)
  })
})
