/**
 * The door for adapters: the ports, what travels through them, the form of a log record, and what every adapter does
 * alike: `checkRecord`, `versionConflict` and `checkRemovable` in its log, `checkMessages` and `PeekedMessages` in its inbox, `HeldDelivery`
 * in its queue, `snapshotWithoutLog` in its snapshots. An adapter imports nothing else of ours.
 */
export { type CommitRecord, hashMatches, type LogHead, readRecordShape } from './log/commit-record.js'
export { checkRecord, checkRemovable, versionConflict } from './log/log-rules.js'
export type { Adapter, DiagnoseOptions, Diagnosis, Finding } from './ports/adapter.js'
export type { ArtifactStore } from './ports/artifact-store.js'
export type { CommitLog, StoredPiece } from './ports/commit-log.js'
export { HeldDelivery } from './ports/held-delivery.js'
export type { Inbox, InboxHandler, InboxMessage } from './ports/inbox.js'
export { checkMessages, isBodyTooLarge } from './ports/inbox-rules.js'
export type { Lease, LeaseHolder, Leases } from './ports/leases.js'
export { PeekedMessages } from './ports/peeked-messages.js'
export type { RunHistory } from './ports/run-history.js'
export type { RunSummaries, SummarizedRun } from './ports/run-summaries.js'
export type { Runtime } from './ports/runtime.js'
export { snapshotWithoutLog } from './ports/snapshot-rules.js'
export type { SnapshotStore } from './ports/snapshot-store.js'
export type { ConsumeOptions, Consumer, Delivery, DeliveryHandler, TaskQueue, Whereabouts } from './ports/task-queue.js'
export type { ArtifactCheck, StoredArtifact } from './protocol/artifact.js'
export { type ErrorCode, isRepriseError, RepriseError } from './protocol/errors.js'
export type { Holder } from './protocol/events.js'
export type { RunId, TaskId } from './protocol/ids.js'
export { limits } from './protocol/limits.js'
export type { Offer } from './protocol/task.js'
export { isAlive, ownIdentity, type ProcessIdentity, parseIdentity } from './runtime/process-identity.js'
