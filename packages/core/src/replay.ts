/**
 * The door for looking back: a run at any version, what changed, why it stands still, where it went wrong, and moving its
 * log. Apart from the main door, so that coordinators and workers do not load what only people and tools need.
 */
export { keepSummary } from './replay/keep-summary.js'
export { type ListedRun, type ListRunsOptions, listRuns, type UnreadableLog } from './replay/list-runs.js'
