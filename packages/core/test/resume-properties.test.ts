import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { planDeliveries } from '../src/flow/plan-deliveries.js'
import { seededRandom } from '../src/memory/seeded-random.js'
import { type EventType, modes } from '../src/protocol/events.js'
import { anyEnding, anyHistory, runAfter, tightPolicy } from './flow-histories.js'
import { dispatch, type GivenRun } from './given-run.js'
import { anyPending, honestAnswer, messagesOf, type Pending } from './pending-messages.js'
import { checkProperty } from './property-run.js'
import { deliver, logProblems, openProblems, stageOf, stateOf } from './resumed-run.js'
import type { Holding, RunStage } from './run-stage.js'

const file = 'packages/core/test/resume-properties.test.ts'

/** Bounds the simulated time of an opening that somebody kills. Milliseconds. */
const openingMs = 120_000

const anyPlan = fc.record({
  history: anyHistory,
  policy: fc.record({
    inFlightMax: fc.constantFrom(2, 9),
    tasksMax: fc.constantFrom(7, 20),
    attemptTimeoutMs: fc.constantFrom(500, 90 * 24 * 3_600_000),
    evaluateFirst: fc.boolean(),
  }),
  endings: fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, fc.array(anyEnding, { maxLength: 2 })),
  /** Time that nobody was home. */
  gapMs: fc.constantFrom(0, 0, 300, 2_000, 30 * 24 * 3_600_000),
  pending: fc.array(anyPending, { maxLength: 10 }),
  /** Messages that come at the nth call of whoever resumes. */
  during: fc.array(fc.tuple(fc.integer({ min: 1, max: 30 }), anyPending), { maxLength: 3 }),
  expectMode: fc.constantFrom(undefined, 'found', ...modes),
  takeover: fc.constantFrom('when-dead' as const, 'now' as const),
  /** Whether what is out is still in the queue. */
  queued: fc.boolean(),
  /** Batches of the inbox as chance will have them; else all at once. */
  mixed: fc.boolean(),
  seed: fc.nat({ max: 1_000 }),
  /** Calls after which those who open the run are killed, one after the other. */
  deaths: fc.array(fc.integer({ min: 1, max: 22 }), { maxLength: 3 }),
})
type Plan = typeof anyPlan extends fc.Arbitrary<infer P> ? P : never

const pause = { type: 'pause' as const, reason: 'lunch' }
const patient: Plan['policy'] = {
  inFlightMax: 9,
  tasksMax: 20,
  attemptTimeoutMs: 90 * 24 * 3_600_000,
  evaluateFirst: false,
}

/** Everything that a resume may do to a log without anybody having asked for anything. */
const formalities: ReadonlySet<EventType> = new Set<EventType>([
  'lock-released',
  'lock-acquired',
  'mode-changed',
  'resumed',
])

/** Gives how many were killed in the middle of it. */
async function play(plan: Plan): Promise<number> {
  const run = runAfter([...plan.history, ...plan.endings], () => {}, { ...tightPolicy, ...plan.policy })
  const stage = stageOf(run, plan.gapMs)
  const since = run.state.version
  if (plan.queued && run.state.mode !== 'closed') {
    await stage.clock.run(stage.outside.adapter.queue.offer(planDeliveries(run.state)))
  }
  if (plan.mixed) {
    const random = seededRandom(plan.seed)
    stage.backend.choose = (count) => Math.floor(random() * count)
  }
  for (const message of messagesOf(run, plan.pending)) deliver(stage, message)
  const living = callsOfTheLiving(stage, run, plan)
  for (const [life] of plan.deaths.entries()) await dying(stage, plan, living, life)
  const [found, commits] = [stateOf(stage).mode, stage.commits.length]
  const expected = plan.expectMode === 'found' ? found : plan.expectMode
  const opened = await open(stage, plan, living, plan.deaths.length, expected)
  living.ended()
  await stage.clock.settle()
  const problems = [...logProblems(stage, since), ...openProblems(stage, opened, found, expected)]
  expect(problems.slice(0, 3)).toEqual([])
  if (found === 'closed') expect(stage.commits.length).toBe(commits)
  expect(returnedTooLate(stage, run, plan, since)).toEqual([])
  await again(stage, opened)
  return living.kills
}

/** Who is counted and killed, and what arrives while they call. */
function callsOfTheLiving(stage: RunStage, run: GivenRun, { during, deaths }: Plan) {
  const living = { pid: -1, life: 0, calls: 0, all: 0, kills: 0, ended: () => {} }
  const coming = messagesOf(
    run,
    during.map(([, pending]) => pending),
  ).map((message, i) => ({ at: during[i]?.[0] ?? 1, message: { ...message, sender: `during-${message.sender}` } }))
  // What did not come during the resume comes right after it.
  living.ended = () => {
    living.pid = -1
    for (const { at, message } of coming) if (at > living.all) deliver(stage, message)
  }
  stage.intercept(({ pid }) => {
    if (pid !== living.pid) return 'go'
    living.calls++
    living.all++
    for (const one of coming.filter(({ at }) => at === living.all)) deliver(stage, one.message)
    if (living.calls !== deaths[living.life]) return 'go'
    living.kills++
    return 'kill'
  })
  return living
}

