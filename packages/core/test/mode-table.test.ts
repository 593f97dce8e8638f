import { describe, expect, it } from 'vitest'
import type { InternalCommand } from '../src/flow/decide-command.js'
import { commandTable, modeTable, restingMode } from '../src/flow/mode-table.js'
import type { CommandInput } from '../src/protocol/commands.js'
import { type Mode, modes } from '../src/protocol/events.js'
import { dispatch, GivenRun, given, open, passGates, receipt, settled } from './given-run.js'

const runIn: Record<Mode, () => GivenRun> = {
  recovering: () => new GivenRun().and(open()),
  dispatching: () => given({}, ...settled('z')),
  awaiting: () => given({}, dispatch('a')),
  evaluating: () => given({}, dispatch('a'), receipt('a')),
  closed: () => given({}, { type: 'complete', summary: 'all done' }),
}

const reason = 'because'
const ofTask = { taskId: 'a', reason }
const commands = {
  dispatch: dispatch('b'),
  advance: { type: 'advance' },
  'record-receipts': { type: 'record-receipts', receipts: [] },
  'expire-attempts': { type: 'expire-attempts' },
  'finish-resume': passGates(),
  'refuse-command': { type: 'refuse-command', command: 'x', refusal: { code: 'INVALID_INPUT', message: 'no' } },
  release: { type: 'release', reason },
  accept: { type: 'accept', taskId: 'a' },
  reject: { type: 'reject', ...ofTask },
  retry: { type: 'retry', ...ofTask },
  cancel: { type: 'cancel', ...ofTask },
  abandon: { type: 'abandon', ...ofTask },
  pause: { type: 'pause', reason },
  unpause: { type: 'unpause', reason },
  block: { type: 'block', reason },
  unblock: { type: 'unblock', reason },
  'set-checkpoint': { type: 'set-checkpoint', dueAt: '2026-01-02T00:00:00.000Z', note: '' },
  note: { type: 'note', text: reason },
  'meet-criterion': { type: 'meet-criterion', criterion: 1, evidence: reason },
  'reopen-criterion': { type: 'reopen-criterion', criterion: 1, reason },
  'close-round': { type: 'close-round', summary: reason },
  round: { type: 'round', summary: reason },
  complete: { type: 'complete', summary: reason },
  fail: { type: 'fail', reason },
} satisfies Record<keyof typeof commandTable, CommandInput | InternalCommand>

/** One line per command, one column per mode: recovering, dispatching, awaiting, evaluating, closed. */
const expected: Record<keyof typeof commandTable, string> = {
  dispatch: 'refuse go shift shift refuse',
  advance: 'refuse go shift shift refuse',
  'record-receipts': 'go go go go refuse',
  'expire-attempts': 'refuse go go go refuse',
  'finish-resume': 'go refuse refuse refuse refuse',
  'refuse-command': 'go go go go refuse',
  release: 'go go go go refuse',
  accept: 'refuse go go go refuse',
  reject: 'refuse go go go refuse',
  retry: 'refuse go go go refuse',
  cancel: 'refuse go go go refuse',
  abandon: 'refuse go go go refuse',
  pause: 'refuse go go go refuse',
  unpause: 'refuse go go go refuse',
  block: 'refuse go go go refuse',
  unblock: 'refuse go go go refuse',
  'set-checkpoint': 'refuse go go go refuse',
  note: 'refuse go go go refuse',
  'meet-criterion': 'refuse go go go refuse',
  'reopen-criterion': 'refuse go go go refuse',
  'close-round': 'refuse go go go refuse',
  round: 'refuse go go go refuse',
  complete: 'refuse go go go refuse',
  fail: 'refuse go go go refuse',
}
const names = Object.keys(commandTable) as (keyof typeof commandTable)[]
const commandCells = names.flatMap((name) =>
  modes.map((mode, i) => [name, mode, expected[name].split(' ')[i] ?? ''] as const),
)

describe('command × mode', () => {
  it('has a cell for every command and every mode', () => {
    expect(Object.keys(expected).sort()).toEqual([...names].sort())
    for (const name of names) expect(Object.keys(commandTable[name])).toEqual(modes)
  })

  it.each(commandCells)('the table says what becomes of the command %s in the mode %s: %s', (name, mode, need) => {
    expect(commandTable[name][mode]).toBe(need)
  })

  it.each(commandCells)(
    'the decision on the command %s in the mode %s does as the table says: %s',
    (name, mode, need) => {
      const run = runIn[mode]()
      expect(run.state.mode).toBe(mode)
      const { decision } = run.when(commands[name])
      if (mode === 'closed') return expect(decision).toMatchObject({ refusal: { code: 'RUN_CLOSED' } })
      if (need === 'refuse') return expect(decision).toMatchObject({ refusal: { code: 'MODE_MISMATCH' } })
      if (!decision.ok) return expect(decision.refusal.code).not.toBe('MODE_MISMATCH')
      const changes = decision.events.filter(({ type }) => type === 'mode-changed')
      const dispatches = decision.events.some(({ type }) => type === 'dispatched')
      if (name === 'dispatch' || name === 'advance')
        expect(changes).toHaveLength(need === 'shift' && dispatches ? 1 : 0)
    },
  )
})

const modeCells: [Mode, Mode, boolean][] = [
  ['recovering', 'recovering', false],
  ['recovering', 'dispatching', true],
  ['recovering', 'awaiting', true],
  ['recovering', 'evaluating', true],
  ['recovering', 'closed', false],
  ['dispatching', 'recovering', true],
  ['dispatching', 'dispatching', false],
  ['dispatching', 'awaiting', true],
  ['dispatching', 'evaluating', true],
  ['dispatching', 'closed', true],
  ['awaiting', 'recovering', true],
  ['awaiting', 'dispatching', true],
  ['awaiting', 'awaiting', false],
  ['awaiting', 'evaluating', true],
  ['awaiting', 'closed', true],
  ['evaluating', 'recovering', true],
  ['evaluating', 'dispatching', true],
  ['evaluating', 'awaiting', true],
  ['evaluating', 'evaluating', false],
  ['evaluating', 'closed', true],
  ['closed', 'recovering', false],
  ['closed', 'dispatching', false],
  ['closed', 'awaiting', false],
  ['closed', 'evaluating', false],
  ['closed', 'closed', false],
]

describe('mode × mode', () => {
  it('has a cell for every pair', () => {
    expect(modeCells.map(([from, to]) => [from, to])).toEqual(modes.flatMap((from) => modes.map((to) => [from, to])))
  })

  it.each(modeCells)('a run in the mode %s may go to %s: %s', (from, to, may) => {
    expect(modeTable[from][to]).toBe(may)
  })
})

describe('the mode that a commit leaves behind', () => {
  it('is evaluating while receipts wait, awaiting while attempts are out or planned, else dispatching', () => {
    for (const mode of ['dispatching', 'awaiting', 'evaluating'] as const) {
      expect(restingMode(runIn[mode]().state)).toBe(mode)
    }
    const planned = given({}, { type: 'pause', reason }, dispatch('a'))
    expect(restingMode(planned.state)).toBe('awaiting')
  })
})
