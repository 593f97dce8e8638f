import { describe, expect, it } from 'vitest'
import type { InternalCommand } from '../src/flow/decide-command.js'
import { budgetEvidence } from '../src/flow/decide-lock.js'
import { resumeGates } from '../src/protocol/events.js'
import type { TaskId } from '../src/protocol/ids.js'
import { dispatch, GivenRun, given, open, passGates, receipt, settled } from './given-run.js'

const other = { id: 'coordinator-2', host: 'host-2', pid: 7 }
const takeOver: InternalCommand = { type: 'take-over', holder: other, reason: 'lease-expired' }
const note = { type: 'note', text: 'here' } as const

/** The run as `other` has taken it over. */
function takenOver(run: GivenRun): GivenRun {
  run.and(takeOver)
  run.holderId = other.id
  return run
}

describe('opening a run', () => {
  it('records what the run is for and who holds it, in one decision', () => {
    new GivenRun().when(open()).gives('run-opened', 'lock-acquired coordinator-1 opened')
  })

  it('is refused when the run exists', () => {
    given().when(open()).isRefused('RUN_OPEN')
  })

  it('comes before every other command', () => {
    for (const command of [takeOver, passGates(), note, dispatch('a')]) {
      new GivenRun().when(command).isRefused('RUN_UNKNOWN')
    }
  })

  it('makes the version of its lock-acquired event the epoch', () => {
    const run = new GivenRun().and(open())
    expect([run.state.version, run.state.epoch, run.state.mode]).toEqual([2, 2, 'recovering'])
  })
})

describe('taking a run over', () => {
  it('names who held it, and goes back to recovering', () => {
    const { events } = given({}, dispatch('a')).when(takeOver)
    expect(events.map(({ data }) => data)).toEqual([
      { holder: other, reason: 'lease-expired', takenFrom: { id: 'coordinator-1', host: 'host-1', pid: 1 } },
      { from: 'awaiting', to: 'recovering', reason: expect.any(String) },
    ])
  })

  it('names nobody when the lock was released', () => {
    const { events } = given({}, { type: 'release', reason: 'done here' }).when({ ...takeOver, reason: 'free' })
    expect(events[0]?.data).toEqual({ holder: other, reason: 'free' })
  })

  it('records no mode change when the last coordinator died while recovering', () => {
    new GivenRun().and(open()).when(takeOver).gives('lock-acquired coordinator-2 lease-expired')
  })

  it('raises the epoch each time', () => {
    const run = new GivenRun().and(open())
    const epochs = [takeOver, takeOver, takeOver].map((step) => run.and(step).state.epoch)
    expect(epochs).toEqual([3, 4, 5])
  })

  it('leaves the attempt that is out in the epoch that it was dispatched in', () => {
    const run = takenOver(given({}, dispatch('a')))
    const open = run.state.tasks.get('a' as TaskId)
    expect(open?.epoch).toBe(2)
    expect(run.state.epoch).toBeGreaterThan(2)
    run.when(receipt('a')).gives('receipt-received a 1')
  })

  it('is refused on a run that has ended', () => {
    given({}, { type: 'fail', reason: 'no' }).when(takeOver).isRefused('RUN_CLOSED')
  })
})

describe('the lock', () => {
  it('lets nobody but its holder decide', () => {
    const run = given()
    run.holderId = other.id
    for (const step of [note, dispatch('a'), { type: 'advance' }, { type: 'release', reason: 'x' }] as const) {
      run.when(step).isRefused('LOCK_LOST')
    }
  })

  it('is lost to the one who took it over', () => {
    const run = given({}, dispatch('a')).and(takeOver)
    run.when(receipt('a')).isRefused('LOCK_LOST')
  })

  it('is nobody’s after a release, which is possible while recovering too', () => {
    const release: InternalCommand = { type: 'release', reason: 'closing' }
    const run = new GivenRun().and(open(), release)
    run.when(note).isRefused('LOCK_LOST')
    expect(run.state.lock).toBe(null)
    given().when(release).gives('lock-released')
  })
})

describe('finishing a resume', () => {
  it('goes to evaluating when receipts wait, to awaiting when attempts are out, else to dispatching', () => {
    const cases = [
      [takenOver(given({}, dispatch('a', 'b'), receipt('a'))), 'evaluating'],
      [takenOver(given({}, dispatch('a'))), 'awaiting'],
      [takenOver(given({}, ...settled('a'))), 'dispatching'],
    ] as const
    for (const [run, mode] of cases) run.when(passGates()).gives('resumed', `mode-changed recovering ${mode}`)
  })

  it('offers again what is out, under the digest in the log', () => {
    const before = given({}).when(dispatch('a')).allowed.offers
    const { offers } = takenOver(given({}, dispatch('a'))).when(passGates()).allowed
    expect(offers).toEqual(before)
  })

  it('stays in recovering, on record, when a gate failed', () => {
    const gates = [...resumeGates.slice(0, 4).map((gate) => ({ gate, pass: true, evidence: '' }))]
    const run = takenOver(given())
    const step = { ...passGates(), gates: [...gates, { gate: 'mode', pass: false, evidence: 'no' }] } as InternalCommand
    run.when(step).gives('resumed')
    expect(run.and(step).state).toMatchObject({ mode: 'recovering', resumedEpoch: 2 })
    run.when(dispatch('a')).isRefused('MODE_MISMATCH')
  })

  it('is refused unless every gate is there, in order', () => {
    const run = takenOver(given())
    const all = resumeGates.map((gate) => ({ gate, pass: true, evidence: '' }))
    for (const gates of [[], all.slice(1), all.slice(0, -1), [...all].reverse()]) {
      run.when({ type: 'finish-resume', gates, corrections: [], redelivered: 0 }).isRefused('GATE_FAILED')
    }
  })

  it('marks the epoch as resumed', () => {
    const run = takenOver(given()).and(passGates())
    expect(run.state.resumedEpoch).toBe(run.state.epoch)
  })
})

describe('the evidence of the budget gate', () => {
  it('says what was spent, or which limit is used up', () => {
    const run = given({ tokensMax: 10 }, dispatch('a'))
    expect(budgetEvidence(run.state, run.context)).toBe('1 tasks, 0 tokens, 0 USD so far: within every limit')
    run.and(receipt('a', { usage: { durationMs: 1, tokens: 12 } }))
    expect(budgetEvidence(run.state, run.context)).toMatch(/^tokensMax is used up \(12 of 10\)/)
  })
})
