import { describe, expect, it } from 'vitest'
import { isoTime } from '../src/protocol/time.js'
import { request, requests } from './run-stage.js'
import { hourMs, intervalMs, keys, kinds, stalledAfterMs, WatchStage } from './watch-stage.js'

describe('a watchdog', () => {
  it('tells that a coordinator is dead, once, by run and epoch, with what is out', async () => {
    const stage = new WatchStage()
    const held = await stage.open()
    await stage.clock.run(held.run.dispatch(requests(2)))
    const { told } = await stage.watch()
    const { epoch } = held.run.status
    await stage.clock.advance(hourMs / 60)
    expect(told).toEqual([])
    held.adapter.kill({ noticed: false })
    await stage.clock.advance(hourMs / 6)
    expect(told).toMatchObject([
      { kind: 'coordinator-dead', runId: 'run-1', epoch, out: 2, holder: { pid: held.runtime.pid } },
    ])
    expect(keys(told)).toEqual([`coordinator-dead/run-1/${epoch}`])
    expect(told[0]?.version).toBe(await stage.version('run-1'))
    expect(stage.recorded).toEqual(keys(told))
  })

  it('tells the death of each later coordinator too', async () => {
    const stage = new WatchStage()
    const { told } = await stage.watch()
    const epochs: number[] = []
    for (let life = 0; life < 3; life++) {
      const held = await stage.open()
      epochs.push(held.run.status.epoch)
      held.adapter.kill()
      await stage.clock.advance(hourMs / 60)
    }
    expect(keys(told)).toEqual(epochs.map((epoch) => `coordinator-dead/run-1/${epoch}`))
  })

  it('says nothing of runs that are held, were let go, or have ended', async () => {
    const stage = new WatchStage()
    const held = await stage.open()
    const ended = await stage.open({ runId: 'ended' })
    const { told, errors } = await stage.watch()
    await stage.clock.advance(hourMs / 6)
    await stage.clock.run(ended.run.complete('done'))
    await stage.close(held)
    await stage.clock.advance(hourMs / 6)
    expect([told, errors]).toEqual([[], []])
  })

  it('tells a checkpoint that is overdue once, and the next one again', async () => {
    const stage = new WatchStage()
    const { run } = await stage.open()
    const { told } = await stage.watch()
    const first = isoTime(stage.clock.now() + 60_000)
    await stage.clock.run(run.setCheckpoint(first, 'look\nat it'))
    await stage.clock.advance(59_000)
    expect(told).toEqual([])
    await stage.clock.advance(hourMs / 6)
    const second = isoTime(stage.clock.now() + 60_000)
    await stage.clock.run(run.setCheckpoint(second, ''))
    await stage.clock.advance(hourMs / 6)
    expect(told).toMatchObject([
      { kind: 'checkpoint-overdue', runId: 'run-1', dueAt: first, note: 'look\nat it' },
      { kind: 'checkpoint-overdue', runId: 'run-1', dueAt: second },
    ])
    expect(told[0]?.message).toContain('look\\nat it')
  })

  it('tells that a receipt waits while nobody holds the run, once per version, and says it again after the next life', async () => {
    const stage = new WatchStage()
    const first = await stage.open()
    await stage.clock.run(first.run.dispatch(requests(2)))
    await stage.close(first)
    const { told } = await stage.watch({ stalledAfterMs: hourMs })
    await stage.clock.advance(hourMs / 60)
    expect(told).toEqual([])
    await stage.answer('t1')
    await stage.clock.advance(hourMs / 60)
    const version = await stage.version('run-1')
    expect(told).toMatchObject([{ kind: 'receipts-waiting', runId: 'run-1', version, oldest: { kind: 'receipt' } }])
    const second = await stage.open()
    expect(second.run.status.counts.received).toBe(1)
    await stage.close(second)
    await stage.clock.advance(hourMs / 60)
    expect(told).toHaveLength(1)
    await stage.answer('t2')
    await stage.clock.advance(hourMs / 60)
    expect(kinds(told)).toEqual(['receipts-waiting', 'receipts-waiting'])
    expect(new Set(keys(told)).size).toBe(2)
  })

  it('does not take a message for waiting that the log has answered and nobody could acknowledge any more', async () => {
    const stage = new WatchStage()
    const held = await stage.open()
    await stage.clock.run(held.run.dispatch(request('t1')))
    stage.spoil('inbox.ack', 'kill')
    await stage.answer('t1')
    expect([stage.of('receipt-received').length, stage.backend.messagesOf(held.run.id).length]).toEqual([1, 1])
    const { told } = await stage.watch()
    await stage.clock.advance(hourMs / 60)
    expect(kinds(told)).toEqual(['coordinator-dead'])
  })

  it('tells an attempt whose deadline has passed and which nobody has expired', async () => {
    const stage = new WatchStage()
    const held = await stage.open()
    await stage.clock.run(held.run.dispatch(request('t1', { timeoutMs: 120_000 })))
    const { deadlineAt } = stage.of('dispatched')[0] ?? {}
    await stage.close(held)
    const { told } = await stage.watch({ stalledAfterMs: hourMs })
    await stage.clock.advance(119_000)
    expect(told).toEqual([])
    await stage.clock.advance(3 * intervalMs)
    expect(told).toMatchObject([{ kind: 'attempt-overdue', runId: 'run-1', taskId: 't1', attempt: 1, deadlineAt }])
  })

  it('does not tell an overdue attempt that a living coordinator expires', async () => {
    const stage = new WatchStage()
    const held = await stage.open({ policy: { attemptsMax: 1 } })
    const { told } = await stage.watch({ intervalMs: 500, stalledAfterMs: hourMs })
    await stage.clock.run(held.run.dispatch(request('t1', { timeoutMs: 60_000 })))
    await stage.clock.advance(hourMs / 30)
    expect(stage.of('attempt-expired')).toHaveLength(1)
    expect(told).toEqual([])
  })
})

