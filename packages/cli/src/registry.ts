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
    name: 'log',
    group: 'look',
    says: 'the events of a run, one per line; --follow goes on',
    load: async () => (await import('./commands/log.js')).log,
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
  {
    name: 'why',
    group: 'why',
    says: 'what a run is waiting for, or why a task is where it is',
    load: async () => (await import('./commands/why.js')).why,
  },
  {
    name: 'bisect',
    group: 'why',
    says: 'the first event at which a condition holds, or an invariant breaks',
    load: async () => (await import('./commands/bisect.js')).bisect,
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
    name: 'open',
    group: 'act',
    says: 'open a run, for others to act on',
    load: async () => (await import('./commands/open.js')).open,
  },
  {
    name: 'dispatch',
    group: 'act',
    says: 'hand tasks to the workers',
    load: async () => (await import('./commands/dispatch.js')).dispatch,
  },
  {
    name: 'accept',
    group: 'act',
    says: 'accept what came back',
    load: async () => (await import('./commands/settle.js')).accept,
  },
  {
    name: 'reject',
    group: 'act',
    says: 'refuse what came back; the task stops',
    load: async () => (await import('./commands/settle.js')).reject,
  },
  {
    name: 'retry',
    group: 'act',
    says: 'one more attempt of a task that stopped or came back wrong',
    load: async () => (await import('./commands/settle.js')).retry,
  },
  {
    name: 'cancel',
    group: 'act',
    says: 'take tasks back that are not wanted any more',
    load: async () => (await import('./commands/settle.js')).cancel,
  },
  {
    name: 'abandon',
    group: 'act',
    says: 'give tasks up that cannot be done',
    load: async () => (await import('./commands/settle.js')).abandon,
  },
  {
    name: 'pause',
    group: 'act',
    says: 'hand nothing more out for a while',
    load: async () => (await import('./commands/waiting.js')).pause,
  },
  {
    name: 'unpause',
    group: 'act',
    says: 'go on after a pause',
    load: async () => (await import('./commands/waiting.js')).unpause,
  },
  {
    name: 'block',
    group: 'act',
    says: 'stop until something outside is mended',
    load: async () => (await import('./commands/waiting.js')).block,
  },
  {
    name: 'unblock',
    group: 'act',
    says: 'go on after what was mended',
    load: async () => (await import('./commands/waiting.js')).unblock,
  },
  {
    name: 'note',
    group: 'act',
    says: 'leave word in the log',
    load: async () => (await import('./commands/note.js')).note,
  },
  {
    name: 'criterion met',
    group: 'act',
    says: 'record evidence for a success criterion',
    load: async () => (await import('./commands/criterion.js')).criterionMet,
  },
  {
    name: 'criterion reopen',
    group: 'act',
    says: 'take such evidence back',
    load: async () => (await import('./commands/criterion.js')).criterionReopen,
  },
  {
    name: 'checkpoint set',
    group: 'act',
    says: 'when somebody should look again',
    load: async () => (await import('./commands/checkpoint-set.js')).checkpointSet,
  },
  {
    name: 'complete',
    group: 'act',
    says: 'end a run well, with what was checked',
    load: async () => (await import('./commands/complete.js')).complete,
  },
  {
    name: 'fail',
    group: 'act',
    says: 'end a run without success',
    load: async () => (await import('./commands/waiting.js')).fail,
  },
  {
    name: 'resume',
    group: 'act',
    says: 'take a run up: gates, what came back, what is next; --hold it',
    load: async () => (await import('./commands/resume.js')).resume,
  },
  {
    name: 'briefing',
    group: 'act',
    says: 'all that somebody who knows nothing needs, and a token',
    load: async () => (await import('./commands/briefing.js')).briefing,
  },
  {
    name: 'changes',
    group: 'act',
    says: 'what has happened since a token',
    load: async () => (await import('./commands/changes.js')).changes,
  },
  {
    name: 'watchdog',
    group: 'act',
    says: 'tell every incident of the runs once',
    load: async () => (await import('./commands/watchdog.js')).watchdog,
  },
  {
    name: 'worker',
    group: 'act',
    says: 'run a program for each task',
    load: async () => (await import('./commands/worker.js')).worker,
  },
  {
    name: 'fork',
    group: 'act',
    says: 'a new run from any version of an old one',
    load: async () => (await import('./commands/fork.js')).fork,
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
    name: 'record',
    group: 'move',
    says: 'a regression test that replays the log of a run',
    load: async () => (await import('./commands/record.js')).record,
  },
  {
    name: 'doctor',
    group: 'check',
    says: 'what a backend guarantees as it is set up, how fast it is, and what to mend',
    load: async () => (await import('./commands/doctor.js')).doctor,
  },
  {
    name: 'completion',
    group: 'set',
    says: 'print what a shell needs to complete commands and ids',
    load: async () => (await import('./commands/completion.js')).completion,
  },
]
