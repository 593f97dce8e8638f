import { describe, expect, it } from 'vitest'
import { initialState, reduceCommit, reduceEvent } from '../src/flow/reduce-event.js'
import { ChainReader } from '../src/log/chain-reader.js'
import type { RunEvent } from '../src/protocol/events.js'
import type { TaskId } from '../src/protocol/ids.js'
import { packSettled, settledDepth, settledOutcome } from '../src/protocol/state.js'
import { dispatch, failed, given, receipt, settled, task } from './given-run.js'

/** A run through most of what can happen. */
const busy = () =>
  given({ inFlightMax: 2, attemptTimeoutMs: 1000, tasksMax: 8, retryBackoffMs: 10 }, dispatch('a', 'b', 'c'))
    .and(dispatch(task('d', { after: ['a'], priority: 9 }), task('e', { notBefore: '2026-01-01T00:00:00.500Z' })))
    .and(receipt('a', { usage: { durationMs: 1, tokens: 3, costUsd: 0.1 } }), failed('b'), receipt('zzz'))
    .and(
      { type: 'accept', taskId: 'a' },
      { type: 'advance' },
      { type: 'pause', reason: 'x' },
      { type: 'unpause', reason: 'y' },
    )
    .later(1000)
    .and({ type: 'expire-attempts' }, { type: 'cancel', taskId: 'e', reason: 'x' }, dispatch('f', 'g', 'h', 'i'))
    .and({ type: 'set-checkpoint', dueAt: '2026-02-01T00:00:00.000Z', note: '' }, { type: 'close-round', summary: 's' })

describe('folding a log', () => {
  it('gives the same state from its text as step by step', () => {
    const run = busy()
    const chain = new ChainReader()
    const replayed = run.lines.map((line) => chain.next(line)).reduce(reduceCommit, initialState())
    expect(replayed).toStrictEqual(run.state)
  })

  it('stops at a change of mode that the table does not allow', () => {
    const { state } = given({}, dispatch('a'))
    const data = { from: 'awaiting', to: 'awaiting', reason: 'x' } as const
    expect(() => reduceEvent(state, { type: 'mode-changed', v: 1, data })).toThrow(/leads from awaiting to awaiting/)
  })

  it('gives the same state from events as they were decided as from what a reader parses', () => {
    const run = given({}, dispatch('a'), receipt('a'))
    const before = structuredClone(run.state)
    const { events } = run.when(
      dispatch('b', task('c', { after: ['b'] }), task('d', { notBefore: '2027-01-01T00:00:00.000Z' })),
    )
    const parsed = JSON.parse(JSON.stringify(events)) as RunEvent[]
    expect(reduceCommit(run.state, { at: run.context.now, events })).toStrictEqual(
      reduceCommit(before, { at: run.context.now, events: parsed }),
    )
  })

  it('knows the version, epoch and time of what it has folded', () => {
    const { state } = given({}, { type: 'note', text: 'x' })
    expect([state.version, state.epoch, state.at, state.openedAt]).toEqual([
      5,
      2,
      '2026-01-01T00:00:00.000Z',
      '2026-01-01T00:00:00.000Z',
    ])
  })

  it('keeps counters that equal the tables they count', () => {
    const { tasks, counts, received, stopped, ready } = busy().state
    const phases = [...tasks.values()].map(({ phase }) => phase)
    for (const phase of ['planned', 'out', 'received', 'stopped'] as const) {
      expect(counts[phase], phase).toBe(phases.filter((each) => each === phase).length)
    }
    expect([received.size, stopped.size]).toEqual([counts.received, counts.stopped])
    expect(counts.tasks).toBe(tasks.size + counts.accepted + counts.cancelled + counts.abandoned)
    for (const id of ready.flatMap((ids) => [...ids])) expect(tasks.get(id)?.phase).toBe('planned')
  })

  it('changes tables in place: a million events copy none', () => {
    let state = given({}, dispatch('a')).state
    const { tasks, settled: done, ready, senders, counts } = state
    const event: RunEvent = { type: 'note-added', v: 1, data: { text: 'x' }, cause: { sender: 'w', seq: 1 } }
    for (let i = 0; i < 1_000_000; i++) state = reduceEvent(state, event)
    expect(state.version).toBeGreaterThan(1_000_000)
    for (const [now, before] of [
      [state.tasks, tasks],
      [state.settled, done],
      [state.ready, ready],
      [state.senders, senders],
      [state.counts, counts],
    ]) {
      expect(now).toBe(before)
    }
  })

  it('keeps of a settled task its id, outcome and depth, and nothing else', () => {
    const { state } = given({}, ...settled('a'), dispatch(task('b', { parent: 'a' })), {
      type: 'abandon',
      taskId: 'b',
      reason: 'x',
    })
    expect([...state.settled]).toEqual([
      ['a', packSettled('accepted', 0)],
      ['b', packSettled('abandoned', 1)],
    ])
    expect([state.tasks.size, state.dependents.size, state.delayed.length, state.received.size]).toEqual([0, 0, 0, 0])
  })

  it('forgets a delay once its task does not wait for it any more', () => {
    const { state } = given({}, dispatch(task('a', { notBefore: '2027-01-01T00:00:00.000Z' })), {
      type: 'cancel',
      taskId: 'a',
      reason: 'x',
    })
    expect(state.delayed).toEqual([])
  })

  it('stops at an event about a task that is not open, which no decision makes', () => {
    const event: RunEvent = { type: 'task-accepted', v: 1, data: { taskId: 'ghost' as TaskId, attempt: 1 } }
    expect(() => reduceEvent(given().state, event)).toThrow(/invariant broken/)
  })

  it('marks the message that an event answers as decided', () => {
    const event: RunEvent = { type: 'note-added', v: 1, data: { text: 'x' }, cause: { sender: 'cli', seq: 1 } }
    expect(reduceEvent(given().state, event).senders.get('cli')).toEqual({ next: 2, ahead: new Set() })
  })
})

describe('the packed outcome of a settled task', () => {
  it.each(['accepted', 'cancelled', 'abandoned'] as const)('gives %s back at any depth', (outcome) => {
    for (const depth of [0, 1, 64]) {
      const packed = packSettled(outcome, depth)
      expect([settledOutcome(packed), settledDepth(packed)]).toEqual([outcome, depth])
    }
  })
})
