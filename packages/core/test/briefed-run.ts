import { type Briefing, briefingOf } from '../src/flow/briefing.js'
import { briefingText } from '../src/flow/briefing-text.js'
import { decideCommand } from '../src/flow/decide-command.js'
import { noEvidence, type ReceiptEvidence } from '../src/flow/receipt-gates.js'
import { resumeGates } from '../src/protocol/events.js'
import type { JsonValue } from '../src/protocol/json.js'
import { dispatch, GivenRun, open, passGates, receipt, task } from './given-run.js'

/** The texts of a history that come from outside. */
export interface Texts {
  readonly criterion: string
  readonly evidence: string
  readonly owner: string
  readonly returns: string
  readonly reason: string
  readonly note: string
  readonly error: string
  readonly holder: string
  readonly artifact: string
  readonly output: JsonValue
  /** A task id, made from this short name. */
  readonly id: (name: string) => string
}

export const plainTexts: Texts = {
  criterion: 'it is read',
  evidence: 'it was read',
  owner: 'team a',
  returns: 'a count',
  reason: 'because',
  note: 'look here',
  error: 'it broke',
  holder: 'coordinator-2',
  artifact: 'report.md',
  output: { lines: [3] },
  id: (name) => name,
}

const stored = { path: 'x', sha256: 'a'.repeat(64), bytes: 12 }
const inAYear = '2027-01-01T00:00:00.000Z'

/** A run in which everything that a briefing can tell has happened, in these texts. */
export function richRun(texts: Texts = plainTexts): GivenRun {
  const { id, reason, owner, returns, error, output } = texts
  const work = (name: string, options: Parameters<typeof task>[1] = {}) =>
    task(id(name), { owner, returns, input: output, ...options })
  const account = { message: error, stoppedAt: error, resumeInstructions: error, retryable: false }
  const holder = { id: texts.holder, host: 'host-1', pid: 1 }
  /** Its number is made from the short name: a task id may be longer than a receipt's. */
  const back = (name: string, altered = {}, evidence: ReceiptEvidence = noEvidence) =>
    receipt(id(name), { receiptId: `receipt-${name}`, ...altered }, evidence)
  const failedBack = (name: string) => back(name, { status: 'failed', output: null, error: account })
  const partial = back(
    'partial',
    {
      ...{ status: 'partial', output, error: account, usage: { durationMs: 1, tokens: 70, costUsd: 0.5 } },
      artifacts: [{ name: texts.artifact, ...stored }],
      spawnRequests: [{ taskId: id('asked'), kind: 'work', input: null }],
    },
    { artifacts: [{ ok: true, artifact: stored }], outputProblem: null },
  )
  const run = new GivenRun().and(
    open({ tasksMax: 12, inFlightMax: 9, attemptsMax: 2, wallClockMsMax: 3_600_000 }, [texts.criterion, 'another']),
    passGates,
    dispatch(work('accepted'), work('rejected'), work('cancelled'), work('abandoned')),
    dispatch(work('needs', { after: [id('abandoned')] })),
    back('accepted'),
    { type: 'accept', taskId: id('accepted') },
    { type: 'meet-criterion', criterion: 1, evidence: texts.evidence, tasks: [id('accepted')] },
    back('rejected'),
    { type: 'retry', taskId: id('rejected'), reason },
    { type: 'cancel', taskId: id('cancelled'), reason },
    { type: 'abandon', taskId: id('abandoned'), reason },
    { type: 'pause', reason },
    { type: 'unpause', reason },
    back('accepted'),
    { type: 'refuse-command', command: 'complete', refusal: { code: 'UNSETTLED', message: reason } },
    dispatch(work('again'), work('stopped'), work('partial'), work('out'), work('late', { timeoutMs: 1_000 })),
    failedBack('again'),
    { type: 'retry', taskId: id('again'), reason },
    failedBack('stopped'),
    partial,
    { type: 'note', text: texts.note },
    { type: 'set-checkpoint', dueAt: '2026-01-02T00:00:00.000Z', note: texts.note },
  )
  run
    .later(2_000)
    .and(
      { type: 'expire-attempts' },
      dispatch(work('later', { notBefore: inAYear }), work('behind', { after: [id('out')] }), work('surplus')),
      { type: 'close-round', summary: reason },
      { type: 'take-over', holder, reason: 'process-gone' },
    )
  run.holderId = holder.id
  return run.and(
    { ...{ type: 'finish-resume', redelivered: 1, corrections: [`mode: ${reason}`] }, gates: passed },
    { type: 'block', reason },
  )
}

const passed = resumeGates.map((gate) => ({ gate, pass: true, evidence: 'fine' }))

export const briefed = ({ state }: GivenRun): Briefing => briefingOf(state, decideCommand)
export const textOf = (run: GivenRun): string => briefingText(briefed(run), 'TOKEN')
