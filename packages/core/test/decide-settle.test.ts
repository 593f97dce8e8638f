import { describe, expect, it } from 'vitest'
import type { CommandInput } from '../src/protocol/commands.js'
import type { TaskId } from '../src/protocol/ids.js'
import { dispatch, failed, type GivenRun, given, receipt, settled, task } from './given-run.js'

const accept = (taskId: string, attempt?: number): CommandInput => ({
  type: 'accept',
  taskId,
  ...(attempt !== undefined && { attempt }),
})
const verb = (type: 'reject' | 'retry' | 'cancel' | 'abandon', taskId: string, more: object = {}) =>
  ({ type, taskId, reason: 'because', ...more }) as CommandInput
const all = (taskId: string) => [
  accept(taskId),
  ...(['reject', 'retry', 'cancel', 'abandon'] as const).map((type) => verb(type, taskId)),
]

const runs = {
  planned: () => given({}, { type: 'pause', reason: 'x' }, dispatch('a')),
  out: () => given({}, dispatch('a')),
  received: () => given({}, dispatch('a'), receipt('a')),
  stopped: () => given({ attemptsMax: 2 }, dispatch('a'), receipt('a'), verb('reject', 'a')),
} satisfies Record<string, () => GivenRun>

describe('accepting', () => {
  it('settles the task whose receipt is here', () => {
    const run = runs.received()
    run.when(accept('a')).gives('task-accepted a 1')
    run.and(accept('a'))
    expect(run.state.tasks.size).toBe(0)
    expect(run.state.counts).toMatchObject({ accepted: 1, received: 0 })
  })

  it('is possible once: the second is told that the task is settled', () => {
    runs.received().and(accept('a')).when(accept('a')).isRefused('TASK_SETTLED')
  })

  it('takes a partial receipt too: whether it is enough is for the evaluator to say', () => {
    given({}, dispatch('a'), receipt('a', { status: 'partial' }))
      .when(accept('a'))
      .gives('task-accepted a 1')
  })

  it('is refused without a receipt', () => {
    runs.planned().when(accept('a')).isRefused('NO_RECEIPT')
    runs.out().when(accept('a')).isRefused('NO_RECEIPT')
  })

  it('is refused for a task that has stopped', () => {
    runs.stopped().when(accept('a')).isRefused('RECEIPT_NOT_ACCEPTABLE')
  })

  it('is refused for a failed receipt whose rejection a crash has cut off', () => {
    for (const status of ['failed', 'refused']) {
      const run = runs.out()
      run.commit(run.when(receipt('a', { status, output: null })).events.slice(0, 1))
      expect(run.phase('a')).toBe('received')
      run.when(accept('a')).isRefused('RECEIPT_NOT_ACCEPTABLE')
      run.when(verb('retry', 'a')).gives('task-rejected a 1 by evaluator', 'planned a 2 retry')
    }
  })
})

describe('rejecting', () => {
  it('stops the task, with the reason', () => {
    const run = runs.received().and(verb('reject', 'a'))
    expect(run.state.tasks.get('a' as TaskId)).toMatchObject({ phase: 'stopped', stopReason: 'because' })
  })

  it('is recorded as the evaluator’s', () => {
    runs.received().when(verb('reject', 'a')).gives('task-rejected a 1 by evaluator')
  })

  it('is refused without a receipt, and for a task that has stopped', () => {
    runs.out().when(verb('reject', 'a')).isRefused('NO_RECEIPT')
    runs.stopped().when(verb('reject', 'a')).isRefused('RECEIPT_NOT_ACCEPTABLE')
  })
})

describe('retrying', () => {
  it('rejects the receipt that is here and plans the next attempt', () => {
    runs.received().when(verb('retry', 'a')).gives('task-rejected a 1 by evaluator', 'planned a 2 retry')
  })

  it('plans the next attempt of a task that has stopped', () => {
    runs.stopped().when(verb('retry', 'a')).gives('planned a 2 retry')
  })

  it('is refused when the attempts are used up', () => {
    given({ attemptsMax: 1 }, dispatch('a'), receipt('a')).when(verb('retry', 'a')).isRefused('ATTEMPTS_EXHAUSTED')
    given({ attemptsMax: 1 }, dispatch('a'), failed('a')).when(verb('retry', 'a')).isRefused('ATTEMPTS_EXHAUSTED')
  })

  it('lets a task have more or fewer attempts than the policy says', () => {
    const once = given({}, dispatch(task('a', { attemptsMax: 1 })), receipt('a'))
    once.when(verb('retry', 'a')).isRefused('ATTEMPTS_EXHAUSTED')
    given({ attemptsMax: 1 }, dispatch(task('a', { attemptsMax: 2 })), receipt('a'), verb('retry', 'a'))
  })

  it('is refused while an attempt is planned or out', () => {
    runs.planned().when(verb('retry', 'a')).isRefused('NO_RECEIPT')
    runs.out().when(verb('retry', 'a')).isRefused('NO_RECEIPT')
  })

  it('waits twice as long before each further attempt, up to the limit', () => {
    const run = given({ attemptsMax: 6, retryBackoffMs: 100, retryBackoffMaxMs: 500 }, dispatch('a'))
    const waits = [1, 2, 3, 4, 5].map(() => {
      run.and(receipt('a'), verb('retry', 'a'))
      const { notBefore } = run.state.tasks.get('a' as TaskId) ?? {}
      const waitMs = Date.parse(notBefore ?? '') - run.nowMs
      run.later(waitMs).and({ type: 'advance' })
      return waitMs
    })
    expect(waits).toEqual([100, 200, 400, 500, 500])
  })
})