type Living = ReturnType<typeof callsOfTheLiving>

function start(stage: RunStage, plan: Plan, living: Living, life: number, expectMode?: Plan['expectMode']) {
  const process = stage.process()
  Object.assign(living, { pid: process.runtime.pid, life, calls: 0 })
  const expected = expectMode === undefined || expectMode === 'found' ? {} : { expectMode }
  const { takeover } = plan
  return { process, opening: stage.opening({ goal: 'everything is read', takeover, ...expected }, process) }
}

/** Opens the run and is killed on the way; or afterwards, if it did not come to that. */
async function dying(stage: RunStage, plan: Plan, living: Living, life: number): Promise<void> {
  const { process, opening } = start(stage, plan, living, life, plan.expectMode)
  let opened = false
  void opening.then(() => {
    opened = true
  })
  await stage.clock.runUntil(() => opened || process.runtime.state === 'dead', openingMs)
  process.adapter.kill()
}

function open(stage: RunStage, plan: Plan, living: Living, life: number, expectMode?: Plan['expectMode']) {
  return stage.clock.run(start(stage, plan, living, life, expectMode).opening)
}

/** Answers to what was out that were not recorded before anything new went out. */
function returnedTooLate(stage: RunStage, run: GivenRun, plan: Plan, since: number): string[] {
  const events = stage.events.slice(since)
  const isPassed = events.findIndex((event) => event.type === 'resumed' && event.data.gates.every(({ pass }) => pass))
  const wentOut = events.findIndex(({ type }) => type === 'dispatched')
  // Whoever gives tasks up before an answer is reached does not want it any more.
  const givesUp = plan.mixed && plan.pending.some((one) => one.what === 'command' && givingUp.has(one.command.type))
  return plan.pending.flatMap((one) => {
    const answer = honestAnswer(run, one)
    if (answer === null || givesUp) return []
    const { taskId, attempt } = answer
    const recorded = events.findIndex(
      ({ type, data }) =>
        type === 'receipt-received' && data.receipt.taskId === taskId && data.receipt.attempt === attempt,
    )
    const by = plan.mixed ? wentOut : isPassed
    return recorded >= 0 && (by < 0 || recorded < by) ? [] : [`${taskId}/${attempt} at ${recorded} of ${by}`]
  })
}

const givingUp: ReadonlySet<string> = new Set(['fail', 'cancel', 'abandon'])

/** Opened again at once, and once more by force: there is nothing to do any more. */
async function again(stage: RunStage, opened: Holding): Promise<void> {
  const { length } = stage.events
  await stage.close(opened)
  const second = await stage.open({ goal: 'everything is read' })
  await stage.clock.settle()
  second.adapter.kill()
  await stage.open({ goal: 'everything is read', takeover: 'now' })
  await stage.clock.settle()
  const more = stage.events.slice(length).map(({ type }) => type)
  expect(more.filter((type) => !formalities.has(type))).toEqual([])
}

describe('taking up any run, with anything in its inbox, killed anywhere on the way', () => {
  it('re-dispatches nothing that is out, takes returned work before new work, and ends in the mode of the log', {
    timeout: 3_600_000,
  }, async ({ task: { name } }) => {
    await checkProperty(name, file, anyPlan, async (plan) => void (await play(plan)))
  })

  it('takes returned work before new work that others ask for, in whatever order and portions the inbox has them', {
    timeout: 3_600_000,
  }, async ({ task: { name } }) => {
    const asking = (taskId: string): Pending => ({ what: 'command', command: dispatch(taskId), token: null })
    const messages: Pending[] = [
      ...[0, 1, 2].map((pick): Pending => ({ what: 'completed', pick })),
      ...['x', 'y'].map(asking),
      { what: 'command', command: { type: 'round', decide: [dispatch('z') as never], summary: 's' }, token: 'right' },
      { what: 'garbage', pick: 0 },
      { what: 'command', command: { type: 'note', text: 'n' }, token: null },
    ]
    const plans = fc.record({ pending: fc.shuffledSubarray(messages), plan: anyPlan })
    await checkProperty(name, file, plans, async ({ pending, plan }) => {
      await play({ ...plan, history: [dispatch('a', 'b', 'c')], endings: [], policy: patient, pending, mixed: true })
    })
  })

  it('goes on from wherever it was killed: at every single call that it makes', async () => {
    const kinds = ['completed', 'failed', 'forged', 'completed', 'partial'] as const
    const answers = kinds.map((what, pick): Pending => ({ what, pick }))
    const command: Pending = { what: 'command', command: dispatch('x'), token: null }
    let kills = 0
    let at = 0
    do {
      at++
      kills = await play({
        ...{ history: [dispatch('a', 'b', 'c'), pause], endings: [], policy: patient, gapMs: 1_000 },
        ...{ pending: [...answers, command], during: [[at, { what: 'refused', pick: 2 }]], expectMode: 'evaluating' },
        ...{ takeover: 'when-dead', queued: false, mixed: false, seed: 1, deaths: [at] },
      })
    } while (kills > 0)
    // Otherwise there was nothing to kill.
    expect(at).toBeGreaterThan(12)
  })
})
