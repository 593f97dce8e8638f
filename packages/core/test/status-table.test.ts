import { describe, expect, it } from 'vitest'
import { openStatus, statusTable } from '../src/flow/status-table.js'
import type { CommandInput, RoundCommand } from '../src/protocol/commands.js'
import { type Status, statuses } from '../src/protocol/events.js'
import { dispatch, type GivenRun, given, receipt } from './given-run.js'

const reason = 'because'
const runIn: Record<Status, () => GivenRun> = {
  running: () => given(),
  'awaiting-result': () => given({}, dispatch('a')),
  paused: () => given({}, { type: 'pause', reason }),
  blocked: () => given({}, { type: 'block', reason }),
  complete: () => given({}, { type: 'complete', summary: reason }),
  failed: () => given({}, { type: 'fail', reason }),
}

/** One line per status, one column per status in the order of `statuses`: 1 where the run may go there. */
const expected: Record<Status, string> = {
  running: '1 1 1 1 1 1',
  'awaiting-result': '1 1 1 1 0 1',
  paused: '1 1 1 0 0 1',
  blocked: '1 1 0 1 0 1',
  complete: '0 0 0 0 0 0',
  failed: '0 0 0 0 0 0',
}
const cells = statuses.flatMap((from) =>
  statuses.map((to, i) => [from, to, expected[from].split(' ')[i] === '1'] as const),
)

/** What leads to a status, where a command does. */
const towards: Partial<Record<Status, CommandInput>> = {
  paused: { type: 'pause', reason },
  blocked: { type: 'block', reason },
  complete: { type: 'complete', summary: reason },
  failed: { type: 'fail', reason },
}

describe('status × status', () => {
  it('has a cell for every pair', () => {
    for (const from of statuses) expect(Object.keys(statusTable[from])).toEqual(statuses)
  })

  it.each(cells)('a run that is %s may become %s: %s', (from, to, may) => {
    expect(statusTable[from][to]).toBe(may)
  })

  it.each(cells)('the commands keep to it: %s to %s is %s', (from, to, may) => {
    const run = runIn[from]()
    expect(run.state.status).toBe(from)
    const command = towards[to]
    if (command === undefined) return
    const { decision } = run.when(command)
    if (decision.ok) {
      expect(may).toBe(true)
      expect(run.commit(decision.events).state.status).toBe(to)
    } else if (from === to) expect(['NO_CHANGE', 'RUN_CLOSED']).toContain(decision.refusal.code)
    else expect(may && decision.refusal.code !== 'UNSETTLED').toBe(false)
  })

  it.each(cells)('a round keeps to it as well: %s to %s is %s', (from, to, may) => {
    const command = towards[to]
    if (command === undefined) return
    const run = runIn[from]()
    const { version } = run.state
    const { decision } = run.when({ type: 'round', decide: [command as RoundCommand], summary: reason })
    if (decision.ok) {
      expect(may).toBe(true)
      expect(run.commit(decision.events).state).toMatchObject({ status: to, round: 1 })
      return
    }
    if (from === to) expect(['NO_CHANGE', 'RUN_CLOSED']).toContain(decision.refusal.code)
    else expect(may && decision.refusal.code !== 'UNSETTLED').toBe(false)
    expect(run.state).toMatchObject({ status: from, version, round: 0 })
  })

  it('a round may go through several statuses, each step of which the table allows', () => {
    const paused = runIn.paused()
    const round = (...decide: RoundCommand[]): CommandInput => ({ type: 'round', decide, summary: reason })
    paused.when(round({ type: 'block', reason })).isRefused('ILLEGAL_TRANSITION')
    paused.and(round({ type: 'unpause', reason }, { type: 'block', reason }))
    expect(paused.state).toMatchObject({ status: 'blocked', pausedReason: null, round: 1 })
    paused.when(round({ type: 'complete', summary: reason })).isRefused('ILLEGAL_TRANSITION')
    paused.and(round({ type: 'unblock', reason }, { type: 'complete', summary: reason }))
    expect(paused.state).toMatchObject({ status: 'complete', round: 2 })
  })

  it('a paused run goes back to running or to awaiting-result, whichever is true', () => {
    const unpause: CommandInput = { type: 'unpause', reason }
    expect(given({}, { type: 'pause', reason }, unpause).state.status).toBe('running')
    expect(given({}, dispatch('a'), { type: 'pause', reason }, unpause).state.status).toBe('awaiting-result')
  })
})

describe('the status of an open run', () => {
  it('is blocked or paused before anything else, then awaiting-result in the mode awaiting, else running', () => {
    const free = { pausedReason: null, blockedReason: null }
    expect(openStatus({ mode: 'awaiting', pausedReason: 'p', blockedReason: 'b' })).toBe('blocked')
    expect(openStatus({ mode: 'awaiting', pausedReason: 'p', blockedReason: null })).toBe('paused')
    expect(openStatus({ mode: 'awaiting', ...free })).toBe('awaiting-result')
    for (const mode of ['recovering', 'dispatching', 'evaluating'] as const) {
      expect(openStatus({ mode, ...free })).toBe('running')
    }
  })

  it('stays paused while results come back', () => {
    expect(given({}, dispatch('a'), { type: 'pause', reason }, receipt('a')).state.status).toBe('paused')
  })
})
