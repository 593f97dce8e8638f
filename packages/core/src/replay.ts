/**
 * The door for looking back: a run at any version, what changed, why it stands still, where it went wrong, and moving its
 * log. Apart from the main door, so that coordinators and workers do not load what only people and tools need.
 */
export { type StandingSince, standingSince } from './coordinator/changes-since.js'
export type { LogFile } from './ports/log-file.js'
export type { ActAnswer, TakenUp } from './replay/act-answer.js'
export type { ActOptions } from './replay/act-options.js'
export { type Acting, actOnRun, startActing } from './replay/acting.js'
export { type ArchiveOptions, type ArchiveReport, archiveRun, gzipped } from './replay/archive-run.js'
export type { AttemptEnd, AttemptSpan } from './replay/attempt-spans.js'
export { type BisectReport, bisect, type Condition, type FoundEvent, findBroken } from './replay/bisect.js'
export type { LogSummary } from './replay/checked-log.js'
export { type CheckpointKey, defaultKeyId, type PinnedKey } from './replay/checkpoint-keys.js'
export { type Checkpoint, checkpointBytesMax, checkpointSchema } from './replay/checkpoint-text.js'
export { type CommitsFromOptions, commitsFrom } from './replay/commits-from.js'
export { type CopyOptions, type CopyReport, copyRun } from './replay/copy-run.js'
export type { LogRemains } from './replay/count-remains.js'
export { diffRun } from './replay/diff-run.js'
export { type DiffOptions, diffStates, type StateDiff, stateDiffSchema } from './replay/diff-states.js'
export { type ExportOptions, exportRun } from './replay/export-run.js'
export type { RunPoint } from './replay/find-commit.js'
export type { LastCommit } from './replay/fold-to.js'
export { type ForkOptions, type ForkReport, forkRun } from './replay/fork-run.js'
export type { Bucket, Spread } from './replay/histogram.js'
export { type ImportOptions, type ImportReport, importRun, readLogFile } from './replay/import-run.js'
export { type InspectOptions, inspectLog, type LogReport } from './replay/inspect-log.js'
export type { Invariant } from './replay/invariants/invariant.js'
export { type InvariantName, invariantNames, invariants } from './replay/invariants.js'
export { keepSummary } from './replay/keep-summary.js'
export { type ListedRun, type ListRunsOptions, listRuns, type UnreadableLog } from './replay/list-runs.js'
export { type ListTasksOptions, listTasks, type TaskRow, taskPlaces, taskRowSchema } from './replay/list-tasks.js'
export { loadRunAt, type RunAt } from './replay/load-run-at.js'
export type { LogBytes } from './replay/log-lines.js'
export { type LogProblem, type LogProblemKind, logProblems } from './replay/log-problem.js'
export { type MeasureOptions, measureLatencies, scratchPrefix } from './replay/measure-latencies.js'
export type { LoadAtOptions } from './replay/nearest-snapshot.js'
export { type OpenedOnce, openOnce } from './replay/open-once.js'
export { type BrokenInvariant, brokenIn, type LogOutcome, outcomeOf } from './replay/outcome-of.js'
export { type BackendRole, backendRoles, probeRights } from './replay/probe-rights.js'
export { type LoggedEvent, type ReadEventsOptions, readEvents } from './replay/read-events.js'
export { type Reason, reasonSchema } from './replay/reason.js'
export { type RecordedTest, type RecordOptions, recordTest } from './replay/record-test.js'
export type { CopiedArtifacts } from './replay/run-artifacts.js'
export { type RunOverview, type RunOverviewOptions, runOverview, runOverviewSchema } from './replay/run-overview.js'
export { type RunStats, type StatsKey, type StatsOptions, statsKeys, statsOf } from './replay/run-stats.js'
export { type SignedCheckpoint, signCheckpoint } from './replay/sign-checkpoint.js'
export {
  type OpenTaskJson,
  openTaskJson,
  openTaskSchema,
  type RunStateJson,
  runStateSchema,
  stateJson,
} from './replay/state-json.js'
export type { GroupStats } from './replay/stats-group.js'
export { type TaskDetails, taskDetails, taskDetailsSchema } from './replay/task-details.js'
export {
  type CoordinatorStretch,
  type HoldStretch,
  type ModeStretch,
  type Timeline,
  type TimelineLane,
  type TimelineOptions,
  timelineOf,
} from './replay/timeline.js'
export {
  type CheckpointFinding,
  type CheckpointVerdict,
  checkpointFindings,
  verifyCheckpoint,
} from './replay/verify-checkpoint.js'
export type { Where } from './replay/where.js'
export { type WhyCode, whyCodes } from './replay/why-codes.js'
export { type RunWhy, runWhySchema, type WhyRunOptions, whyRun } from './replay/why-run.js'
export { type TaskWhy, taskWhySchema, type WhyTaskOptions, whyTask } from './replay/why-task.js'
export { type LogFileOptions, logFileAt } from './runtime/log-file-at.js'
