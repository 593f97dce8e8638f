import type { Status } from '../protocol/events.js'
import type { RunState } from '../protocol/state.js'

/** Every status × every status: whether a run may go from the one to the other. */
export const statusTable = {
  running: { running: true, 'awaiting-result': true, paused: true, blocked: true, complete: true, failed: true },
  'awaiting-result': {
    running: true,
    'awaiting-result': true,
    paused: true,
    blocked: true,
    complete: false,
    failed: true,
  },
  paused: { running: true, 'awaiting-result': true, paused: true, blocked: false, complete: false, failed: true },
  blocked: { running: true, 'awaiting-result': true, paused: false, blocked: true, complete: false, failed: true },
  complete: { running: false, 'awaiting-result': false, paused: false, blocked: false, complete: false, failed: false },
  failed: { running: false, 'awaiting-result': false, paused: false, blocked: false, complete: false, failed: false },
} as const satisfies Record<Status, Record<Status, boolean>>

/** The status of an open run. `awaiting-result` is healthy: there is nothing to do but wait. */
export function openStatus(state: Pick<RunState, 'mode' | 'pausedReason' | 'blockedReason'>): Status {
  if (state.blockedReason !== null) return 'blocked'
  if (state.pausedReason !== null) return 'paused'
  return state.mode === 'awaiting' ? 'awaiting-result' : 'running'
}
