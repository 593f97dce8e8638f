import { describe, expect, it } from 'vitest'
import { memoryAdapter } from '../src/memory/memory-adapter.js'
import type { EventType } from '../src/protocol/events.js'
import { bisect, type FoundEvent, findBroken } from '../src/replay/bisect.js'
import { type InvariantName, invariantNames, invariants } from '../src/replay/invariants.js'
import { histories, runOf } from './any-history.js'
import { planOf } from './fleet-plan.js'
import { runId as fleetId } from './fleet-simulation.js'
import { play } from './fleet-steps.js'
import { anyHistory, runAfter } from './flow-histories.js'
import { dispatch, GivenRun, given, open, passGates, receipt, receiptText, startAt, task } from './given-run.js'
import { checkProperty } from './property-run.js'
import { continued, goldenLines, goldenNames, type LooseEvent, logOf, rewritten, runId } from './replay-logs.js'

const file = 'packages/core/test/replay-invariants.test.ts'

/** One task of each kind: `a` accepted, `b` out, `c` received, `d` stopped, `e` and `f` planned. */
const policy = { inFlightMax: 3, tasksMax: 9, depthMax: 1, attemptsMax: 2, tokensMax: 100 }
const run = given(policy, dispatch('a', 'b', 'c'), receipt('a'), { type: 'accept', taskId: 'a' })
  .and(receipt('c'), dispatch('d'), receipt('d', { status: 'failed', error: { message: 'x', retryable: false } }))
  .and({ type: 'pause', reason: 'lunch' }, dispatch('e', task('f', { after: ['e'] })))
  .and({ type: 'unpause', reason: 'back' })
const { lines } = run
const closed = given(
  {},
  dispatch('a'),
  { type: 'cancel', taskId: 'a', reason: 'x' },
  { type: 'complete', summary: 's' },
)
const recovering = new GivenRun().and(open(policy))

const digest = '0'.repeat(64)
const event = (type: EventType, data: object, more: object = {}) => ({ type, v: 1, data, ...more })
const out = (taskId: string, attempt: number, more: object = {}) =>
  event('dispatched', { taskId, attempt, deadlineAt: startAt, digest, ...more })
const spec = (taskId: string, more: object = {}) => ({
  ...{ taskId, kind: 'work', input: null, lane: 'default', priority: 5, after: [], depth: 0, ...more },
})
const mode = (from: string, to: string) => event('mode-changed', { from, to, reason: 'r' })
const received = (taskId: string, altered: Record<string, unknown> = {}) =>
  event('receipt-received', {
    receipt: JSON.parse(receiptText(run, taskId, altered)),
    verified: { artifacts: 0, bytes: 0 },
  })
const gates = (change: (all: { gate: string; pass: boolean; evidence: string }[]) => object[]) => {
  const { gates: all } = passGates() as Extract<ReturnType<typeof passGates>, { type: 'finish-resume' }>
  return event('resumed', { gates: change(structuredClone([...all])), corrections: [], redelivered: 0 })
}
const only = (type: EventType, change: (data: Record<string, unknown>) => void) => (events: LooseEvent[]) => {
  for (const one of events) if (one.type === type) change(one.data)
  return events
}

const dispatched = (events: LooseEvent[]): unknown => events.find(({ type }) => type === 'dispatched')?.data.digest

