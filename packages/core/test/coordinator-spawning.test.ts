import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineTask } from '../src/worker/define-task.js'
import { RunStage, request } from './run-stage.js'

const child = defineTask('count', { input: z.unknown(), output: z.unknown() })

describe('a task that a worker asks for', () => {
  it('goes out only if the coordinator dispatches it, and then within the limits of the run', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ policy: { depthMax: 1 } })
    await stage.clock.run(run.dispatch(request('t1')))
    await stage.answer('t1', { spawnRequests: [child.task('t1.1', 'half')] } as never)
    await stage.clock.run(run.accept('t1'))
    await stage.clock.advance(60_000)
    expect(stage.of('dispatched').map(({ taskId }) => taskId)).toEqual(['t1'])
    expect(run.status.counts.tasks).toBe(1)

    const [asked] = stage.of('receipt-received')[0]?.receipt.spawnRequests ?? []
    await stage.clock.run(run.dispatch({ ...asked!, parent: 't1' }))
    expect(stage.of('dispatched').at(-1)).toMatchObject({ taskId: 't1.1', task: { depth: 1 } })
    await expect(stage.clock.run(run.dispatch(request('t1.1.1', { parent: 't1.1' })))).rejects.toMatchObject({
      code: 'SPAWN_REFUSED',
      details: { refused: [{ rule: 'depthMax', limit: 1 }] },
    })
  })
})

describe('a limit that was reached before a crash', () => {
  it('holds after it, spend included, for it is counted from the log', async () => {
    const stage = new RunStage()
    const first = await stage.open({ policy: { tokensMax: 10, inFlightMax: 1 } })
    await stage.clock.run(first.run.dispatch([request('t1'), request('t2')]))
    first.adapter.kill()
    const second = await stage.open()
    expect(stage.queued).toEqual(['t1/1'])
    await stage.answer('t1', { usage: { durationMs: 1, tokens: 10 } })
    second.adapter.kill()
    const { run } = await stage.open()
    await expect(stage.clock.run(run.dispatch(request('t3')))).rejects.toMatchObject({
      code: 'SPAWN_REFUSED',
      details: { refused: [{ taskId: 't3', rule: 'tokensMax', limit: 10, value: 10 }] },
    })
    expect(stage.of('dispatched').map(({ taskId }) => taskId)).toEqual(['t1'])
  })
})
