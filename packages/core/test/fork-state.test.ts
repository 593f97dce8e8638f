import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { forkState } from '../src/flow/fork-state.js'
import type { RunState } from '../src/protocol/state.js'
import { anyHistory, anyStep, runAfter } from './flow-histories.js'
import { dispatch, type GivenRun, given, type Step, settled } from './given-run.js'
import { checkProperty } from './property-run.js'

const file = 'packages/core/test/fork-state.test.ts'

/** Decides and folds whatever is allowed. Causes are left out: a fork shares the senders. */
function play(run: GivenRun, steps: readonly (Step | number)[]): GivenRun {
  for (const step of steps) {
    if (typeof step === 'number') {
      run.later(step)
      continue
    }
    const decision = run.decide(step)
    if (decision.ok) run.commit(decision.events.map(({ cause, ...event }) => event as never))
  }
  return run
}

const plain = (state: RunState): RunState => ({ ...state, settled: new Map(state.settled) })

describe('a forked state', () => {
  it('leaves the one it comes from untouched, and comes to what that would come to', { timeout: 3_600_000 }, async ({
    task: { name },
  }) => {
    const plans = fc.tuple(anyHistory, fc.array(anyStep, { minLength: 1, maxLength: 20 }), fc.nat({ max: 20 }))
    await checkProperty(name, file, plans, async ([history, more, cut]) => {
      const run = runAfter(history)
      const before = structuredClone(run.state)
      const fork = play(run.goingOnFrom(forkState(run.state)), more.slice(0, cut))
      // A fork of a fork, as a round that is tried before it is decided.
      const middle = structuredClone(plain(fork.state))
      const second = play(fork.goingOnFrom(forkState(fork.state)), more.slice(cut))
      expect(plain(fork.state)).toStrictEqual(middle)
      expect(run.state).toStrictEqual(before)
      const original = play(run.goingOnFrom(run.state), more)
      expect(plain(second.state)).toStrictEqual(plain(original.state))
    })
  })

  it('knows what was settled before and after the fork, each once', () => {
    const { state } = given({}, ...settled('a'), dispatch('b'))
    const fork = play(given().goingOnFrom(forkState(state)), [{ type: 'cancel', taskId: 'b', reason: 'x' }]).state
    expect([...fork.settled.keys()]).toEqual(['a', 'b'])
    expect([...fork.settled.values()]).toEqual([...fork.settled].map(([, packed]) => packed))
    expect([fork.settled.size, fork.settled.has('a' as never), fork.settled.has('c' as never)]).toEqual([
      2,
      true,
      false,
    ])
    const visited: string[] = []
    fork.settled.forEach((_, taskId) => void visited.push(taskId))
    expect(visited).toEqual(['a', 'b'])
    expect([...state.settled.keys()]).toEqual(['a'])
  })
})
