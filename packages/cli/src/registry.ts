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
    name: 'copy',
    group: 'move',
    says: 'copy a run to another place, and verify the copy',
    load: async () => (await import('./commands/copy.js')).copy,
  },
  {
    name: 'export',
    group: 'move',
    says: 'write the log of a run, line by line',
    load: async () => (await import('./commands/export.js')).exportCommand,
  },
  {
    name: 'import',
    group: 'move',
    says: 'take in a log from a file',
    load: async () => (await import('./commands/import.js')).importCommand,
  },
  {
    name: 'archive',
    group: 'move',
    says: 'pack a run that has ended, and remove it',
    load: async () => (await import('./commands/archive.js')).archive,
  },
  {
    name: 'fork',
    group: 'act',
    says: 'a new run from any version of an old one',
    load: async () => (await import('./commands/fork.js')).fork,
  },
  {
    name: 'record',
    group: 'move',
    says: 'a regression test that replays the log of a run',
    load: async () => (await import('./commands/record.js')).record,
  },
]