/** Per invariant: logs whose hashes are right and that break it, the event at which they do, and what is said. */
const broken: Record<InvariantName, [log: readonly string[], at: EventType, says: RegExp][]> = {
  'opened-once': [
    [continued(lines, rewrittenOpening()), 'run-opened', /is run-opened/],
    [rewritten(lines, (events, { index }) => (index === 0 ? events.reverse() : events)), 'lock-acquired', /event 1 is/],
  ],
  'epoch-is-lock': [
    [
      rewritten(
        lines,
        (all) => all,
        ({ index }) => (index === 3 ? { epoch: 1 } : {}),
      ),
      'mode-changed',
      /epoch 1, the lock is of version 2/,
    ],
  ],
  'holder-appends': [
    [
      rewritten(
        lines,
        (all) => all,
        ({ index }) => (index === 4 ? { actor: 'somebody' } : {}),
      ),
      'mode-changed',
      /somebody appended/,
    ],
    [
      continued(continued(lines, event('lock-released', { reason: 'r' })), event('note-added', { text: 't' })),
      'note-added',
      /did not hold/,
    ],
  ],
  'event-form': [
    [continued(lines, event('note-added', { text: 't', more: 1 })), 'note-added', /note-added: Unrecognized key/],
    [
      continued(lines, event('mode-changed', { from: 'evaluating', to: 'awaiting', reason: 7 })),
      'mode-changed',
      /mode-changed\.reason: /,
    ],
  ],
  'message-decided-once': [
    [
      continued(
        lines,
        event('note-added', { text: '1' }, { cause: { sender: 's', seq: 1 } }),
        event('note-added', { text: '2' }),
        event('note-added', { text: '1' }, { cause: { sender: 's', seq: 1 } }),
      ),
      'note-added',
      /message 1 of s was decided before/,
    ],
  ],
  'closed-stays-closed': [
    [continued(closed.lines, event('note-added', { text: 't' })), 'note-added', /after the run was complete/],
  ],
  'gates-in-order': [
    [
      continued(
        recovering.lines,
        gates((all) => [...all.slice(1), ...all.slice(0, 1)]),
      ),
      'resumed',
      /upcast stands in the place of log-integrity/,
    ],
    [
      continued(
        recovering.lines,
        gates((all) => all.slice(0, -1)),
      ),
      'resumed',
      /state-file is missing/,
    ],
    [
      continued(
        recovering.lines,
        gates((all) => all.map((gate, i) => ({ ...gate, pass: i !== 3 }))),
      ),
      'resumed',
      /mode came after one failed/,
    ],
    [
      continued(
        lines,
        gates((all) => all),
      ),
      'resumed',
      /passed before in epoch 2/,
    ],
  ],
  'gates-before-work': [
    [continued(recovering.lines, mode('recovering', 'dispatching')), 'mode-changed', /before the gates of epoch 2/],
    [
      continued(
        lines,
        takeover(),
        mode('evaluating', 'recovering'),
        event('task-cancelled', { taskId: 'b', reason: 'r' }),
      ),
      'task-cancelled',
      /epoch/,
    ],
  ],
  'legal-mode': [
    [
      continued(lines, mode('awaiting', 'dispatching')),
      'mode-changed',
      /from awaiting to dispatching in mode evaluating/,
    ],
    [continued(lines, mode('evaluating', 'evaluating')), 'mode-changed', /from evaluating to evaluating/],
  ],
  'legal-status': [
    [
      continued(given({}, dispatch('a')).lines, event('run-completed', { summary: 's' })),
      'run-completed',
      /awaiting-result became complete/,
    ],
  ],
  'waits-alternate': [
    [continued(lines, event('unpaused', { reason: 'r' })), 'unpaused', /changes nothing/],
    [
      continued(lines, event('blocked', { reason: 'r' }), event('blocked', { reason: 'r' })),
      'blocked',
      /changes nothing/,
    ],
  ],
  'rounds-in-order': [
    [
      continued(lines, event('round-closed', { round: 2, summary: 's' })),
      'round-closed',
      /round 2 closed after round 0/,
    ],
  ],
  'task-taken-in-once': [
    [
      continued(lines, event('planned', { taskId: 'a', attempt: 1, why: 'time', task: spec('a') })),
      'planned',
      /task a is in the run already/,
    ],
    [continued(lines, event('task-cancelled', { taskId: 'a', reason: 'r' })), 'task-cancelled', /task a is accepted/],
    [
      continued(lines, event('task-cancelled', { taskId: 'z', reason: 'r' })),
      'task-cancelled',
      /task z is not in the run/,
    ],
  ],
  'depth-follows-parent': [
    [
      continued(lines, event('planned', { taskId: 'z', attempt: 1, why: 'time', task: spec('z', { parent: 'a' }) })),
      'planned',
      /has depth 0, its parent 0/,
    ],
    [
      continued(lines, event('planned', { taskId: 'z', attempt: 1, why: 'time', task: spec('z', { depth: 1 }) })),
      'planned',
      /has depth 1/,
    ],
  ],
  'attempts-in-order': [
    [continued(lines, out('b', 2)), 'dispatched', /attempt 2 of task b is dispatched while attempt 1 is out/],
    [continued(lines, out('d', 3)), 'dispatched', /attempt 3 of task d follows attempt 1/],
    [continued(lines, out('e', 2)), 'dispatched', /attempt 2 of task e follows attempt 1/],
    [continued(lines, out('z', 2, { task: spec('z') })), 'dispatched', /begins with attempt 2/],
  ],
  'after-accepted': [
    [continued(lines, out('f', 1)), 'dispatched', /task f needs e, which is not settled/],
    [
      continued(closed.lines, out('z', 1, { task: spec('z', { after: ['a'] }) })),
      'dispatched',
      /needs a, which is cancelled/,
    ],
  ],
  'dispatched-while-dispatching': [[continued(lines, out('e', 1)), 'dispatched', /the mode is evaluating/]],
  'dispatch-not-held': [
    [continued(lines, event('paused', { reason: 'r' }), out('e', 1)), 'dispatched', /the run is paused/],
    [
      continued(given({ evaluateFirst: true }, dispatch('a'), receipt('a')).lines, out('z', 1, { task: spec('z') })),
      'dispatched',
      /came back first/,
    ],
  ],
  'dispatch-digest': [
    [
      rewritten(
        lines,
        only('dispatched', (data) => Object.assign(data, { digest })),
      ),
      'dispatched',
      /it is 0{64}/,
    ],
  ],
  'receipt-grounded': [
    [continued(lines, received('a')), 'receipt-received', /gate current-attempt: the task was accepted/],
    [continued(lines, received('c')), 'receipt-received', /gate not-duplicate/],
    [continued(lines, received('b', { dispatchDigest: digest })), 'receipt-received', /gate dispatch-digest/],
    [continued(lines, received('b', { epoch: 1 })), 'receipt-received', /gate epoch/],
    [continued(lines, received('z')), 'receipt-received', /gate known-task/],
  ],
  'receipt-sealed': [
    [continued(lines, received('b', { checksum: digest })), 'receipt-received', /its content has checksum/],
    [
      rewritten(
        given({ workerKeys: [{ keyId: 'k', publicKey: 'A'.repeat(60) }] }, dispatch('a')).lines,
        (events, { index }) =>
          index === 2
            ? [...events.slice(0, 2), received('a', { dispatchDigest: dispatched(events) }) as LooseEvent]
            : events,
      ),
      'receipt-received',
      /gate signature: .* is not signed/,
    ],
  ],
  'artifacts-verified': [
    [
      rewritten(
        lines,
        only('receipt-received', (data) => Object.assign(data, { verified: { artifacts: 1, bytes: 2 } })),
      ),
      'receipt-received',
      /names 0 artifacts of 0 bytes, read were 1 of 2/,
    ],
  ],
  'accepted-once': [
    [
      continued(lines, event('task-accepted', { taskId: 'a', attempt: 1 })),
      'task-accepted',
      /task a was accepted before/,
    ],
  ],
  'accepted-with-receipt': [
    [continued(lines, event('task-accepted', { taskId: 'b', attempt: 1 })), 'task-accepted', /has no receipt/],
    [continued(lines, event('task-accepted', { taskId: 'd', attempt: 1 })), 'task-accepted', /has no receipt/],
    [continued(lines, event('task-accepted', { taskId: 'c', attempt: 2 })), 'task-accepted', /is of attempt 1, not 2/],
    [
      continued(lines, received('b', { status: 'failed' }), event('task-accepted', { taskId: 'b', attempt: 1 })),
      'task-accepted',
      /says failed/,
    ],
  ],
  'ends-current-attempt': [
    [
      continued(lines, event('task-rejected', { taskId: 'b', attempt: 1, reason: 'r', by: 'evaluator' })),
      'task-rejected',
      /was not received: attempt 1 is out/,
    ],
    [
      continued(lines, event('attempt-expired', { taskId: 'c', attempt: 1, deadlineAt: startAt })),
      'attempt-expired',
      /was not out/,
    ],
    [
      continued(lines, event('attempt-expired', { taskId: 'b', attempt: 1, deadlineAt: startAt })),
      'attempt-expired',
      /was due at/,
    ],
  ],
  'tasks-within-limit': [
    [
      rewritten(
        lines,
        only('run-opened', (data) => Object.assign(data.policy as object, { tasksMax: 3 })),
      ),
      'dispatched',
      /4 tasks came in, the limit is 3/,
    ],
  ],
  'depth-within-limit': [
    [
      continued(lines, event('planned', { taskId: 'z', attempt: 1, why: 'time', task: spec('z', { depth: 2 }) })),
      'planned',
      /depth 2, the limit is 1/,
    ],
  ],
  'attempts-within-limit': [
    [
      rewritten(
        continued(lines, out('d', 2)),
        only('run-opened', (data) => Object.assign(data.policy as object, { attemptsMax: 1 })),
      ),
      'dispatched',
      /at attempt 2, the limit is 1/,
    ],
  ],
  'in-flight-within-limit': [
    [
      rewritten(
        lines,
        only('run-opened', (data) => Object.assign(data.policy as object, { inFlightMax: 2 })),
      ),
      'dispatched',
      /3 attempts are out, the limit is 2/,
    ],
  ],
  'spend-within-limit': [
    [
      continued(
        given({ tokensMax: 5 }, dispatch('a'), receipt('a', { usage: { durationMs: 1, tokens: 5 } })).lines,
        out('z', 1, { task: spec('z') }),
      ),
      'dispatched',
      /tokensMax is 5, the run stands at 5/,
    ],
    [
      rewritten(
        given({ wallClockMsMax: 10 }).later(9).and(dispatch('a')).lines,
        (all) => all,
        ({ index }) => (index === 2 ? { at: '2026-01-01T00:00:01.000Z' } : {}),
      ),
      'dispatched',
      /wallClockMsMax is 10, the run stands at 1000/,
    ],
  ],
  'evidence-accepted': [
    [
      continued(given({}, dispatch('a')).lines, event('criterion-met', { criterion: 1, evidence: 'e', tasks: [] })),
      'criterion-met',
      /no success criterion 1/,
    ],
    [
      continued(
        new GivenRun().and(open({}, ['one']), passGates, dispatch('a')).lines,
        event('criterion-met', { criterion: 1, evidence: 'e', tasks: ['a'] }),
      ),
      'criterion-met',
      /task a is not accepted/,
    ],
  ],
  'complete-when-settled': [
    [continued(lines, event('run-completed', { summary: 's' })), 'run-completed', /task b is not settled/],
    [
      continued(
        new GivenRun().and(open({}, ['one']), passGates).lines,
        event('run-completed', { summary: 's', checklist: [] }),
      ),
      'run-completed',
      /criterion 1 is not met/,
    ],
  ],
  'can-be-folded': [
    [
      continued(lines, event('task-accepted', { taskId: 'z', attempt: 1 })),
      'task-accepted',
      /task z, which is not open/,
    ],
    [continued(closed.lines, mode('closed', 'dispatching')), 'mode-changed', /leads from closed to dispatching/],
  ],
}

