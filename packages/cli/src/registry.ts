import type { AnyCommand } from './command.js'

/** The parts of docs/cli.md and of `reprise --help`, in their order. */
export const groups = {
  look: 'Look at runs',
  why: 'Find out why',
  act: 'Act on a run',
  move: 'Move logs',
  check: 'Check a backend',
} as const

export interface Entry {
  /** One word, or two: `checkpoint sign`. */
  readonly name: string
  readonly group: keyof typeof groups
  /** One line, for `reprise --help`. */
  readonly says: string
  /** Loaded when it is needed: most calls need one. */
  readonly load: () => Promise<AnyCommand>
}

/** Every command. A new one: a file in commands/, and a line here. */
export const registry: readonly Entry[] = [
  {
    name: 'status',
    group: 'look',
    says: 'where a run stands, and what to do next',
    load: async () => (await import('./commands/status.js')).status,
  },
  {
    name: 'show',
    group: 'look',
    says: 'the state of a run at any version or time',
    load: async () => (await import('./commands/show.js')).show,
  },
  {
    name: 'diff',
    group: 'look',
    says: 'what changed in a run between two versions or times',
    load: async () => (await import('./commands/diff.js')).diff,
  },
  {
    name: 'bisect',
    group: 'why',
    says: 'the first event at which a condition holds, or an invariant breaks',
    load: async () => (await import('./commands/bisect.js')).bisect,
  },
]
