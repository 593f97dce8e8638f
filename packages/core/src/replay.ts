/**
 * The door for looking back: a run at any version, what changed, why it stands still, where it went wrong, and moving its
 * log. Apart from the main door, so that coordinators and workers do not load what only people and tools need.
 */
export { type StandingSince, standingSince } from './coordinator/changes-since.js'
export type { ActAnswer, TakenUp } from './replay/act-answer.js'
export type { ActOptions } from './replay/act-options.js'
export { type Acting, actOnRun, startActing } from './replay/acting.js'
export { type OpenedOnce, openOnce } from './replay/open-once.js'
