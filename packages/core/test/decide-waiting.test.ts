import { describe, expect, it } from 'vitest'
import type { CommandInput } from '../src/protocol/commands.js'
import { dispatch, failed, given, receipt, settled, task } from './given-run.js'

const reason = 'because'
const to = (type: 'pause' | 'unpause' | 'block' | 'unblock'): CommandInput => ({ type, reason })
const complete: CommandInput = { type: 'complete', summary: 'all done' }
const fail: CommandInput = { type: 'fail', reason }

describe('pausing and blocking', () => {
  it('is recorded with its reason, and undone', () => {
    const run = given()
    for (const [on, off] of [
      ['pause', 'unpause'],
      ['block', 'unblock'],
    ] as const) {
      expect(run.when(to(on)).events).toMatchObject([{ type: `${on}${on === 'pause' ? 'd' : 'ed'}`, data: { reason } }])
      run.and(to(on), to(off))
      expect(run.state).toMatchObject({ status: 'running', pausedReason: null, blockedReason: null })
    }
  })

  it('lets what is out come back and be settled', () => {
    for (const step of [to('pause'), to('block')])
      given({}, dispatch('a'), step, receipt('a'), { type: 'accept', taskId: 'a' })
  })

  it('is refused when nothing would change', () => {
    given({}, to('pause')).when(to('pause')).isRefused('NO_CHANGE')
    given({}, to('block')).when(to('block')).isRefused('NO_CHANGE')
    given().when(to('unpause')).isRefused('NO_CHANGE')
    given().when(to('unblock')).isRefused('NO_CHANGE')
  })

  it('of a paused run is not possible, nor the other way round: one reason at a time', () => {
    given({}, to('pause')).when(to('block')).isRefused('ILLEGAL_TRANSITION')
    given({}, to('block')).when(to('pause')).isRefused('ILLEGAL_TRANSITION')
  })
})

describe('completing', () => {
  it('closes the run and gives the lock back, in one decision', () => {
    const run = given({}, ...settled('a'))
    run.when(complete).gives('run-completed')
    expect(run.and(complete).state).toMatchObject({
      mode: 'closed',
      status: 'complete',
      closing: 'all done',
      lock: null,
    })
  })

  it('is possible for a run without tasks', () => {
    given().when(complete).gives('run-completed')
  })

  it('is refused while any task is planned, out, received or stopped, and says which', () => {
    const runs = [
      given({}, to('pause'), dispatch('a'), to('unpause')),
      given({}, dispatch('a')),
      given({}, dispatch('a'), receipt('a')),
      given({ attemptsMax: 1 }, dispatch('a'), failed('a')),
    ]
    for (const run of runs) {
      const { decision } = run.when(complete).isRefused('UNSETTLED')
      expect(decision).toMatchObject({ refusal: { details: { taskIds: ['a'] } } })
    }
  })

  it('is refused while the run is paused or blocked', () => {
    given({}, to('pause')).when(complete).isRefused('ILLEGAL_TRANSITION')
    given({}, to('block')).when(complete).isRefused('ILLEGAL_TRANSITION')
  })

  it('first leaves the mode awaiting when the last settlement stands in the same commit', () => {
    const run = given({}, dispatch('a'))
    run.state.tasks.clear()
    run.when(complete).gives('mode-changed awaiting dispatching', 'run-completed')
    run.state.pausedReason = reason
    run.when(complete).isRefused('ILLEGAL_TRANSITION')
  })
})

describe('failing', () => {
  it('closes the run whatever is open, and takes back what is out', () => {
    const run = given({}, dispatch('a', 'b', task('c', { after: ['a'] })), receipt('b'))
    const { withdrawals } = run.when(fail).gives('run-failed').allowed
    expect(withdrawals).toEqual([{ taskId: 'a', attempt: 1 }])
    expect(run.and(fail).state).toMatchObject({ mode: 'closed', status: 'failed', closing: reason })
  })

  it('is possible while paused or blocked', () => {
    for (const step of [to('pause'), to('block')]) given({}, step).when(fail).gives('run-failed')
  })
})

describe('a run that has ended', () => {
  it('takes no more commands, receipts and takeovers included', () => {
    const taking = { type: 'take-over', holder: { id: 'x', host: 'h', pid: 1 }, reason: 'free' } as const
    for (const end of [complete, fail]) {
      for (const step of [dispatch('a'), to('pause'), complete, fail, receipt('a'), taking]) {
        given({}, end).when(step).isRefused('RUN_CLOSED')
      }
    }
  })
})

describe('keeping records', () => {
  it('sets a checkpoint, the newest of which counts', () => {
    const run = given({}, { type: 'set-checkpoint', dueAt: '2026-02-01T00:00:00.000Z', note: 'first' })
    run.and({ type: 'set-checkpoint', dueAt: '2026-03-01T00:00:00.000Z', note: 'second' })
    expect(run.state.checkpoint).toEqual({ dueAt: '2026-03-01T00:00:00.000Z', note: 'second' })
  })

  it('adds a note', () => {
    const { events } = given().when({ type: 'note', text: 'look here' }).gives('note-added')
    expect(events[0]?.data).toEqual({ text: 'look here' })
  })

  it('counts rounds as they are closed', () => {
    const close: CommandInput = { type: 'close-round', summary: 'went well' }
    given({}, close, close).when(close).gives('round-closed 3')
  })

  it('records a command that was refused, with its code and a bounded message', () => {
    const refusal = { code: 'TASK_UNKNOWN', message: 'x'.repeat(9999) } as const
    const { events } = given()
      .when({ type: 'refuse-command', command: 'accept', refusal })
      .gives('command-refused accept TASK_UNKNOWN')
    expect(events[0]).toMatchObject({ data: { message: 'x'.repeat(2048) } })
  })
})
