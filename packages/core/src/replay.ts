/**
 * The door for looking back: a run at any version, what changed, why it stands still, where it went wrong, and moving its
 * log. Apart from the main door, so that coordinators and workers do not load what only people and tools need.
 */
export type { LogFile } from './ports/log-file.js'
export { type ArchiveOptions, type ArchiveReport, archiveRun, gzipped } from './replay/archive-run.js'
export { type BisectReport, bisect, type Condition, type FoundEvent, findBroken } from './replay/bisect.js'
export type { LogSummary } from './replay/checked-log.js'
export { type CopyOptions, type CopyReport, copyRun } from './replay/copy-run.js'
export { diffRun } from './replay/diff-run.js'
export { type DiffOptions, diffStates, type StateDiff, stateDiffSchema } from './replay/diff-states.js'
export { type ExportOptions, exportRun } from './replay/export-run.js'
export type { LastCommit } from './replay/fold-to.js'
export { type ForkOptions, type ForkReport, forkRun } from './replay/fork-run.js'
export { type ImportOptions, type ImportReport, importRun, readLogFile } from './replay/import-run.js'
export type { Invariant } from './replay/invariants/invariant.js'
export { type InvariantName, invariantNames, invariants } from './replay/invariants.js'
export { loadRunAt, type RunAt } from './replay/load-run-at.js'
export type { LogBytes } from './replay/log-lines.js'
export { type BrokenInvariant, brokenIn, type LogOutcome, outcomeOf } from './replay/outcome-of.js'
export { type RecordedTest, type RecordOptions, recordTest } from './replay/record-test.js'
export type { CopiedArtifacts } from './replay/run-artifacts.js'
export {
  type OpenTaskJson,
  openTaskJson,
  openTaskSchema,
  type RunStateJson,
  runStateSchema,
  stateJson,
} from './replay/state-json.js'
export type { Where } from './replay/where.js'
export { type LogFileOptions, logFileAt } from './runtime/log-file-at.js'
