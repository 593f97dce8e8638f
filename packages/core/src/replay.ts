/**
 * The door for looking back: a run at any version, what changed, why it stands still, where it went wrong, and moving its
 * log. Apart from the main door, so that coordinators and workers do not load what only people and tools need.
 */

export type { LastCommit } from './replay/fold-to.js'
export { type ForkOptions, type ForkReport, forkRun } from './replay/fork-run.js'
export { loadRunAt, type RunAt } from './replay/load-run-at.js'
export type { Where } from './replay/where.js'
