import { describe, expect, it } from 'vitest'
import { decideCommand } from '../src/flow/decide-command.js'
import type { DecideContext } from '../src/flow/decision.js'
import { permissionsOf } from '../src/flow/permissions.js'
import { type Command, type CommandInput, commandSchema } from '../src/protocol/commands.js'
import type { RunState } from '../src/protocol/state.js'
import { epochMs } from '../src/protocol/time.js'
import { histories, runOf } from './any-history.js'
import { briefed } from './briefed-run.js'
import { dispatch, failed, GivenRun, given, open, passGates, receipt, settled } from './given-run.js'
import { checkProperty } from './property-run.js'

const file = 'packages/core/test/permissions.test.ts'
const reason = 'because'

/** Every way to try a command on a run, by the type of the command. */
function trials(state: RunState): Record<Command['type'], CommandInput[]> {
  const tasks = [...state.tasks.keys()]
  const criteria = state.criteria.map((_, i) => i + 1)
  const ofTask = (type: 'reject' | 'retry' | 'cancel' | 'abandon') =>
    tasks.map((taskId): CommandInput => ({ type, taskId, reason }))
  return {
    dispatch: [dispatch('not-there-yet')],
    accept: tasks.map((taskId) => ({ type: 'accept', taskId })),
    reject: ofTask('reject'),
    retry: ofTask('retry'),
    cancel: ofTask('cancel'),
    abandon: ofTask('abandon'),
    pause: [{ type: 'pause', reason }],
    unpause: [{ type: 'unpause', reason }],
    block: [{ type: 'block', reason }],
    unblock: [{ type: 'unblock', reason }],
    'meet-criterion': criteria.map((criterion) => ({ type: 'meet-criterion', criterion, evidence: reason })),
    'reopen-criterion': criteria.map((criterion) => ({ type: 'reopen-criterion', criterion, reason })),
    complete: [{ type: 'complete', summary: reason }],
    fail: [{ type: 'fail', reason }],
    'set-checkpoint': [{ type: 'set-checkpoint', dueAt: '2026-03-01T00:00:00.000Z', note: reason }],
    note: [{ type: 'note', text: reason }],
    'close-round': [{ type: 'close-round', summary: reason }],
    round: [
      {
        type: 'round',
        summary: reason,
        decide: [{ type: 'set-checkpoint', dueAt: '2026-03-01T00:00:00.000Z', note: reason }],
      },
    ],
  }
}

/** Whether somebody with a token of this very version may do one of these. */
function mayDo(state: RunState, commands: readonly CommandInput[]): boolean {
  const { version, epoch, at } = state
  const context: DecideContext = {
    ...{ now: at, nowMs: epochMs(at), holderId: state.lock?.holder.id ?? 'somebody' },
    basis: { version, epoch },
  }
  return commands.some((command) => {
    const decision = decideCommand(state, commandSchema.parse(command), context)
    if (!decision.ok) expect(decision.refusal.code).not.toBe('STALE_CONTEXT')
    return decision.ok && decision.refused.length === 0
  })
}

function expectAgreement(state: RunState): void {
  const told = permissionsOf(state, decideCommand)
  const tried = trials(state)
  const [first] = told
  if (first?.command === 'any') {
    expect([told.length, first.allowed]).toEqual([1, false])
    expect(Object.values(tried).filter((commands) => mayDo(state, commands))).toEqual([])
    return
  }
  expect(told.map(({ command }) => command).sort()).toEqual(Object.keys(tried).sort())
  for (const { command, allowed, why } of told) {
    expect([command, allowed, why], why).toEqual([command, mayDo(state, tried[command as Command['type']]), why])
    expect(why).not.toBe('')
  }
}

describe('what a briefing says may be done', () => {
  it('is what may be done with a token of its version, for every command, after any history', async ({
    task: { name },
  }) => {
    await checkProperty(name, file, histories, async (steps) => expectAgreement(runOf(steps).state))
  })

  it('names every command, and tries none of them on the run itself', () => {
    const run = given({}, dispatch('a', 'b'), receipt('a'))
    const before = JSON.stringify([...run.state.tasks])
    expectAgreement(run.state)
    expect(JSON.stringify([...run.state.tasks])).toBe(before)
  })

  it('counts an attempt that is used up as nothing to try again', () => {
    const run = given({ attemptsMax: 1 }, dispatch('a'), failed('a'))
    const retry = briefed(run).may.find(({ command }) => command === 'retry')
    expect(retry).toMatchObject({ allowed: false, why: expect.stringContaining('has used its 1 attempts') })
    expectAgreement(run.state)
  })

  it.each([
    ['one that has ended', () => given({}, { type: 'fail', reason }), 'the run is failed; open a new one'],
    [
      'one that nobody holds',
      () => given({}, { type: 'release', reason }),
      'nobody holds the run: open it, then ask for a new briefing',
    ],
    [
      'one that was never resumed',
      () => new GivenRun().and(open()),
      'the resume gates have not passed yet: open the run, then ask for a new briefing',
    ],
  ])('is nothing at all of %s, with the reason', (_, make, why) => {
    const { state } = make()
    expect(permissionsOf(state, decideCommand)).toEqual([{ command: 'any', allowed: false, why }])
    expectAgreement(state)
  })

  it.each([
    ['free slots', given({ inFlightMax: 3 }, dispatch('a')), true, '2 slots free'],
    ['no slot', given({ inFlightMax: 1 }, dispatch('a')), true, 'no slot is free; tasks are planned'],
    [
      'a pause',
      given({}, { type: 'pause', reason }),
      true,
      'but nothing goes out: the run is paused; tasks are planned',
    ],
    [
      'a receipt',
      given({}, dispatch('a'), receipt('a')),
      false,
      '1 receipt must be decided first, or in the same round (EVALUATE_FIRST)',
    ],
    ['tasksMax', given({ tasksMax: 1 }, ...settled('a')), false, 'tasksMax is 1 and the run stands at 1'],
    [
      'spent tokens',
      given({ tokensMax: 5 }, dispatch('a'), receipt('a', { usage: { durationMs: 1, tokens: 6 } }), {
        type: 'accept',
        taskId: 'a',
      }),
      false,
      'tokensMax is 5 and the run stands at 6',
    ],
  ])('says of a dispatch with %s what would become of it', (_, run, allowed, why) => {
    expect(briefed(run).may[0]).toEqual({ command: 'dispatch', allowed, why })
    expectAgreement(run.state)
  })

  it('is open again to everything once the gates have passed', () => {
    const run = new GivenRun().and(open(), passGates)
    expect(
      briefed(run)
        .may.filter(({ allowed }) => allowed)
        .map(({ command }) => command),
    ).toEqual([...['dispatch', 'pause', 'block', 'complete', 'fail', 'set-checkpoint', 'note', 'close-round', 'round']])
  })
})