describe('an attempt that is stalled', () => {
  const long = request('t1', { timeoutMs: 24 * hourMs })
  const start = async () => {
    const stage = new WatchStage()
    const held = await stage.open()
    await stage.clock.run(held.run.dispatch(long))
    return { stage, held }
  }

  it('is told when no worker has claimed it for so long', async () => {
    const { stage } = await start()
    const { told } = await stage.watch()
    await stage.clock.advance(stalledAfterMs - 1_000)
    expect(told).toEqual([])
    await stage.clock.advance(3 * intervalMs)
    expect(told).toHaveLength(1)
    await stage.clock.advance(hourMs / 6)
    expect(told).toMatchObject([
      { kind: 'attempt-stalled', runId: 'run-1', taskId: 't1', attempt: 1, why: 'unclaimed' },
    ])
    expect(keys(told)).toEqual(['attempt-stalled/run-1/1/t1'])
  })

  it('is told when its worker stands still, and names the worker', async () => {
    const { stage } = await start()
    const { worker, runtime } = await stage.worker(async (_task, process) => process.sleep(24 * hourMs))
    const { told } = await stage.watch()
    await stage.clock.advance(10 * stalledAfterMs)
    expect(told).toEqual([])
    runtime.pause()
    await stage.clock.advance(3 * stalledAfterMs)
    expect(told).toMatchObject([{ kind: 'attempt-stalled', why: 'silent', workerId: worker.id }])
    await stage.clock.advance(hourMs / 6)
    expect(told).toHaveLength(1)
  })

  it('is told when its worker lives, has reported progress, and reports no more', async () => {
    const { stage } = await start()
    await stage.worker(async (task, process) => {
      for (let step = 1; step <= 60; step++) {
        task.progress({ step })
        await process.sleep(20_000)
      }
      await process.sleep(24 * hourMs)
    })
    const { told } = await stage.watch()
    await stage.clock.advance(60 * 20_000)
    expect(told).toEqual([])
    await stage.clock.advance(3 * stalledAfterMs)
    expect(told).toMatchObject([{ kind: 'attempt-stalled', why: 'no-progress' }])
  })

  it('is told when the queue has lost it, while a coordinator waits for it', async () => {
    const { stage, held } = await start()
    await stage.clock.run(stage.outside.adapter.queue.withdraw(held.run.id, stage.offer('t1').taskId, 1))
    const { told } = await stage.watch()
    await stage.clock.advance(4 * stalledAfterMs)
    expect(told).toMatchObject([{ kind: 'attempt-stalled', why: 'missing' }])
  })

  it('is not told when its receipt is there, in an inbox that nobody reads: that is told', async () => {
    const { stage, held } = await start()
    await stage.close(held)
    await stage.worker(async () => 'done')
    await stage.clock.runUntil(() => stage.backend.messagesOf(held.run.id).length === 1)
    const { told } = await stage.watch()
    await stage.clock.advance(10 * stalledAfterMs)
    expect(kinds(told)).toEqual(['receipts-waiting'])
  })

  it('is not told for work that takes long and says nothing, if its worker lives', async () => {
    const { stage } = await start()
    await stage.worker(async (_task, process) => process.sleep(24 * hourMs))
    const { told, errors } = await stage.watch()
    await stage.clock.advance(hourMs / 6)
    expect([told, errors]).toEqual([[], []])
  })

  it('is not looked for in the queue before half of that time, so short attempts cost nothing', async () => {
    const { stage } = await start()
    await stage.watch()
    await stage.clock.advance(stalledAfterMs / 2 - 1_000)
    expect(stage.calls).not.toContain('queue.locate')
    await stage.clock.advance(stalledAfterMs)
    expect(stage.calls).toContain('queue.locate')
  })
})
