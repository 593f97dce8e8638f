// The public API, name by name. What is not here is not promised.
export { acceptedReceipts } from './coordinator/accepted-receipts.js'
export { type BriefingOptions, type BriefRunOptions, briefRun, type RunBriefing } from './coordinator/brief-run.js'
export { changesSince } from './coordinator/changes-since.js'
export {
  type LoadedRun,
  type LoadOptions,
  type LogBasis,
  type LogVerdict,
  loadRun,
  readCommits,
  verifyRun,
} from './coordinator/load-run.js'
export { type OpenRunOptions, openRun } from './coordinator/open-run.js'
export type { CommandOutcome, CompletionReport, DispatchReport, RoundReport } from './coordinator/outcomes.js'
export type { OutputSchema } from './coordinator/output-schema.js'
export type { Change, Changes } from './coordinator/read-changes.js'
export type { RoundDecision, RoundOptions } from './coordinator/round.js'
export { Run } from './coordinator/run.js'
export type { CommitNotice, RunEvents } from './coordinator/run-events.js'
export type { RunStatus } from './coordinator/run-status.js'
export {
  type CommandAnswer,
  type SendCommandOptions,
  type SentCommand,
  sendCommand,
} from './coordinator/send-command.js'
export type { Settlement } from './coordinator/settlements.js'
export type { StateFileDrift } from './coordinator/state-file-keeper.js'
export { type EarlierAttempt, type TaskChain, type TaskChainOptions, taskChain } from './coordinator/task-chain.js'
export type { TaskResult } from './coordinator/task-result.js'
export {
  type TraceChain,
  type TraceChainOptions,
  type TracedTask,
  type TraceGap,
  traceChain,
  type UnreadableRun,
} from './coordinator/trace-chain.js'
export type {
  BriefedAttempt,
  BriefedCriterion,
  BriefedEvent,
  BriefedPlan,
  BriefedReceipt,
  BriefedStop,
  Briefing,
  Excerpt,
  Told,
} from './flow/briefing.js'
export type { ChainGap } from './flow/chain-gap.js'
export type { ChainLink, ChainLinkName } from './flow/chain-links.js'
export { decideCommand, type InternalCommand } from './flow/decide-command.js'
export type { ContextBasis, DecideContext, Decided, Decision, Refusal, SpawnRefusal } from './flow/decision.js'
export { describeEvent } from './flow/describe-event.js'
export { type CountTokens, estimateTokens } from './flow/fit-briefing.js'
export type { StateFileDriftKind } from './flow/judge-state-file.js'
export { modeTable } from './flow/mode-table.js'
export { nextAction } from './flow/next-action.js'
export type { Budget, Budgets, Permission } from './flow/permissions.js'
export { planDeliveries } from './flow/plan-deliveries.js'
export { initialState, reduceCommit, reduceEvent } from './flow/reduce-event.js'
export type { GateResult } from './flow/resume-gates.js'
export type {
  CriterionView,
  OpenTaskView,
  OutTaskView,
  PlannedTaskView,
  ReceivedTaskView,
  RunView,
  StoppedTaskView,
} from './flow/run-view.js'
export { readStateFile, type StateFileOrigin } from './flow/state-file-text.js'
export { statusTable } from './flow/status-table.js'
export type { LogMark, MessagePlace, RefusedReceipt } from './flow/task-history.js'
export { allOf } from './patterns/all-of.js'
export { type FirstOf, firstOf } from './patterns/first-of.js'
export type { Judge, PatternOptions, Verdict } from './patterns/judge.js'
export { type MapOverOptions, type MapOverReport, mapOver } from './patterns/map-over.js'
export {
  type PipelineOptions,
  type PipelineResult,
  pipeline,
  type Stage,
  type StageInput,
} from './patterns/pipeline.js'
export type { Adapter, DiagnoseOptions, Diagnosis, Finding } from './ports/adapter.js'
export { type AdapterParts, combineAdapters } from './ports/combine-adapters.js'
export type { RunHistory } from './ports/run-history.js'
export type { Runtime } from './ports/runtime.js'
export type { SnapshotStore } from './ports/snapshot-store.js'
export type { StateFileStore } from './ports/state-file.js'
export type { Command, CommandInput, RecoverCommand, RoundCommand } from './protocol/commands.js'
export { type ErrorCode, errorCodes, isRepriseError, RepriseError } from './protocol/errors.js'
export {
  type Cause,
  type ChecklistItem,
  type Commit,
  type EventData,
  type EventType,
  eventDataSchemas,
  type Holder,
  type Mode,
  type ReceiptGate,
  type ResumeGate,
  type RunEvent,
  type Status,
} from './protocol/events.js'
export { type RunId, runIdSchema, type TaskId, taskIdSchema } from './protocol/ids.js'
export type { JsonValue } from './protocol/json.js'
export { limits } from './protocol/limits.js'
export { type Policy, type PolicyInput, policySchema } from './protocol/policy.js'
export { type Artifact, type Receipt, type ReceiptStatus, receiptChecksum, receiptSchema } from './protocol/receipt.js'
export { receiptJsonSchema } from './protocol/receipt-json-schema.js'
export {
  type Counts,
  type CriterionEvidence,
  type OpenTask,
  type Outcome,
  type RecentEvents,
  type Remembered,
  type RunState,
  settledDepth,
  settledOutcome,
} from './protocol/state.js'
export type { Dispatch, TaskRequest, TaskSpec } from './protocol/task.js'
export type { TimeInput } from './protocol/time.js'
export { type Closeable, type CloseOnSignalsOptions, closeOnSignals } from './runtime/on-signals.js'
export { stateFileAt } from './runtime/state-file-at.js'
export { systemRuntime } from './runtime/system-runtime.js'
export type { Incident, IncidentKind, StallReason } from './watchdog/incident.js'
export { startWatchdog } from './watchdog/start-watchdog.js'
export type { Watchdog } from './watchdog/watchdog.js'
export type { WatchdogEvents } from './watchdog/watchdog-events.js'
export type { IncidentNotice, WatchdogOptions } from './watchdog/watchdog-options.js'
export { AttemptFailure, type AttemptFailureOptions, isAttemptFailure } from './worker/attempt-failure.js'
export { type ReceiptErrorCode, receiptErrorCodes } from './worker/attempt-result.js'
export { defineTask, type TaskDefinition, type TaskHandler, type TaskOptions } from './worker/define-task.js'
export { type ProgramOptions, programHandler } from './worker/program-handler.js'
export { type ProgramResult, programResultSchema } from './worker/program-result.js'
export type { SigningKey } from './worker/sign-receipt.js'
export { startWorker, type Worker, type WorkerOptions } from './worker/start-worker.js'
export type { ArtifactSource, PartialResult, PartialStop, TaskContext } from './worker/task-context.js'
export type { WorkerEvents } from './worker/worker-events.js'
