import type { Mode, Status } from '../protocol/events.js'
import type { RunId } from '../protocol/ids.js'
import type { Counts, RunState } from '../protocol/state.js'

/** Where a run stands, by the log up to `version`. */
export interface RunStatus {
  readonly runId: RunId | null
  readonly version: number
  readonly epoch: number
  readonly mode: Mode
  readonly status: Status
  /** Why it is paused, blocked or closed. */
  readonly reason: string | null
  readonly round: number
  readonly counts: Readonly<Counts>
  readonly spent: Readonly<RunState['spent']>
}

export const statusOf = (state: RunState): RunStatus => ({
  runId: state.runId,
  version: state.version,
  epoch: state.epoch,
  mode: state.mode,
  status: state.status,
  reason: state.closing ?? state.blockedReason ?? state.pausedReason,
  round: state.round,
  counts: { ...state.counts },
  spent: { ...state.spent },
})