function rewrittenOpening() {
  const [opened] = JSON.parse(lines[0]!).commit.events
  return opened
}

function takeover() {
  return event('lock-acquired', { holder: { id: 'coordinator-1', host: 'h', pid: 1 }, reason: 'forced' })
}

const foundIn = async (log: readonly string[], names?: readonly InvariantName[]): Promise<FoundEvent | null> =>
  (await findBroken(logOf(log), runId, names)).found

describe('the invariants of a log', () => {
  it.each(goldenNames)('all hold in the golden log %s', async (name) => {
    expect(await foundIn(goldenLines(name))).toBe(null)
  })

  it.each([
    ['anything that commands, receipts, takeovers and time can bring about', anyHistory, runAfter],
    ['anything with any reasons and outputs', histories, runOf],
  ] as const)('all hold in the log of %s', async (name, arbitrary, runOfSteps) => {
    await checkProperty(name, file, arbitrary, async (steps) => {
      const found = await foundIn(runOfSteps(steps).lines)
      if (found !== null) throw new Error(`${found.version}: ${JSON.stringify(found.broken)}`)
    })
  })

  it('all hold in the log of a fleet whose members are killed, replaced and answered late', {
    timeout: 600_000,
  }, async () => {
    const name = 'fleet'
    await checkProperty(name, file, planOf('crashes'), async (plan) => {
      const { backend } = await play(plan)
      const { found } = await findBroken(memoryAdapter({ backend }).log, fleetId)
      if (found !== null) throw new Error(`${found.version}: ${JSON.stringify(found.broken)}`)
    })
  })

  it.each(invariantNames)(
    '%s is a sentence, names what it shows, and holds in the logs that break others',
    async (name) => {
      const { says, shows } = invariants[name]
      expect(says).toMatch(/^[A-Z].*\.$/)
      expect(shows.length).toBeGreaterThan(0)
      for (const each of shows) expect(each).toMatch(/^[IP]\d{1,2}$/)
      for (const each of [lines, closed.lines, recovering.lines]) expect(await foundIn(each, [name])).toBe(null)
    },
  )

  it.each(
    invariantNames.flatMap((name) => broken[name].map(([log, at, says], i) => [name, i, log, at, says] as const)),
  )('%s is found broken where it breaks, in log %i', async (name, _i, log, at, says) => {
    const names: InvariantName[] = [name, 'can-be-folded']
    const found = await foundIn(log, names)
    expect(found).toMatchObject({ event: { type: at }, broken: { invariant: name } })
    expect(found?.broken?.problem).toMatch(says)
    // Nothing before that event is wrong, and whoever asks for all of them is told no later.
    const among = await foundIn(log)
    expect(among?.version).toBe(found?.version)
  })

  it('is told apart from a log whose bytes are wrong', async () => {
    const flipped = lines.map((line, i) => (i === 4 ? line.replace('task-accepted', 'task-rejected') : line))
    await expect(findBroken(logOf(flipped), runId)).rejects.toMatchObject({
      code: 'LOG_CORRUPT',
      details: { index: 4 },
    })
    const [unfoldable] = broken['can-be-folded']
    await expect(findBroken(logOf(unfoldable![0]), runId, ['legal-mode'])).rejects.toMatchObject({
      code: 'LOG_CORRUPT',
    })
    await expect(bisect(logOf(unfoldable![0]), runId, () => false)).rejects.toMatchObject({ code: 'LOG_CORRUPT' })
  })
})
