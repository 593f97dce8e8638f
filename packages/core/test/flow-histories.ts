import fc from 'fast-check'
import { expect } from 'vitest'
import { modeTable } from '../src/flow/mode-table.js'
import { reduceEvent } from '../src/flow/reduce-event.js'
import { statusTable } from '../src/flow/status-table.js'
import type { RoundCommand } from '../src/protocol/commands.js'
import type { PolicyInput } from '../src/protocol/policy.js'
import { dispatch, failed, GivenRun, open, passGates, receipt, type Step, task } from './given-run.js'

/** Tight enough for every limit to be met within a few steps. */
export const tightPolicy = {
  inFlightMax: 3,
  tasksMax: 7,
  depthMax: 1,
  attemptsMax: 3,
  tokensMax: 40,
  attemptTimeoutMs: 500,
  retryBackoffMs: 50,
}

export const anyTaskId = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i')
const inAWhile = '2026-01-01T00:00:00.800Z'

const aboutATask = fc
  .tuple(fc.constantFrom('reject', 'retry', 'cancel', 'abandon'), anyTaskId)
  .map(([type, taskId]) => ({ type: type as 'reject', taskId, reason: 'x' }))

/** What a round may do, sensible or not. */
const anyRoundCommand: fc.Arbitrary<RoundCommand> = fc.oneof(
  { weight: 3, arbitrary: anyTaskId.map((taskId): RoundCommand => ({ type: 'accept', taskId })) },
  { weight: 3, arbitrary: fc.uniqueArray(anyTaskId, { maxLength: 3 }).map((ids) => dispatch(...ids) as RoundCommand) },
  aboutATask,
  fc.constantFrom('pause', 'unpause', 'block', 'unblock').map((type) => ({ type: type as 'pause', reason: 'x' })),
  fc
    .integer({ min: 1, max: 3 })
    .map((criterion): RoundCommand => ({ type: 'meet-criterion', criterion, evidence: 'e' })),
  fc.constant<RoundCommand>({ type: 'note', text: 'n' }),
)

/** Any command, sensible or not, about any task; or time that passes. */
export const anyStep: fc.Arbitrary<Step | number> = fc.oneof(
  { weight: 4, arbitrary: fc.uniqueArray(anyTaskId, { maxLength: 4 }).map((ids) => dispatch(...ids)) },
  fc.tuple(anyTaskId, anyTaskId).map(([child, parent]) => dispatch(task(child, { parent }))),
  fc
    .tuple(anyTaskId, anyTaskId)
    .map(([later, first]) => dispatch(task(later, { after: [first], notBefore: inAWhile }))),
  { weight: 4, arbitrary: anyTaskId.map((each) => receipt(each, { usage: { durationMs: 1, tokens: 2 } })) },
  anyTaskId.map((each) => receipt(each, { attempt: 1, receiptId: 'an-old-receipt' })),
  anyTaskId.map((each) => failed(each)),
  { weight: 4, arbitrary: anyTaskId.map((taskId): Step => ({ type: 'accept', taskId })) },
  aboutATask,
  fc.constantFrom('pause', 'unpause', 'block', 'unblock').map((type): Step => ({ type: type as 'pause', reason: 'x' })),
  { weight: 3, arbitrary: fc.constant<Step>({ type: 'advance' }) },
  fc.constant<Step>({ type: 'expire-attempts' }),
  fc.constant<Step>({ type: 'take-over', holder: { id: 'coordinator-1', host: 'h', pid: 9 }, reason: 'process-gone' }),
  { weight: 3, arbitrary: fc.constant<Step>(passGates) },
  fc.integer({ min: 1, max: 700 }),
  fc
    .tuple(fc.array(aboutATask, { maxLength: 2 }), fc.array(anyRoundCommand, { maxLength: 3 }))
    .map(([recover, decide]): Step => ({ type: 'round', recover, decide, summary: 's' })),
  anyRoundCommand.map((command): Step => command),
)

/** What ends a coordinator's turn or the run: rare, since little follows. */
export const anyEnding: fc.Arbitrary<Step> = fc.constantFrom<Step>(
  { type: 'release', reason: 'closed' },
  { type: 'complete', summary: 's' },
  { type: 'fail', reason: 'x' },
  { type: 'take-over', holder: { id: 'coordinator-1', host: 'h', pid: 9 }, reason: 'forced' },
)

/** Decides a step and folds it if it is allowed. */
function take(run: GivenRun, step: Step | number): void {
  if (typeof step === 'number') return void run.later(step)
  const before = { mode: run.state.mode, status: run.state.status }
  const decision = run.decide(step)
  if (!decision.ok) return
  let { mode } = before
  for (const { type, data } of decision.events) {
    if (type !== 'mode-changed') continue
    expect([data.from, modeTable[data.from][data.to]]).toEqual([mode, true])
    mode = data.to
  }
  expect(decision.events.every(({ type }) => type !== 'dispatched') || mode === 'dispatching').toBe(true)
  // Event by event: a round may unpause and complete.
  const walk = structuredClone(run.state)
  for (const event of decision.events) {
    const { status } = walk
    reduceEvent(walk, event)
    expect(statusTable[status][walk.status]).toBe(true)
  }
  run.commit(decision.events)
  expect(statusTable[walk.status][run.state.status] || walk.status === run.state.status).toBe(true)
  const isRound = typeof step === 'object' && step.type === 'round'
  expect(isRound || statusTable[before.status][run.state.status]).toBe(true)
}

export const anyHistory = fc.array(anyStep, { minLength: 5, maxLength: 50 })

/** A run with three success criteria, after all of these steps that it allows. */
export function runAfter(
  steps: readonly (Step | number)[],
  check: (run: GivenRun) => void = () => {},
  policy: PolicyInput = tightPolicy,
): GivenRun {
  const run = new GivenRun().and(open(policy, ['one', 'two', 'three']), passGates)
  for (const step of steps) {
    take(run, step)
    check(run)
  }
  return run
}
