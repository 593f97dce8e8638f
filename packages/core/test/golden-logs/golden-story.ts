import { event } from '../../src/flow/decision.js'
import { readRecordShape } from '../../src/log/commit-record.js'
import { resumeGates } from '../../src/protocol/events.js'
import type { RunId } from '../../src/protocol/ids.js'
import { dispatch, failed, GivenRun, open, passGates, receipt, task } from '../given-run.js'

const other = { id: 'coordinator-2', host: 'host-2', pid: 2 }
const at = (ms: number) => new Date(Date.UTC(2026, 0, 1) + ms).toISOString()
const artifact = { name: 'report.json', path: `sha256/ab/${'ab'.repeat(32)}`, sha256: 'ab'.repeat(32), bytes: 12 }
const read = { artifacts: [{ ok: true as const, artifact }], outputProblem: null }
const usage = { durationMs: 12.5, tokens: 100, costUsd: 0.25 }
const policy = {
  inFlightMax: 3,
  tasksMax: 9,
  depthMax: 1,
  attemptsMax: 2,
  attemptTimeoutMs: 10_000,
  retryBackoffMs: 100,
}

/** The first half: every phase of a task, commands from outside, limits, a crash. */
export function busyHalf(): GivenRun {
  return new GivenRun()
    .and(open(policy, ['every file once', 'nothing else']), passGates)
    .and(
      dispatch(
        task('a', { priority: 9 }),
        'b',
        task('c', { lane: 'gpu', traceId: 'trace-1' }),
        task('d', { after: ['a'] }),
      ),
    )
    .later(1000)
    .and(
      dispatch(task('e', { notBefore: at(60_000), timeoutMs: 5000 }), task('ä €/😀', { parent: 'a', attemptsMax: 1 })),
    )
    .and(receipt('a', { artifacts: [artifact], usage, spawnRequests: [task('s')] }, read))
    .and(failed('b', { message: 'it broke', code: 'BROKE', stoppedAt: 'line 3', resumeInstructions: 'start at 4' }))
    .and(receipt('nobody'), { type: 'accept', taskId: 'a', attempt: 1 }, { type: 'advance' })
    .andFrom(
      'cli-1',
      { type: 'pause', reason: 'lunch' },
      { type: 'unpause', reason: 'back' },
      { type: 'block', reason: 'no key' },
    )
    .andFrom('cli-2', { type: 'refuse-command', command: 'dance', refusal: { code: 'INVALID_INPUT', message: 'no' } })
    .and(
      { type: 'unblock', reason: 'key found' },
      dispatch(task('deep', { parent: 'ä €/😀' })),
      dispatch('f', 'g', 'h', 'i'),
    )
    .later(9000)
    .and({ type: 'expire-attempts' }, { type: 'set-checkpoint', dueAt: at(90_000), note: 'look again' })
    .and({ type: 'cancel', taskId: 'd', reason: 'not needed' }, { type: 'note', text: 'control\u0000 and \u202e bidi' })
    .and({ type: 'close-round', summary: 'half done' }, { type: 'release', reason: 'moving' })
}

/** The whole run, to its completion by another coordinator. */
export function completedStory(): GivenRun {
  const run = busyHalf().and({ type: 'take-over', holder: other, reason: 'free' })
  run.holderId = other.id
  run.and({
    type: 'finish-resume',
    gates: [
      { gate: 'log-integrity', pass: true, evidence: 'fine' },
      { gate: 'upcast', pass: false, evidence: 'x' },
    ],
    corrections: [],
    redelivered: 0,
  })
  run.and({ type: 'take-over', holder: { ...other, pid: 3 }, reason: 'process-gone' }, passGates).later(60_000)
  while (run.state.tasks.size > 0) {
    run.and({ type: 'advance' })
    for (const [id, { phase, attempt }] of [...run.state.tasks]) {
      if (phase === 'stopped') run.and({ type: 'abandon', taskId: id, reason: 'given up' })
      if (phase !== 'out') continue
      run.and(receipt(id, { status: 'partial', usage }))
      if (id === 'c' && attempt === 1) run.and({ type: 'retry', taskId: id, reason: 'more' })
      else run.and(id === 'h' ? { type: 'reject', taskId: id, reason: 'wrong' } : { type: 'accept', taskId: id })
    }
    run.later(200)
  }
  const accepted = { tasks: ['a'] }
  return run
    .and({ type: 'meet-criterion', criterion: 1, evidence: 'a guess' })
    .and({ type: 'reopen-criterion', criterion: 1, reason: 'it was a guess' })
    .and({ type: 'meet-criterion', criterion: 'every file once', evidence: 'one receipt per file', ...accepted })
    .and({
      type: 'complete',
      summary: 'everything is read',
      evidence: [{ criterion: 2, evidence: 'no task without a file' }],
    })
}

/** The completed run, forked at its end, and opened by a third coordinator. */
export function forkedStory(): GivenRun {
  const run = completedStory()
  const from = { runId: 'run-1' as RunId, version: run.state.version, hash: readRecordShape(run.lines.at(-1) ?? '')?.hash ?? '' }
  run.holderId = 'fork:host-3:1'
  run.later(60_000).commit([event('run-forked', { runId: 'run-2' as RunId, from })])
  run.holderId = other.id
  return run
    .and({ type: 'take-over', holder: other, reason: 'free' }, passGates, { type: 'note', text: 'no task is left' })
    .and({ type: 'fail', reason: 'seen enough' })
}

/** The busy half, forked while attempts are out, which the fork hands out itself. */
export function forkedHalfStory(): GivenRun {
  const run = busyHalf()
  const from = { runId: 'run-1' as RunId, version: run.state.version, hash: readRecordShape(run.lines.at(-1) ?? '')?.hash ?? '' }
  run.holderId = 'fork:host-3:1'
  run.later(60_000).commit([event('run-forked', { runId: 'run-2' as RunId, from })])
  run.holderId = other.id
  return run
    .and({ type: 'take-over', holder: other, reason: 'free' }, passGates, { type: 'advance' })
    .and(receipt('e', { runId: 'run-2' }), { type: 'accept', taskId: 'e' })
}

/** A run that ends badly, under a policy with every limit set. */
export function failedStory(): GivenRun {
  const workerKeys = [{ keyId: 'k-1', publicKey: 'MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=' }]
  const limits = { tokensMax: 0, costUsdMax: 1.5, wallClockMsMax: 60_000, artifactBytesMax: 1024, evaluateFirst: true }
  return new GivenRun()
    .and(open({ ...limits, workerKeys }))
    .and(() => ({
      type: 'finish-resume',
      gates: resumeGates.map((gate) => ({ gate, pass: true, evidence: `${gate} of a new run` })),
      corrections: ['mode: the caller expected awaiting'],
      redelivered: 0,
    }))
    .and(dispatch('a', 'b'), { type: 'fail', reason: 'no budget' })
}
