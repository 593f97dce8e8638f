import { describe, expect, it } from 'vitest'
import type { CommandInput } from '../src/protocol/commands.js'
import { dispatch, given, receipt, settled, task } from './given-run.js'

const spent = (tokens: number, costUsd: number) => ({ usage: { durationMs: 1, tokens, costUsd } })
const pause: CommandInput = { type: 'pause', reason: 'lunch' }
const block: CommandInput = { type: 'block', reason: 'no key' }

describe('a limit on tasks, depth or spend', () => {
  it('tasksMax refuses the tasks beyond it, on record with the limit and the value, and takes the others', () => {
    const { events, refused } = given({ tasksMax: 2 }).when(dispatch('a', 'b', 'c', 'd')).allowed
    expect(events.at(-1)).toMatchObject({
      type: 'spawn-refused',
      data: { taskId: 'c', rule: 'tasksMax', limit: 2, value: 2, count: 2 },
    })
    expect(refused.map(({ taskId }) => taskId)).toEqual(['c', 'd'])
    expect(events).toHaveLength(3)
  })

  it('tasksMax counts every task ever taken in, settled ones included', () => {
    given({ tasksMax: 1 }, ...settled('a'))
      .when(dispatch('b'))
      .gives('spawn-refused b tasksMax x1')
  })

  it('tasksMax does not count attempts of a task that is in the run', () => {
    const run = given({ tasksMax: 1 }, dispatch('a'), receipt('a'), { type: 'reject', taskId: 'a', reason: 'wrong' })
    run.when(dispatch('a')).gives('dispatched a 2')
  })

  it('depthMax refuses a task that is one level too deep', () => {
    const run = given({ depthMax: 1 }, dispatch('a', task('b', { parent: 'a' })))
    run.when(dispatch(task('c', { parent: 'b' }))).gives('spawn-refused c depthMax x1')
    given({ depthMax: 0 }, dispatch('a'))
      .when(dispatch(task('b', { parent: 'a' })))
      .gives('spawn-refused b depthMax x1')
  })

  it('tokensMax refuses new tasks once receipts have said so many tokens', () => {
    const run = given({ tokensMax: 10 }, dispatch('a', 'b'), receipt('a', spent(9, 0)))
    run.when(dispatch('c')).gives('mode-changed evaluating dispatching', 'dispatched c 1')
    run
      .and(receipt('b', spent(1, 0)))
      .when(dispatch('c'))
      .gives('spawn-refused c tokensMax x1')
  })

  it('costUsdMax refuses new tasks once receipts have said so much money', () => {
    const run = given({ costUsdMax: 0.5 }, dispatch('a'), receipt('a', spent(0, 0.5)))
    run.when(dispatch('b')).gives('spawn-refused b costUsdMax x1')
  })

  it('wallClockMsMax refuses new tasks so long after the opening', () => {
    const run = given({ wallClockMsMax: 1000 }).later(999)
    run.when(dispatch('a')).gives('dispatched a 1')
    run.later(1).when(dispatch('a')).gives('spawn-refused a wallClockMsMax x1')
  })

  it('takes what waits for a refused task, or descends from it, with it', () => {
    given({ tasksMax: 1 })
      .when(dispatch('a', 'b', task('c', { after: ['b'] }), task('d', { parent: 'c' })))
      .gives('dispatched a 1', 'spawn-refused b tasksMax x3')
    given({ depthMax: 0 }, dispatch('a'))
      .when(dispatch(task('b', { parent: 'a' }), task('c', { after: ['b'] }), 'd'))
      .gives('mode-changed awaiting dispatching', 'dispatched d 1', 'spawn-refused b depthMax x2')
  })

  it('counts no spend of a receipt that was refused', () => {
    const run = given(
      { tokensMax: 10 },
      dispatch('a'),
      receipt('a', { ...spent(50, 0), dispatchDigest: 'f'.repeat(64) }),
    )
    expect(run.state.spent).toEqual({ tokens: 0, costUsd: 0 })
  })
})

describe('what is allowed but not now', () => {
  it('is planned while the run is paused', () => {
    given({}, pause).when(dispatch('a')).gives('planned a 1 paused')
  })

  it('is planned while the run is blocked', () => {
    given({}, block).when(dispatch('a')).gives('planned a 1 blocked')
  })

  it('is planned under evaluateFirst while a received receipt is unsettled, and only then', () => {
    const run = given({ evaluateFirst: true }, dispatch('a', 'b'), receipt('a'))
    run.when(dispatch('c')).gives('planned c 1 evaluate-first')
    run
      .and({ type: 'accept', taskId: 'a' })
      .when(dispatch('c'))
      .gives('mode-changed awaiting dispatching', 'dispatched c 1')
  })

  it('is planned beyond inFlightMax, which counts attempts that are out', () => {
    const run = given({ inFlightMax: 2 }, dispatch('a', 'b')).when(dispatch('c')).gives('planned c 1 no-slot')
    expect(run.allowed.offers).toEqual([])
    given({ inFlightMax: 2 }, dispatch('a', 'b'), receipt('a'))
      .when(dispatch('c'))
      .gives('mode-changed evaluating dispatching', 'dispatched c 1')
  })
})
