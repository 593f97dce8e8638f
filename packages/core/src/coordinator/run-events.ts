import type { RepriseError } from '../protocol/errors.js'
import type { EventData, RunEvent } from '../protocol/events.js'
import type { RunStatus } from './run-status.js'
import type { StateFileDrift } from './state-file-keeper.js'

/** A commit that is durable. */
export interface CommitNotice {
  readonly index: number
  readonly hash: string
  readonly events: readonly RunEvent[]
  readonly status: RunStatus
}

/** What a run emits, always after the commit that says it is durable. */
export interface RunEvents {
  commit: [CommitNotice]
  dispatched: [EventData<'dispatched'>]
  receipt: [EventData<'receipt-received'>]
  'receipt-rejected': [EventData<'receipt-rejected'>]
  'attempt-expired': [EventData<'attempt-expired'>]
  'spawn-refused': [EventData<'spawn-refused'>]
  'mode-changed': [EventData<'mode-changed'>]
  /** The state file was not as it was left; it has been repaired. */
  'state-file-drift': [StateFileDrift]
  /** Another coordinator has taken the run over; this one has stopped. */
  'lock-lost': [RepriseError]
  /** Nothing more can be appended, for whatever reason. `lock-lost` comes first if that is it. */
  stopped: [RepriseError]
  /** The log, the queue, the inbox or what its messages need, the lease or the state file failed; it is tried again. */
  'transport-failed': [unknown]
}
