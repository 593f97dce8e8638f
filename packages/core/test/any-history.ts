import fc from 'fast-check'
import { dispatch, failed, GivenRun, open, passGates, receipt, type Step, task } from './given-run.js'

// Histories for what is told about a run: any commands with any reasons, in any order, and time that passes.

const policy = {
  ...{ inFlightMax: 3, tasksMax: 8, depthMax: 1, attemptsMax: 2, tokensMax: 16 },
  ...{ attemptTimeoutMs: 500, retryBackoffMs: 50, wallClockMsMax: 6_000 },
}
const criteria = ['every file is read', 'the sums agree']

const id = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i')
const text = fc.oneof(fc.constantFrom('x', 'because'), fc.string({ minLength: 1, maxLength: 900 }))
const ended = { message: 'it broke', stoppedAt: 'line 3', resumeInstructions: 'begin at line 4' }
const holder = { id: 'coordinator-1', host: 'h', pid: 9 }

const anyStep: fc.Arbitrary<Step | number> = fc.oneof(
  { weight: 5, arbitrary: fc.uniqueArray(id, { maxLength: 4 }).map((ids): Step => dispatch(...ids)) },
  fc.tuple(id, id).map(([later, first]) => dispatch(task(later, { after: [first] }))),
  fc.tuple(id, fc.integer({ min: 1, max: 2_000 })).map(
    ([later, ms]): Step =>
      (run) => {
        const notBefore = new Date(run.nowMs + ms).toISOString()
        return dispatch(task(later, { notBefore })) as ReturnType<Extract<Step, (run: GivenRun) => unknown>>
      },
  ),
  {
    weight: 5,
    arbitrary: fc
      .tuple(id, text)
      .map(([each, output]) => receipt(each, { output, usage: { durationMs: 1, tokens: 4 } })),
  },
  id.map((each) => receipt(each, { status: 'partial', error: ended })),
  id.map((each) => failed(each)),
  id.map((each) => failed(each, { ...ended, retryable: false })),
  { weight: 4, arbitrary: id.map((taskId): Step => ({ type: 'accept', taskId })) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom('reject' as const, 'retry' as const, 'cancel' as const, 'abandon' as const), id, text)
      .map(([type, taskId, reason]): Step => ({ type, taskId, reason })),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom('pause' as const, 'unpause' as const, 'block' as const, 'unblock' as const), text)
      .map(([type, reason]): Step => ({ type, reason })),
  },
  fc
    .tuple(fc.constantFrom(1, 2), text)
    .map(([criterion, evidence]): Step => ({ type: 'meet-criterion', criterion, evidence })),
  fc
    .tuple(fc.constantFrom(1, 2), text)
    .map(([criterion, reason]): Step => ({ type: 'reopen-criterion', criterion, reason })),
  text.map((note): Step => ({ type: 'note', text: note })),
  text.map((note): Step => ({ type: 'set-checkpoint', dueAt: '2026-02-01T00:00:00.000Z', note })),
  text.map((summary): Step => ({ type: 'close-round', summary })),
  fc.constant<Step>({ type: 'complete', summary: 'done' }),
  text.map((reason): Step => ({ type: 'fail', reason })),
  { weight: 3, arbitrary: fc.constant<Step>({ type: 'advance' }) },
  fc.constant<Step>({ type: 'expire-attempts' }),
  fc.constant<Step>({ type: 'take-over', holder, reason: 'process-gone' }),
  fc.constant<Step>({ type: 'release', reason: 'closed by its coordinator' }),
  { weight: 3, arbitrary: fc.constant<Step>(passGates) },
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 3_000 }) },
)

export const histories = fc.array(anyStep, { minLength: 1, maxLength: 40 })

/** What of these steps is allowed, one after the other. */
export function runOf(steps: readonly (Step | number)[]): GivenRun {
  const run = new GivenRun().and(open(policy, criteria), passGates)
  for (const step of steps) {
    if (typeof step === 'number') run.later(step)
    else {
      const decision = run.decide(step)
      if (decision.ok) run.commit(decision.events)
    }
  }
  return run
}
