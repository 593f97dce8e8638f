import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decideRest } from '../src/flow/decide-lock.js'
import { modeTable } from '../src/flow/mode-table.js'
import { planDeliveries } from '../src/flow/plan-deliveries.js'
import { initialState, reduceCommit } from '../src/flow/reduce-event.js'
import { statusTable } from '../src/flow/status-table.js'
import { ChainReader } from '../src/log/chain-reader.js'
import { dispatch, failed, type GivenRun, given, passGates, receipt, type Step, task } from './given-run.js'
import { checkProperty } from './property-run.js'

const file = 'packages/core/test/flow-properties.test.ts'

const policy = {
  inFlightMax: 3,
  tasksMax: 7,
  depthMax: 1,
  attemptsMax: 3,
  tokensMax: 40,
  attemptTimeoutMs: 500,
  retryBackoffMs: 50,
}
const id = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i')
const inAWhile = '2026-01-01T00:00:00.800Z'

/** Any command, sensible or not, about any task; or time that passes. */
const anyStep: fc.Arbitrary<Step | number> = fc.oneof(
  { weight: 4, arbitrary: fc.uniqueArray(id, { maxLength: 4 }).map((ids) => dispatch(...ids)) },
  fc.tuple(id, id).map(([child, parent]) => dispatch(task(child, { parent }))),
  fc.tuple(id, id).map(([later, first]) => dispatch(task(later, { after: [first], notBefore: inAWhile }))),
  { weight: 4, arbitrary: id.map((each) => receipt(each, { usage: { durationMs: 1, tokens: 2 } })) },
  id.map((each) => receipt(each, { attempt: 1, receiptId: 'an-old-receipt' })),
  id.map((each) => failed(each)),
  { weight: 4, arbitrary: id.map((taskId): Step => ({ type: 'accept', taskId })) },
  fc
    .tuple(fc.constantFrom('reject', 'retry', 'cancel', 'abandon'), id)
    .map(([type, taskId]): Step => ({ type: type as 'reject', taskId, reason: 'x' })),
  fc.constantFrom('pause', 'unpause', 'block', 'unblock').map((type): Step => ({ type: type as 'pause', reason: 'x' })),
  { weight: 3, arbitrary: fc.constant<Step>({ type: 'advance' }) },
  fc.constant<Step>({ type: 'expire-attempts' }),
  fc.constant<Step>({ type: 'take-over', holder: { id: 'coordinator-1', host: 'h', pid: 9 }, reason: 'process-gone' }),
  fc.constant<Step>(passGates),
  fc.integer({ min: 1, max: 700 }),
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
  run.commit(decision.events)
  expect(statusTable[before.status][run.state.status]).toBe(true)
}

function checkTables({ state }: GivenRun): void {
  const { counts, tasks } = state
  const phases = [...tasks.values()].map(({ phase }) => phase)
  for (const phase of ['planned', 'out', 'received', 'stopped'] as const) {
    expect(counts[phase]).toBe(phases.filter((each) => each === phase).length)
  }
  expect(counts.tasks).toBe(tasks.size + state.settled.size)
  expect(planDeliveries(state)).toHaveLength(counts.out)
  const rest = decideRest(state)
  expect(rest.ok && rest.events).toEqual([])
  const waiting = [...tasks.values()].filter(({ phase }) => phase === 'planned')
  const inTurn = new Set([...state.ready.flatMap((ids) => [...ids]), ...state.delayed.map(({ taskId }) => taskId)])
  for (const { spec, waitingFor } of waiting) expect(waitingFor > 0 || inTurn.has(spec.taskId)).toBe(true)
}

const histories = fc.array(anyStep, { minLength: 5, maxLength: 50 })
const afterAll = (steps: readonly (Step | number)[], check: (run: GivenRun) => void = () => {}) => {
  const run = given(policy)
  for (const step of steps) {
    take(run, step)
    check(run)
  }
  return run
}

describe('any history of commands, receipts, takeovers and time', () => {
  it('keeps to the mode and status tables, and to its own tables: no task is lost', async ({ task: { name } }) => {
    await checkProperty(name, file, histories, async (steps) => {
      afterAll(steps, checkTables)
    })
  })

  it('exceeds no limit on tasks, depth, attempts or attempts in flight', async ({ task: { name } }) => {
    const withinLimits = ({ state }: GivenRun) => {
      expect(state.counts.out).toBeLessThanOrEqual(policy.inFlightMax)
      expect(state.counts.tasks).toBeLessThanOrEqual(policy.tasksMax)
      for (const { spec, attempt } of state.tasks.values()) {
        expect(spec.depth).toBeLessThanOrEqual(policy.depthMax)
        expect(attempt).toBeLessThanOrEqual(policy.attemptsMax)
      }
    }
    await checkProperty(name, file, histories, async (steps) => {
      afterAll(steps, withinLimits)
    })
  })

  it('accepts each task at most once, and dispatches each attempt once', async ({ task: { name } }) => {
    await checkProperty(name, file, histories, async (steps) => {
      const chain = new ChainReader()
      const events = afterAll(steps).lines.flatMap((line) => chain.next(line).events)
      for (const type of ['task-accepted', 'dispatched'] as const) {
        const seen = events.flatMap((event) =>
          event.type === type ? [`${event.data.taskId}#${type === 'dispatched' ? event.data.attempt : ''}`] : [],
        )
        expect(new Set(seen).size).toBe(seen.length)
      }
    })
  })

  it('has epochs that only grow, each the version of a lock-acquired event', async ({ task: { name } }) => {
    await checkProperty(name, file, histories, async (steps) => {
      const chain = new ChainReader()
      let [version, epoch] = [0, 0]
      for (const line of afterAll(steps).lines) {
        const commit = chain.next(line)
        for (const event of commit.events) {
          version++
          if (event.type === 'lock-acquired') epoch = version
        }
        expect([commit.version, commit.epoch]).toEqual([version, epoch])
      }
    })
  })

  it('folds from its log to the very state that it led to', async ({ task: { name } }) => {
    await checkProperty(name, file, histories, async (steps) => {
      const run = afterAll(steps)
      const chain = new ChainReader()
      expect(run.lines.map((line) => chain.next(line)).reduce(reduceCommit, initialState())).toStrictEqual(run.state)
    })
  })
})
