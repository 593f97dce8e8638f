import { describe, expect, it } from 'vitest'
import { decideRest } from '../src/flow/decide-lock.js'
import { planDeliveries } from '../src/flow/plan-deliveries.js'
import { initialState, reduceCommit } from '../src/flow/reduce-event.js'
import { ChainReader } from '../src/log/chain-reader.js'
import { anyHistory, runAfter, tightPolicy } from './flow-histories.js'
import type { GivenRun } from './given-run.js'
import { checkProperty } from './property-run.js'

const file = 'packages/core/test/flow-properties.test.ts'

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

describe('any history of commands, receipts, takeovers and time', () => {
  it('keeps to the mode and status tables, and to its own tables: no task is lost', async ({ task: { name } }) => {
    await checkProperty(name, file, anyHistory, async (steps) => {
      runAfter(steps, checkTables)
    })
  })

  it('exceeds no limit on tasks, depth, attempts or attempts in flight', async ({ task: { name } }) => {
    const withinLimits = ({ state }: GivenRun) => {
      expect(state.counts.out).toBeLessThanOrEqual(tightPolicy.inFlightMax)
      expect(state.counts.tasks).toBeLessThanOrEqual(tightPolicy.tasksMax)
      for (const { spec, attempt } of state.tasks.values()) {
        expect(spec.depth).toBeLessThanOrEqual(tightPolicy.depthMax)
        expect(attempt).toBeLessThanOrEqual(tightPolicy.attemptsMax)
      }
    }
    await checkProperty(name, file, anyHistory, async (steps) => {
      runAfter(steps, withinLimits)
    })
  })

  it('accepts each task at most once, and dispatches each attempt once', async ({ task: { name } }) => {
    await checkProperty(name, file, anyHistory, async (steps) => {
      const chain = new ChainReader()
      const events = runAfter(steps).lines.flatMap((line) => chain.next(line).events)
      for (const type of ['task-accepted', 'dispatched'] as const) {
        const seen = events.flatMap((event) =>
          event.type === type ? [`${event.data.taskId}#${type === 'dispatched' ? event.data.attempt : ''}`] : [],
        )
        expect(new Set(seen).size).toBe(seen.length)
      }
    })
  })

  it('has epochs that only grow, each the version of a lock-acquired event', async ({ task: { name } }) => {
    await checkProperty(name, file, anyHistory, async (steps) => {
      const chain = new ChainReader()
      let [version, epoch] = [0, 0]
      for (const line of runAfter(steps).lines) {
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
    await checkProperty(name, file, anyHistory, async (steps) => {
      const run = runAfter(steps)
      const chain = new ChainReader()
      expect(run.lines.map((line) => chain.next(line)).reduce(reduceCommit, initialState())).toStrictEqual(run.state)
    })
  })
})
