import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { planDeliveries } from '../src/flow/plan-deliveries.js'
import type { RunId, TaskId } from '../src/protocol/ids.js'
import { dispatchBody, type TaskSpec } from '../src/protocol/task.js'
import { dispatch, given, passGates, receipt, settled, task } from './given-run.js'

const run = { runId: 'run-1' as RunId, deliveriesMax: 5, artifactBytesMax: 1024 }
const spec: TaskSpec = {
  taskId: 'ä/1' as TaskId,
  kind: 'digest',
  input: { path: 'a.txt', n: 1e21 },
  lane: 'default',
  priority: 5,
  after: [],
  parent: 'root' as TaskId,
  traceId: 'trace-1',
  depth: 1,
}
const deadlineAt = '2026-01-01T00:15:00.000Z'

describe('the body of a dispatch', () => {
  it('is the same text for ever, so that a redelivery has the digest that old logs hold', () => {
    const { body, digest } = dispatchBody(run, spec, 2, 41, deadlineAt)
    expect(body).toBe(
      '{"v":1,"runId":"run-1","taskId":"ä/1","attempt":2,"epoch":41,"kind":"digest","input":{"path":"a.txt","n":1e+21},' +
        '"deadlineAt":"2026-01-01T00:15:00.000Z","deliveriesMax":5,"artifactBytesMax":1024,"parent":"root","depth":1,' +
        '"traceId":"trace-1","receipt":1,"returnTo":{"mode":"evaluating","nextAction":"check the receipt, then accept, reject or retry"}}',
    )
    expect(digest).toBe('bf573cfbbc09cbb59838437b79bf00a2f61f93600fa3b5b4b20f009138a81cbc')
  })

  it('has the sha256 of its UTF-8 bytes as digest', () => {
    const { body, digest } = dispatchBody(run, spec, 2, 41, deadlineAt)
    expect(digest).toBe(hash('sha256', Buffer.from(body)))
  })

  it('says null for no parent, and takes the run as trace when the task names none', () => {
    const { parent: _parent, traceId: _traceId, ...root } = spec
    const { body } = dispatchBody(run, root, 1, 2, deadlineAt)
    expect(JSON.parse(body)).toMatchObject({ parent: null, traceId: 'run-1' })
  })

  it('does not depend on lane, priority or what the task waited for', () => {
    const other = { ...spec, lane: 'gpu', priority: 0, after: ['x' as TaskId], notBefore: deadlineAt }
    expect(dispatchBody(run, other, 2, 41, deadlineAt)).toEqual(dispatchBody(run, spec, 2, 41, deadlineAt))
  })

  it('differs for another attempt, epoch, deadline, run, input, or limit', () => {
    const digests = [
      dispatchBody(run, spec, 2, 41, deadlineAt),
      dispatchBody(run, spec, 3, 41, deadlineAt),
      dispatchBody(run, spec, 2, 42, deadlineAt),
      dispatchBody(run, spec, 2, 41, '2026-01-01T00:15:00.001Z'),
      dispatchBody({ ...run, runId: 'run-2' as RunId }, spec, 2, 41, deadlineAt),
      dispatchBody({ ...run, deliveriesMax: 6 }, spec, 2, 41, deadlineAt),
      dispatchBody(run, { ...spec, input: null }, 2, 41, deadlineAt),
    ].map(({ digest }) => digest)
    expect(new Set(digests).size).toBe(digests.length)
  })
})

describe('planning deliveries', () => {
  it('names every attempt that is out, and nothing else', () => {
    const busy = given({ inFlightMax: 2 }, ...settled('done'), dispatch('back', 'out', 'planned'), receipt('back'))
    expect(planDeliveries(busy.state).map(({ taskId, attempt }) => [taskId, attempt])).toEqual([['out', 1]])
  })

  it('gives the very offers of the decision, also after a takeover and under a later clock', () => {
    const fresh = given()
    const { offers } = fresh.when(dispatch(task('a', { input: { z: 1, a: [2] }, lane: 'gpu' }))).allowed
    const taking = {
      type: 'take-over',
      holder: { id: 'coordinator-1', host: 'h', pid: 2 },
      reason: 'process-gone',
    } as const
    fresh
      .and(dispatch(task('a', { input: { z: 1, a: [2] }, lane: 'gpu' })))
      .later(5000)
      .and(taking, passGates)
    expect(planDeliveries(fresh.state)).toEqual(offers)
  })

  it('stops when what it would deliver is not what the log says was dispatched', () => {
    const { state } = given({}, dispatch('a'))
    const open = state.tasks.get('a' as TaskId)
    if (open !== undefined) open.digest = 'f'.repeat(64)
    expect(() => planDeliveries(state)).toThrow(/invariant broken/)
  })
})
