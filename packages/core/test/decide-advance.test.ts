import { describe, expect, it } from 'vitest'
import type { InternalCommand } from '../src/flow/decide-command.js'
import { dispatch, GivenRun, given, open, receipt, settled, task } from './given-run.js'

const advance: InternalCommand = { type: 'advance' }
const at = (ms: number) => new Date(Date.UTC(2026, 0, 1) + ms).toISOString()

/** One attempt is out in the only slot; these wait behind it. */
const behind = (...tasks: ReturnType<typeof task>[]) =>
  given({ inFlightMax: 1 }, dispatch('first'), dispatch(...tasks)).and(receipt('first'))

describe('filling free slots', () => {
  it('dispatches planned tasks, highest priority first', () => {
    const tasks = [3, 9, 0].map((priority) => task(`p${priority}`, { priority }))
    behind(...tasks)
      .when(advance)
      .gives('mode-changed evaluating dispatching', 'dispatched p9 1')
  })

  it('dispatches the longest waiting first where priorities are equal', () => {
    behind(task('b'), task('a')).when(advance).gives('mode-changed evaluating dispatching', 'dispatched b 1')
  })

  it('dispatches those that were due first, of those that waited for a time', () => {
    const delayed = [10, 40, 20].map((ms) => task(`d${ms}`, { notBefore: at(ms) }))
    const run = given({ inFlightMax: 2 }, dispatch(...delayed)).later(100)
    run.when(advance).gives('mode-changed awaiting dispatching', 'dispatched d10 1', 'dispatched d20 1')
  })

  it('fills no more slots than there are', () => {
    const run = given({ inFlightMax: 2 }, dispatch('a', 'b', 'c', 'd', 'e'), receipt('a'))
    run.when(advance).gives('mode-changed evaluating dispatching', 'dispatched c 1')
  })

  it('does not repeat the task in the log', () => {
    const { events } = behind(task('a')).when(advance)
    expect(events[1]?.data).not.toHaveProperty('task')
  })

  it('leaves a task alone until its time has come, to the millisecond', () => {
    const run = given({}, dispatch(task('a', { notBefore: at(50) }))).later(49)
    run.when(advance).gives()
    run.later(1).when(advance).gives('mode-changed awaiting dispatching', 'dispatched a 1')
  })

  it('leaves a task alone until every task that it needs was accepted', () => {
    const run = given({}, dispatch('a', 'b', task('c', { after: ['a', 'b', 'a'] })), receipt('a'), receipt('b'))
    run.and({ type: 'accept', taskId: 'a' }).when(advance).gives()
    run.and({ type: 'accept', taskId: 'b' }).when(advance).gives('mode-changed awaiting dispatching', 'dispatched c 1')
  })

  it('waits for the time of a task also after what it needs was accepted', () => {
    const run = given({}, dispatch('a', task('b', { after: ['a'], notBefore: at(50) })), receipt('a'))
    run.and({ type: 'accept', taskId: 'a' }).when(advance).gives()
    run.later(50).when(advance).gives('mode-changed awaiting dispatching', 'dispatched b 1')
  })

  it('does nothing while the run is paused or blocked', () => {
    for (const type of ['pause', 'block'] as const) {
      behind(task('a')).and({ type, reason: 'wait' }).when(advance).gives()
    }
  })

  it('does nothing under evaluateFirst while a receipt is unsettled', () => {
    const run = given({ evaluateFirst: true, inFlightMax: 1 }, dispatch('a', 'b'), receipt('a'))
    run.when(advance).gives()
    run.and({ type: 'accept', taskId: 'a' }).when(advance).gives('mode-changed awaiting dispatching', 'dispatched b 1')
  })

  it('is refused before the gates have passed', () => {
    new GivenRun().and(open()).when(advance).isRefused('MODE_MISMATCH')
  })

  it('changes nothing when nothing waits', () => {
    given({}, ...settled('a'))
      .when(advance)
      .gives()
  })
})

describe('a budget that is used up', () => {
  const usedUp = () =>
    given(
      { inFlightMax: 1, tokensMax: 5 },
      dispatch('a', 'b', 'c'),
      receipt('a', { usage: { durationMs: 1, tokens: 5 } }),
    )

  it('stops the planned tasks whose turn has come, on record, rather than leaving them waiting for ever', () => {
    const run = usedUp()
    run.when(advance).gives('spawn-refused b tokensMax x1', 'spawn-refused c tokensMax x1')
    run.and(advance)
    expect([run.phase('b'), run.phase('c')]).toEqual(['stopped', 'stopped'])
    run.when(advance).gives()
  })

  it('leaves tasks alone whose turn has not come', () => {
    const run = given({ tokensMax: 0 }).and(dispatch('x'))
    expect(run.state.counts).toMatchObject({ tasks: 0, spawnsRefused: 1 })
    const waiting = given({ wallClockMsMax: 10 }, dispatch(task('a', { notBefore: at(50) }))).later(20)
    waiting.when(advance).gives()
    waiting.later(30).when(advance).gives('spawn-refused a wallClockMsMax x1')
  })

  it('lets a retry neither out nor wait for ever', () => {
    const run = usedUp().and(advance)
    run.and({ type: 'retry', taskId: 'b', reason: 'please' }).later(60_000)
    run.when(advance).gives('spawn-refused b tokensMax x1')
  })
})
