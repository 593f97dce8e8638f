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
    name: 'runs',
    group: 'look',
    says: 'which runs there are, where they stand and who holds them',
    load: async () => (await import('./commands/runs.js')).runs,
  },
  {
    name: 'status',
    group: 'look',
    says: 'where a run stands, and what to do next',
    load: async () => (await import('./commands/status.js')).status,
  },
  {
    name: 'tasks',
    group: 'look',
    says: 'the tasks of a run',
    load: async () => (await import('./commands/tasks.js')).tasks,
  },
  {
    name: 'task',
    group: 'look',
    says: 'everything about one task',
    load: async () => (await import('./commands/task.js')).task,
  },
  {
    name: 'why',
    group: 'why',
    says: 'what a run is waiting for, or why a task is where it is',
    load: async () => (await import('./commands/why.js')).why,
    name: 'log',
    group: 'look',
    says: 'the events of a run, one per line; --follow goes on',
    load: async () => (await import('./commands/log.js')).log,
  },
  {
    name: 'timeline',
    group: 'look',
    says: 'who worked on what when, one lane per worker',
    load: async () => (await import('./commands/timeline.js')).timeline,
  },
  {
    name: 'stats',
    group: 'look',
    says: 'latencies, attempts and spend of a run, as histograms',
    load: async () => (await import('./commands/stats.js')).stats,
  },
]
