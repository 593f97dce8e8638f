import fc from 'fast-check'
import type { PolicyInput } from '../src/protocol/policy.js'

/** What one task does, and what it asks for once it is done. */
export interface Node {
  readonly tokens: number
  readonly costUsd: number
  /** Attempts that fail before one is completed. */
  readonly fails: number
  readonly partial: boolean
  readonly children: readonly Node[]
  /** Asks for two of its own kind, for ever. */
  readonly endless: boolean
}

export type SpawnStep =
  | { readonly do: 'open'; readonly takeover: 'when-dead' | 'now' }
  | { readonly do: 'worker' }
  | { readonly do: 'kill'; readonly who: 'coordinator' | 'worker'; readonly pick: number }
  | {
      readonly do: 'fault'
      readonly who: 'coordinator' | 'worker'
      readonly after: number
      readonly fate: 'kill' | 'fail' | 'delay'
    }
  | { readonly do: 'wait'; readonly ms: number }

export interface SpawnPlan {
  readonly seed: number
  readonly policy: PolicyInput
  readonly roots: readonly Node[]
  readonly steps: readonly SpawnStep[]
  readonly reorder: boolean
}

const { node: anyNode } = fc.letrec<{ node: Node }>((tie) => ({
  node: fc.record({
    tokens: fc.nat({ max: 5 }),
    costUsd: fc.constantFrom(0, 0.25, 1),
    fails: fc.constantFrom(0, 0, 0, 1, 5),
    partial: fc.boolean(),
    children: fc.oneof({ maxDepth: 4 }, fc.constant<Node[]>([]), fc.array(tie('node'), { maxLength: 3 })),
    endless: fc.constantFrom(false, false, false, true),
  }),
}))

const who = fc.constantFrom('coordinator' as const, 'worker' as const)
const none = fc.constant(null)

const anyStep: fc.Arbitrary<SpawnStep> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('open' as const),
      takeover: fc.constantFrom('when-dead' as const, 'now' as const),
    }),
  },
  fc.record({ do: fc.constant('worker' as const) }),
  { weight: 2, arbitrary: fc.record({ do: fc.constant('kill' as const), who, pick: fc.nat({ max: 9 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('fault' as const),
      who,
      after: fc.nat({ max: 25 }),
      fate: fc.constantFrom('kill' as const, 'kill' as const, 'fail' as const, 'delay' as const),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 100, 700, 3_000) }) },
)

export const anySpawnPlan: fc.Arbitrary<SpawnPlan> = fc.record({
  seed: fc.nat({ max: 2 ** 31 - 1 }),
  policy: fc.record({
    depthMax: fc.integer({ min: 0, max: 3 }),
    tasksMax: fc.integer({ min: 1, max: 15 }),
    inFlightMax: fc.integer({ min: 1, max: 4 }),
    attemptsMax: fc.integer({ min: 1, max: 3 }),
    tokensMax: fc.oneof(none, fc.integer({ min: 0, max: 30 })),
    costUsdMax: fc.oneof(none, fc.constantFrom(0, 0.5, 3)),
    wallClockMsMax: fc.oneof(none, fc.constantFrom(1, 400, 5_000)),
    evaluateFirst: fc.boolean(),
  }),
  roots: fc.array(anyNode, { minLength: 1, maxLength: 4 }),
  steps: fc.array(anyStep, { maxLength: 14 }),
  reorder: fc.boolean(),
})
