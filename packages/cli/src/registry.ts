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
    name: 'verify',
    group: 'why',
    says: 'whether logs are what was written; the first bad commit',
    load: async () => (await import('./commands/verify.js')).verify,
  },
  {
    name: 'checkpoint sign',
    group: 'why',
    says: 'sign what a log holds now, to be kept elsewhere',
    load: async () => (await import('./commands/checkpoint-sign.js')).checkpointSign,
  },
  {
    name: 'checkpoint verify',
    group: 'why',
    says: 'whether a log still is what was signed',
    load: async () => (await import('./commands/checkpoint-verify.js')).checkpointVerify,
  },
  {
    name: 'doctor',
    group: 'check',
    says: 'what a backend guarantees as it is set up, how fast it is, and what to mend',
    load: async () => (await import('./commands/doctor.js')).doctor,
  },
]
