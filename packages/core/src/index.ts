// The public API, name by name. What is not here is not promised.
export { type LoadedRun, type LogVerdict, loadRun, readCommits, verifyRun } from './coordinator/load-run.js'
export { type OpenRunOptions, openRun } from './coordinator/open-run.js'
export type { OutputSchema } from './coordinator/output-schema.js'
export { type CommandOutcome, type DispatchReport, Run } from './coordinator/run.js'
export type { CommitNotice, RunEvents } from './coordinator/run-events.js'
export type { RunStatus } from './coordinator/run-status.js'
export {
  type CommandAnswer,
  type SendCommandOptions,
  type SentCommand,
  sendCommand,
} from './coordinator/send-command.js'
export type { TaskResult } from './coordinator/task-result.js'
export { decideCommand, type InternalCommand } from './flow/decide-command.js'
export type { DecideContext, Decided, Decision, Refusal, SpawnRefusal } from './flow/decision.js'
export { modeTable } from './flow/mode-table.js'
export { planDeliveries } from './flow/plan-deliveries.js'
export { initialState, reduceCommit, reduceEvent } from './flow/reduce-event.js'
export type { GateResult } from './flow/resume-gates.js'
export { statusTable } from './flow/status-table.js'
export type { Adapter, Diagnosis, Finding } from './ports/adapter.js'
export { type AdapterParts, combineAdapters } from './ports/combine-adapters.js'
export type { Runtime } from './ports/runtime.js'
export type { Command, CommandInput } from './protocol/commands.js'
export { type ErrorCode, errorCodes, isRepriseError, RepriseError } from './protocol/errors.js'
export {
  type Cause,
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
export { type Counts, type OpenTask, type RunState, settledDepth, settledOutcome } from './protocol/state.js'
export type { Dispatch, TaskRequest, TaskSpec } from './protocol/task.js'
export type { TimeInput } from './protocol/time.js'
export { type Closeable, type CloseOnSignalsOptions, closeOnSignals } from './runtime/on-signals.js'
export { systemRuntime } from './runtime/system-runtime.js'
export { AttemptFailure, type AttemptFailureOptions, isAttemptFailure } from './worker/attempt-failure.js'
export { type ReceiptErrorCode, receiptErrorCodes } from './worker/attempt-result.js'
export { defineTask, type TaskDefinition, type TaskHandler, type TaskOptions } from './worker/define-task.js'
export type { SigningKey } from './worker/sign-receipt.js'
export { startWorker, type Worker, type WorkerOptions } from './worker/start-worker.js'
export type { ArtifactSource, PartialResult, PartialStop, TaskContext } from './worker/task-context.js'
export type { WorkerEvents } from './worker/worker-events.js'
