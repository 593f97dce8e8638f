import type { DispatchReport } from '../coordinator/outcomes.js'
import type { Changes } from '../coordinator/read-changes.js'
import type { Cause, RunEvent } from '../protocol/events.js'

/** What became of one command. A refusal is a value; nothing of it is in the log then, except that a sent one was refused. */
export type ActAnswer = PlainAnswer & {
  /** With a token: what has happened since it was issued, this command included. Else `null`. */
  readonly changes: Changes | null
  /** For who has read `changes`. If the log could not be read any more: the one that was passed, and no changes. */
  readonly token: string | null
}

/** What became of one command, whatever its token. */
export type PlainAnswer = {
  /** `executed`: by this process, which held the run for it. `sent`: by who holds it. */
  readonly how: 'executed' | 'sent'
  /** What the events that answer a sent command name as their cause. */
  readonly cause: Cause | null
} & (
  | {
      readonly ok: true
      /** `null`: it was sent, and its answer is not waited for. */
      readonly version: number | null
      /** `sent`: what answers it. `executed`: what was recorded from its decision to its answer. */
      readonly events: readonly RunEvent[]
      /** What became of the tasks of a `dispatch`; empty for others. */
      readonly report: DispatchReport
    }
  | {
      readonly ok: false
      /** One of `errorCodes`, or of a later library’s. */
      readonly code: string
      readonly message: string
      readonly details: Readonly<Record<string, unknown>>
    }
)

/** What taking a run up for a command was about. */
export interface TakenUp {
  readonly epoch: number
  /** How the gate `receipts-pending` was passed: what had come back while nobody was home. */
  readonly receipts: string
}
