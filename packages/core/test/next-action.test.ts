import { describe, expect, it } from 'vitest'
import { nextAction } from '../src/flow/next-action.js'
import { initialState } from '../src/flow/reduce-event.js'
import { type Mode, modes, type Status, statuses } from '../src/protocol/events.js'
import { histories, runOf } from './any-history.js'
import { dispatch, failed, GivenRun, given, open, passGates, receipt, type Step, settled, task } from './given-run.js'
import { checkProperty } from './property-run.js'

const file = 'packages/core/test/next-action.test.ts'
const reason = 'the disk is full'
const pause: Step = { type: 'pause', reason }
const block: Step = { type: 'block', reason }
const takeOver: Step = { type: 'take-over', holder: { id: 'c2', host: 'h', pid: 2 }, reason: 'process-gone' }

interface Cell {
  readonly run: () => GivenRun
  readonly next: string
}
const cell = (run: () => GivenRun, next: string): Cell => ({ run, next })

const openIt = 'open the run: its resume gates have not passed yet'
const mend = 'mend what blocks the run (the disk is full), then unblock it'
const unpause = 'unpause the run when its reason is gone (the disk is full)'
const evaluate = 'evaluate what came back of task a: accept, reject or retry each'

/** Every mode × every status that it can be with; `null`: they exclude each other. */
const table: Record<Mode, Record<Status, Cell | null>> = {
  recovering: {
    running: cell(() => new GivenRun().and(open()), openIt),
    'awaiting-result': null,
    paused: cell(() => given({}, pause, takeOver), openIt),
    blocked: cell(() => given({}, block, takeOver), openIt),
    complete: null,
    failed: null,
  },
  dispatching: {
    running: cell(() => given(), 'dispatch the first tasks'),
    'awaiting-result': null,
    paused: cell(() => given({}, pause), unpause),
    blocked: cell(() => given({}, block), mend),
    complete: null,
    failed: null,
  },
  awaiting: {
    running: null,
    'awaiting-result': cell(() => given({}, dispatch('a', 'b')), 'wait for 2 attempts that are out'),
    paused: cell(() => given({}, dispatch('a'), pause), unpause),
    blocked: cell(() => given({}, dispatch('a'), block), mend),
    complete: null,
    failed: null,
  },
  evaluating: {
    running: cell(() => given({}, dispatch('a', 'b'), receipt('a')), evaluate),
    'awaiting-result': null,
    paused: cell(() => given({}, dispatch('a'), receipt('a'), pause), evaluate),
    blocked: cell(() => given({}, dispatch('a'), receipt('a'), block), evaluate),
    complete: null,
    failed: null,
  },
  closed: {
    running: null,
    'awaiting-result': null,
    paused: null,
    blocked: null,
    complete: cell(() => given({}, { type: 'complete', summary: 'done' }), 'nothing: the run is complete'),
    failed: cell(() => given({}, { type: 'fail', reason }), 'nothing: the run is failed'),
  },
}

const cells = modes.flatMap((mode) =>
  statuses.flatMap((status) => {
    const cell = table[mode][status]
    return cell === null ? [] : [[mode, status, cell] as const]
  }),
)

const waiting = (ms: number) => task('b', { notBefore: new Date(Date.UTC(2026, 0, 1) + ms).toISOString() })
const spent: Step[] = [dispatch('a'), receipt('a', { usage: { durationMs: 1, tokens: 9 } })]
const accepted: Step = { type: 'accept', taskId: 'a' }

describe('the next action', () => {
  it.each(cells)('of a run that is %s and %s is named', (mode, status, { run, next }) => {
    const { state } = run()
    expect([state.mode, state.status]).toEqual([mode, status])
    expect(nextAction(state)).toBe(next)
  })

  it('is named for every mode and status that any history leads to', async ({ task: { name } }) => {
    await checkProperty(name, file, histories, async (steps) => {
      const { state } = runOf(steps)
      expect([state.mode, state.status, table[state.mode][state.status]]).not.toContain(null)
      expect(nextAction(state)).toMatch(/^[a-z][^\n]+[a-z)]$/)
    })
  })

  it.each([
    ['nothing was opened', () => initialState(), 'open the run'],
    [
      'many came back',
      () => given({}, dispatch(...'abcdefg'), ...[...'abcdefg'].map((id) => receipt(id))).state,
      'evaluate what came back of 7 tasks (a, b, c, d, e, …): accept, reject or retry each',
    ],
    [
      'a task has stopped',
      () => given({ attemptsMax: 1 }, dispatch('a'), failed('a'), pause).state,
      'decide what becomes of task a, which stopped: retry, abandon or cancel each',
    ],
    [
      'a task waits for its time',
      () => given({}, dispatch(waiting(9_000))).state,
      'wait: 1 planned task will go out by itself',
    ],
    [
      'a task waits, and nothing may go out any more',
      () => given({ tokensMax: 5 }, dispatch(waiting(9_000)), ...spent, accepted).state,
      'wait for 1 planned task to stop in turn, or cancel them: tokensMax is used up',
    ],
    [
      'a criterion is open',
      () => new GivenRun().and(open({}, ['it is done']), passGates, ...settled('a')).state,
      'nothing is out and success criterion 1 has no evidence: dispatch work for it, or record evidence',
    ],
    [
      'a criterion is open, and nothing may go out any more',
      () => new GivenRun().and(open({ tokensMax: 5 }, ['it is done']), passGates, ...spent, accepted).state,
      'nothing is out and success criterion 1 has no evidence: no work can be dispatched (tokensMax is used up), so record evidence, or fail the run',
    ],
    ['all is settled', () => given({}, ...settled('a')).state, 'complete the run, or dispatch more work'],
    [
      'all is settled and spent',
      () => given({ tokensMax: 5 }, ...spent, accepted).state,
      'complete the run, or fail it',
    ],
    [
      'its coordinator let it go',
      () => given({}, dispatch('a'), { type: 'release', reason }).state,
      'open the run, which nobody holds; then wait for 1 attempt that is out',
    ],
  ])('when %s', (_, state, next) => {
    expect(nextAction(state())).toBe(next)
  })
})
