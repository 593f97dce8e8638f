import { describe, expect, it } from 'vitest'
import type { InternalCommand } from '../src/flow/decide-command.js'
import type { TaskId } from '../src/protocol/ids.js'
import { dispatch, given, receipt, receiptText, task } from './given-run.js'

const expire: InternalCommand = { type: 'expire-attempts' }
const policy = { attemptTimeoutMs: 1000, retryBackoffMs: 100, attemptsMax: 2 }

describe('expiring attempts', () => {
  it('happens at the deadline, not a millisecond before', () => {
    const run = given(policy, dispatch('a')).later(999)
    run.when(expire).gives()
    run.later(1).when(expire).gives('attempt-expired a 1', 'planned a 2 retry')
  })

  it('takes the attempt back from its worker', () => {
    const { withdrawals } = given(policy, dispatch('a')).later(1000).when(expire).allowed
    expect(withdrawals).toEqual([{ taskId: 'a', attempt: 1 }])
  })

  it('plans the next attempt after the backoff', () => {
    const run = given(policy, dispatch('a')).later(1000).and(expire)
    run.later(99).when({ type: 'advance' }).gives()
    run.later(1).when({ type: 'advance' }).gives('mode-changed awaiting dispatching', 'dispatched a 2')
  })

  it('stops the task when the attempts are used up', () => {
    const run = given({ ...policy, attemptsMax: 1 }, dispatch('a')).later(1000)
    run.when(expire).gives('attempt-expired a 1')
    expect(run.and(expire).state.tasks.get('a' as TaskId)).toMatchObject({
      phase: 'stopped',
      stopReason: 'attempt 1 had no receipt by 2026-01-01T00:00:01.000Z',
    })
  })

  it('does not touch attempts whose receipt is here, planned tasks, or attempts with a later deadline', () => {
    const run = given(
      { ...policy, inFlightMax: 3 },
      dispatch('back', task('slow', { timeoutMs: 5000 }), 'late', 'planned'),
    )
    run.and(receipt('back')).later(1000)
    run.when(expire).gives('attempt-expired late 1', 'planned late 2 retry')
  })

  it('happens once per attempt', () => {
    given(policy, dispatch('a')).later(1000).and(expire).when(expire).gives()
  })

  it('goes on while the run is paused', () => {
    const run = given(policy, dispatch('a'), { type: 'pause', reason: 'x' }).later(1000)
    run.when(expire).gives('attempt-expired a 1', 'planned a 2 retry')
  })

  it('makes the receipt of the expired attempt too late, but not that of the next', () => {
    const run = given(policy, dispatch('a'))
    const late = JSON.parse(receiptText(run, 'a'))
    run.later(1000).and(expire)
    run.when(receipt('a', late)).gives('receipt-rejected current-attempt')
    run.later(100).and({ type: 'advance' })
    run.when(receipt('a', late)).gives('receipt-rejected current-attempt')
    run.when(receipt('a')).gives('receipt-received a 2')
  })
})