describe('naming an attempt', () => {
  it('is refused when it is not the current one, whatever phase the task is in', () => {
    const verbs = ['reject', 'retry', 'cancel', 'abandon'] as const
    const superseded = [accept('a', 2), ...verbs.map((type) => verb(type, 'a', { attempt: 2 }))]
    for (const run of [runs.received(), runs.stopped(), runs.out()]) {
      for (const step of superseded) run.when(step).isRefused('ATTEMPT_SUPERSEDED')
    }
  })

  it('is fine when it is', () => {
    runs.received().when(accept('a', 1)).gives('task-accepted a 1')
    runs
      .stopped()
      .when(verb('retry', 'a', { attempt: 1 }))
      .gives('planned a 2 retry')
  })
})

describe('cancelling and abandoning', () => {
  it('settles a task in any phase', () => {
    for (const run of Object.values(runs).map((make) => make())) {
      run.when(verb('cancel', 'a')).gives('task-cancelled a')
      run.when(verb('abandon', 'a')).gives('task-abandoned a')
    }
  })

  it('takes the attempt that is out back from its worker, and only such a one', () => {
    expect(runs.out().when(verb('cancel', 'a')).allowed.withdrawals).toEqual([{ taskId: 'a', attempt: 1 }])
    expect(runs.received().when(verb('abandon', 'a')).allowed.withdrawals).toEqual([])
  })

  it('cancels the tasks that wait for it, and those that wait for them, each once', () => {
    const chain = [task('b', { after: ['a'] }), task('c', { after: ['a', 'b'] }), task('d', { after: ['c'] }), 'e']
    const run = given({}, dispatch('a', ...chain))
    run.when(verb('abandon', 'a')).gives('task-cancelled d', 'task-cancelled c', 'task-cancelled b', 'task-abandoned a')
    run.and(verb('abandon', 'a'))
    expect(run.state.counts).toMatchObject({ abandoned: 1, cancelled: 3, planned: 0, out: 1 })
    expect(run.state.dependents.size).toBe(0)
  })

  it('can be repeated wherever a crash cut them off, and leave no task that waits for one that is gone', () => {
    const needs: Record<string, string[]> = { b: ['a'], c: ['a', 'b'], d: ['c'], e: ['b', 'd'], f: ['a'] }
    // The one of highest priority comes first among those that wait for the same task.
    const waiting = Object.entries(needs).map(([taskId, after], i) => task(taskId, { after, priority: i }))
    for (let cut = 0; cut < 6; cut++) {
      const run = given({}, dispatch('a', ...waiting))
      const { events } = run.when(verb('cancel', 'a'))
      run.commit(events.slice(0, cut))
      for (const { spec } of run.state.tasks.values()) {
        for (const needed of spec.after) expect(run.state.tasks.has(needed), `${spec.taskId} of ${cut}`).toBe(true)
      }
      run.and(verb('cancel', 'a'))
      expect(run.state.counts).toMatchObject({ cancelled: 6, planned: 0, out: 0 })
    }
  })

  it('leaves tasks alone that wait for others only', () => {
    const run = given({}, dispatch('a', 'b', task('c', { after: ['b'] })), verb('cancel', 'a'))
    expect(run.phase('c')).toBe('planned')
  })
})

describe('a task that is settled or unknown', () => {
  it('takes no more decisions', () => {
    const outcomes = [settled('a'), [dispatch('a'), verb('cancel', 'a')], [dispatch('a'), verb('abandon', 'a')]]
    for (const steps of outcomes) {
      for (const step of all('a'))
        given({}, ...steps)
          .when(step)
          .isRefused('TASK_SETTLED')
    }
  })

  it('is told apart from one that was never there', () => {
    for (const step of all('a')) given().when(step).isRefused('TASK_UNKNOWN')
  })
})
