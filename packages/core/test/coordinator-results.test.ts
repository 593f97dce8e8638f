import { describe, expect, it } from 'vitest'
import type { TaskResult } from '../src/coordinator/task-result.js'
import { follow, RunStage, request, requests } from './run-stage.js'

async function readAll(results: AsyncGenerator<TaskResult, void>, each: (result: TaskResult) => Promise<void>) {
  const seen: string[] = []
  for await (const result of results) {
    seen.push(`${result.taskId}/${result.attempt} ${result.status}`)
    await each(result)
  }
  return seen
}

const accept = async (result: unknown): Promise<void> => (result as TaskResult).accept()

describe('results', () => {
  it('come in the order of their receipts and end when everything is settled', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.clock.run(run.dispatch(requests(3)))
    const reading = follow(readAll(run.results(), (result) => result.accept()))
    for (const taskId of ['t3', 't1', 't2']) await stage.answer(taskId)
    await stage.clock.runUntil(() => reading.settled)
    expect(reading.value).toEqual(['t3/1 completed', 't1/1 completed', 't2/1 completed'])
    expect(run.status.counts).toMatchObject({ accepted: 3, received: 0 })
  })

  it('begin with what was received and not settled by an earlier coordinator', async () => {
    const stage = new RunStage()
    const first = await stage.open()
    await stage.clock.run(first.run.dispatch(requests(4)))
    await stage.answer('t3')
    await stage.answer('t2')
    await stage.clock.run(first.run.reject('t3', 'wrong'))
    first.adapter.kill()
    await stage.answer('t4')
    const { run } = await stage.open()
    const reading = follow(readAll(run.results(), (r) => (r.status === 'stopped' ? r.abandon('vain') : r.accept())))
    await stage.answer('t1')
    await stage.clock.runUntil(() => reading.settled)
    expect(reading.value).toEqual(['t2/1 completed', 't3/1 stopped', 't4/1 completed', 't1/1 completed'])
  })

  it('show a task that has stopped, with the reason, and end once it is settled', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.clock.run(run.dispatch(request('t1', { attemptsMax: 2 })))
    const error = { message: 'no such file', retryable: false }
    await stage.answer('t1', { status: 'failed', output: null, error })
    const next = await stage.clock.run(run.results().next())
    expect(next.value).toMatchObject({ taskId: 't1', status: 'stopped', reason: 'attempt 1 failed: no such file' })
    const result = next.value as TaskResult
    expect(result.receipt).toMatchObject({ status: 'failed' })
    await stage.clock.run(result.retry('the file is there now'))
    await stage.clock.advance(2000)
    await stage.answer('t1')
    const again = await stage.clock.run(run.results().next())
    expect(again.value).toMatchObject({ status: 'completed', attempt: 2 })
  })

  it('show a partial receipt as partial', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.clock.run(run.dispatch(request('t1')))
    await stage.answer('t1', { status: 'partial', error: { message: 'stopped half way', retryable: true } })
    const { value } = await stage.clock.run(run.results().next())
    expect(value).toMatchObject({ status: 'partial', reason: 'stopped half way', output: { lines: 3 } })
  })

  it('go to every reader, and a task that one of them settled is not shown to the others later', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.clock.run(run.dispatch(requests(2)))
    const [a, b] = [run.results(), run.results()]
    const first = follow(a.next())
    const second = follow(b.next())
    await stage.answer('t1')
    expect([first.value?.value?.taskId, second.value?.value?.taskId]).toEqual(['t1', 't1'])
    await stage.answer('t2')
    await stage.clock.run(run.accept('t1'))
    const fromA = await stage.clock.run(a.next())
    await stage.clock.run((fromA.value as TaskResult).accept())
    expect(await stage.clock.run(b.next())).toMatchObject({ done: true })
    await expect(stage.clock.run(accept(second.value?.value))).rejects.toMatchObject({
      code: 'TASK_SETTLED',
    })
  })

  it('end at once when nothing is out or planned, and wait while a task waits for another', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    expect(await stage.clock.run(run.results().next())).toMatchObject({ done: true })
    await stage.clock.run(run.dispatch([request('t1'), request('t2', { after: ['t1'] })]))
    const reading = follow(readAll(run.results(), (result) => result.accept()))
    await stage.answer('t1')
    await stage.clock.settle()
    expect(reading.settled).toBe(false)
    await stage.answer('t2')
    await stage.clock.runUntil(() => reading.settled)
    expect(reading.value).toHaveLength(2)
  })

  it('end when their signal aborts, and the run goes on', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.clock.run(run.dispatch(request('t1')))
    const ending = new AbortController()
    const next = follow(run.results({ signal: ending.signal }).next())
    await stage.clock.settle()
    expect(next.settled).toBe(false)
    ending.abort()
    await stage.clock.settle()
    expect(next.value).toMatchObject({ done: true })
    await stage.answer('t1')
    expect((await stage.clock.run(run.results().next())).value).toMatchObject({ taskId: 't1' })
  })

  it('reject with CLOSED when the run is let go, and end quietly when it has ended', async () => {
    const stage = new RunStage()
    const first = await stage.open()
    await stage.clock.run(first.run.dispatch(request('t1')))
    const closed = follow(first.run.results().next())
    await stage.close(first)
    expect(closed.error).toMatchObject({ code: 'CLOSED' })
    const second = await stage.open()
    const failed = follow(second.run.results().next())
    await stage.clock.run(second.run.fail('not worth it'))
    await stage.clock.settle()
    expect(failed.value).toMatchObject({ done: true })
  })

  it('in batches, share one commit when they are settled at once', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.clock.run(run.dispatch(requests(20)))
    for (let i = 1; i <= 20; i++) await stage.answer(`t${i}`)
    const { length } = stage.commits
    const { value } = await stage.clock.run(run.resultBatches().next())
    await stage.clock.run(Promise.all((value as TaskResult[]).map((result) => result.accept())))
    expect(stage.commits.length - length).toBe(1)
    expect(run.status.counts.accepted).toBe(20)
  })

  it('refuse to settle a task twice, or an attempt that is not the current one', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.clock.run(run.dispatch(request('t1')))
    await stage.answer('t1')
    const { value } = await stage.clock.run(run.results().next())
    const result = value as TaskResult
    await stage.clock.run(result.retry('once more'))
    await expect(stage.clock.run(result.accept())).rejects.toMatchObject({ code: 'ATTEMPT_SUPERSEDED' })
    await stage.clock.advance(2000)
    await stage.answer('t1')
    await stage.clock.run(run.accept('t1'))
    await expect(stage.clock.run(run.accept('t1'))).rejects.toMatchObject({ code: 'TASK_SETTLED' })
    expect(stage.of('task-accepted')).toEqual([{ taskId: 't1', attempt: 2 }])
  })
})
