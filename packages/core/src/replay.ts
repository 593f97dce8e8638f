/**
 * The door for looking back: a run at any version, what changed, why it stands still, where it went wrong, and moving its
 * log. Apart from the main door, so that coordinators and workers do not load what only people and tools need.
 */
export { type InspectOptions, inspectLog, type LogReport } from './replay/inspect-log.js'
export { type LogProblem, type LogProblemKind, logProblems } from './replay/log-problem.js'
export type { LogRemains } from './replay/walk-pieces.js'
