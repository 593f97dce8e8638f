import fc from 'fast-check'

export const behaviours = ['ok', 'ok', 'fail', 'vain', 'partial', 'slow', 'late'] as const
export type Behaviour = (typeof behaviours)[number]

export const fates = ['fail', 'kill', 'hang', 'delay'] as const

/** One thing that happens to the fleet. Numbers pick among what there is at that moment. */
export type Step =
  | {
      readonly do: 'dispatch'
      readonly first: number
      readonly count: number
      readonly behaviours: readonly Behaviour[]
      readonly priority: number
      readonly delayMs: number
      readonly chained: boolean
    }
  | { readonly do: 'open'; readonly takeover: 'when-dead' | 'now' }
  | { readonly do: 'close' | 'pause' | 'continue'; readonly who: 'coordinator' | 'worker'; readonly pick: number }
  | { readonly do: 'kill'; readonly who: 'coordinator' | 'worker'; readonly pick: number; readonly noticed: boolean }
  | {
      readonly do: 'fault'
      readonly who: 'coordinator' | 'worker'
      readonly after: number
      readonly fate: (typeof fates)[number]
    }
  | { readonly do: 'worker' }
  | { readonly do: 'command'; readonly pick: number; readonly task: number }
  | { readonly do: 'forge'; readonly pick: number; readonly how: number }
  | { readonly do: 'repeat'; readonly what: 'message' | 'delivery'; readonly pick: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'clock'; readonly ms: number }

export interface Plan {
  readonly seed: number
  readonly policy: { readonly inFlightMax: number; readonly attemptsMax: number; readonly evaluateFirst: boolean }
  /** Messages and deliveries come in any order that the ports allow. */
  readonly reorder: boolean
  /** Every call takes its time, so that more is under way at once. */
  readonly slow: boolean
  readonly steps: readonly Step[]
}

type Kind = Step['do']

const who = fc.constantFrom('coordinator' as const, 'worker' as const)
const pick = fc.nat({ max: 31 })

const steps: { readonly [K in Kind]: fc.Arbitrary<Step> } = {
  dispatch: fc.record({
    do: fc.constant('dispatch' as const),
    first: fc.nat({ max: 11 }),
    count: fc.integer({ min: 1, max: 4 }),
    behaviours: fc.array(fc.constantFrom(...behaviours), { maxLength: 3 }),
    priority: fc.nat({ max: 9 }),
    delayMs: fc.constantFrom(0, 0, 0, 700, 4_000),
    chained: fc.boolean(),
  }),
  open: fc.record({
    do: fc.constant('open' as const),
    takeover: fc.constantFrom('when-dead' as const, 'now' as const),
  }),
  close: fc.record({ do: fc.constant('close' as const), who, pick }),
  pause: fc.record({ do: fc.constant('pause' as const), who, pick }),
  continue: fc.record({ do: fc.constant('continue' as const), who, pick }),
  kill: fc.record({ do: fc.constant('kill' as const), who, pick, noticed: fc.boolean() }),
  fault: fc.record({
    do: fc.constant('fault' as const),
    who,
    after: fc.nat({ max: 20 }),
    fate: fc.constantFrom(...fates, 'fail' as const, 'kill' as const),
  }),
  worker: fc.record({ do: fc.constant('worker' as const) }),
  command: fc.record({ do: fc.constant('command' as const), pick, task: fc.nat({ max: 11 }) }),
  forge: fc.record({ do: fc.constant('forge' as const), pick, how: fc.nat({ max: 5 }) }),
  repeat: fc.record({
    do: fc.constant('repeat' as const),
    what: fc.constantFrom('message' as const, 'delivery' as const),
    pick,
  }),
  wait: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(0, 1, 50, 400, 1_500, 6_000, 12_000) }),
  clock: fc.record({ do: fc.constant('clock' as const), ms: fc.constantFrom(-60_000, -1_000, 1_000, 3_600_000) }),
}

/** What happens often in a plan. Everything else happens now and then. */
export const themes = {
  crashes: { fault: 12, kill: 6, open: 8, dispatch: 8, wait: 8 },
  takeovers: { open: 14, pause: 8, continue: 10, dispatch: 8, wait: 8 },
  deliveries: { repeat: 12, forge: 12, worker: 6, dispatch: 8, wait: 10, fault: 4 },
  commands: { command: 20, dispatch: 8, wait: 8 },
} as const satisfies Record<string, Partial<Record<Kind, number>>>
export type Theme = keyof typeof themes

export const planOf = (theme: Theme): fc.Arbitrary<Plan> =>
  fc.record({
    seed: fc.nat({ max: 2 ** 31 - 1 }),
    policy: fc.record({
      inFlightMax: fc.integer({ min: 1, max: 4 }),
      attemptsMax: fc.integer({ min: 1, max: 3 }),
      evaluateFirst: fc.boolean(),
    }),
    reorder: fc.boolean(),
    slow: fc.boolean(),
    steps: fc.array(
      fc.oneof(
        ...(Object.keys(steps) as Kind[]).map((kind) => ({
          arbitrary: steps[kind],
          weight: (themes[theme] as Partial<Record<Kind, number>>)[kind] ?? 2,
        })),
      ),
      { minLength: 4, maxLength: 40 },
    ),
  })
