import type { AnyCommand } from './command.js'

/** The parts of docs/cli.md and of `reprise --help`, in their order. */
export const groups = {
  look: 'Look at runs',
  why: 'Find out why',
  act: 'Act on a run',
  move: 'Move logs',
  check: 'Check a backend',
  set: 'Set up the shell',
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
    name: 'worker',
    group: 'act',
    says: 'run a program for each task',
    load: async () => (await import('./commands/worker.js')).worker,
  },
  {
    name: 'completion',
    group: 'set',
    says: 'print what a shell needs to complete commands and ids',
    load: async () => (await import('./commands/completion.js')).completion,
  },
]
