/**
 * The door for looking back: a run at any version, what changed, why it stands still, where it went wrong, and moving its
 * log. Apart from the main door, so that coordinators and workers do not load what only people and tools need.
 */
export type { AttemptEnd, AttemptSpan } from './replay/attempt-spans.js'
export { type CommitsFromOptions, commitsFrom } from './replay/commits-from.js'
export type { RunPoint } from './replay/find-commit.js'
export type { Bucket, Spread } from './replay/histogram.js'
export { type LoggedEvent, type ReadEventsOptions, readEvents } from './replay/read-events.js'
export { type RunStats, type StatsKey, type StatsOptions, statsKeys, statsOf } from './replay/run-stats.js'
export type { GroupStats } from './replay/stats-group.js'
export {
  type CoordinatorStretch,
  type HoldStretch,
  type ModeStretch,
  type Timeline,
  type TimelineLane,
  type TimelineOptions,
  timelineOf,
} from './replay/timeline.js'
