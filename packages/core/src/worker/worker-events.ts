import type { Cause } from '../protocol/events.js'
import type { RunId, TaskId } from '../protocol/ids.js'
import type { ReceiptStatus } from '../protocol/receipt.js'

/** What a worker tells about itself. A listener that throws is reported by `error`; it does not harm the attempt. */
export interface WorkerEvents {
  /** An attempt was claimed and its dispatch is intact. */
  claimed: [claim: { readonly runId: RunId; readonly taskId: TaskId; readonly attempt: number }]
  /**
   * A receipt was sent: it is durable in the inbox of its run, and not in the log yet. The event there that records or
   * refuses it names this `cause`; `taskChain` tells how far it has come.
   */
  receipt: [
    sent: {
      readonly runId: RunId
      readonly taskId: TaskId
      readonly attempt: number
      readonly status: ReceiptStatus
      readonly cause: Cause
    },
  ]
  /** Something failed that did not stop the worker: a transport that is tried again, a damaged dispatch. */
  error: [error: unknown]
}
