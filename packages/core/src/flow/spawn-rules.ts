import type { RunState } from '../protocol/state.js'
import { epochMs } from '../protocol/time.js'
import { type DecideContext, policyOf, type SpawnRefusal } from './decision.js'

type Broken = Omit<SpawnRefusal, 'taskId'>

/** The first limit on spend that is used up, or `null`. */
export function brokenBudget(state: RunState, context: Pick<DecideContext, 'nowMs'>): Broken | null {
  const { tokensMax, costUsdMax, wallClockMsMax } = policyOf(state)
  if (tokensMax !== null && state.spent.tokens >= tokensMax) {
    return { rule: 'tokensMax', limit: tokensMax, value: state.spent.tokens }
  }
  if (costUsdMax !== null && state.spent.costUsd >= costUsdMax) {
    return { rule: 'costUsdMax', limit: costUsdMax, value: state.spent.costUsd }
  }
  if (wallClockMsMax !== null && state.openedAt !== null) {
    const value = context.nowMs - epochMs(state.openedAt)
    if (value >= wallClockMsMax) return { rule: 'wallClockMsMax', limit: wallClockMsMax, value }
  }
  return null
}

/** The first limit that one more task, at this depth, would break. `tasks` counts those taken in so far. */
export function brokenLimit(state: RunState, tasks: number, depth: number): Broken | null {
  const { tasksMax, depthMax } = policyOf(state)
  if (tasks >= tasksMax) return { rule: 'tasksMax', limit: tasksMax, value: tasks }
  if (depth > depthMax) return { rule: 'depthMax', limit: depthMax, value: depth }
  return null
}

/** Why nothing may be dispatched right now though limits allow it, or `null`: what is asked for is planned. */
export function holdReason(state: RunState): 'paused' | 'blocked' | 'evaluate-first' | null {
  if (state.blockedReason !== null) return 'blocked'
  if (state.pausedReason !== null) return 'paused'
  return policyOf(state).evaluateFirst && state.received.size > 0 ? 'evaluate-first' : null
}
