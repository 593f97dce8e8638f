import type { SpawnRefusal } from '../flow/decision.js'
import type { RepriseError } from '../protocol/errors.js'
import type { ChecklistItem } from '../protocol/events.js'
import type { TaskId } from '../protocol/ids.js'
import type { Changes } from './read-changes.js'
import type { RunStatus } from './run-status.js'

/** What became of a `dispatch`: every task is in one of these. */
export interface DispatchReport {
  readonly dispatched: readonly TaskId[]
  /** Waits for a slot, a time or another task; goes out by itself. */
  readonly planned: readonly TaskId[]
  /** In the log before; nothing to do. */
  readonly known: readonly TaskId[]
  /** Kept out by a limit, on record. */
  readonly refused: readonly SpawnRefusal[]
}

/**
 * Where a run stands. To who passed a token: `changes` is what has happened since the version that it was issued for, if
 * anything but this command, and `token` is for who has read that. If the log could not be read, `token` is the one that was passed.
 * There is none for one that was not valid.
 */
export interface Standing {
  readonly status: RunStatus
  readonly token?: string
  readonly changes?: Changes
}

/** Why nothing was recorded; `details` names ids, numbers and limits for programs. */
export interface Refused {
  readonly code: RepriseError['code']
  readonly message: string
  readonly details?: Readonly<Record<string, unknown>>
}

/** `execute`: what a command did, or why it did nothing, with where the run stands. */
export type CommandOutcome = Standing &
  ({ readonly ok: true; readonly report: DispatchReport } | ({ readonly ok: false } & Refused))

/** What a round did, by the log. `progress: false`: nothing; `code` and `message` say why, and nothing was recorded. */
export type RoundReport = Standing &
  (
    | {
        readonly progress: true
        readonly round: number
        readonly summary: string
        readonly settled: readonly TaskId[]
        readonly report: DispatchReport
      }
    | ({ readonly progress: false } & Refused)
  )

/** A run that ended well, and what was checked before it was called so. */
export interface CompletionReport {
  readonly summary: string
  readonly checklist: readonly ChecklistItem[]
  readonly status: RunStatus
}
