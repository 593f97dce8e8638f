import { markDecided } from '../flow/senders.js'
import type { Commit, Holder, RunEvent } from '../protocol/events.js'
import type { RunId, TaskId } from '../protocol/ids.js'
import type { RunState } from '../protocol/state.js'

/** An attempt that the log says is out. */
export interface OutAttempt {
  readonly attempt: number
  readonly deadlineAt: string
}

/** What of a run concerns the watchdog: nothing is kept of what is settled. */
export interface WatchedRun {
  runId: RunId | null
  version: number
  leaseTtlMs: number
  /** In force and not released. */
  lock: { readonly epoch: number; readonly holder: Holder } | null
  checkpoint: RunState['checkpoint']
  ended: boolean
  readonly out: Map<TaskId, OutAttempt>
  /** Which messages the log answers: they may rest in the inbox for a while. */
  readonly senders: RunState['senders']
}

export const unreadRun = (): WatchedRun => ({
  runId: null,
  version: 0,
  leaseTtlMs: 0,
  lock: null,
  checkpoint: null,
  ended: false,
  out: new Map(),
  senders: new Map(),
})

/** Nothing can be wrong with it any more. */
export const endedRun = (): WatchedRun => ({ ...unreadRun(), ended: true })

/** Takes in one commit, its events in their newest form. */
export function followCommit(run: WatchedRun, { events }: Pick<Commit, 'events'>): void {
  for (const event of events) {
    run.version++
    if (event.cause !== undefined && event.cause.more !== true) markDecided(run, event.cause)
    followEvent(run, event)
  }
}

function followEvent(run: WatchedRun, event: RunEvent): void {
  switch (event.type) {
    case 'run-opened':
      run.runId = event.data.runId
      run.leaseTtlMs = event.data.policy.leaseTtlMs
      return
    case 'run-forked':
      run.runId = event.data.runId
      run.lock = null
      run.ended = false
      run.out.clear()
      run.senders.clear()
      return
    case 'lock-acquired':
      run.lock = { epoch: run.version, holder: event.data.holder }
      return
    case 'lock-released':
      run.lock = null
      return
    case 'dispatched':
      run.out.set(event.data.taskId, { attempt: event.data.attempt, deadlineAt: event.data.deadlineAt })
      return
    case 'receipt-received':
      run.out.delete(event.data.receipt.taskId)
      return
    case 'planned':
    case 'task-accepted':
    case 'task-rejected':
    case 'attempt-expired':
    case 'task-cancelled':
    case 'task-abandoned':
      run.out.delete(event.data.taskId)
      return
    case 'checkpoint-set':
      run.checkpoint = event.data
      return
    case 'run-completed':
    case 'run-failed':
      run.ended = true
      run.lock = null
      run.out.clear()
      return
    case 'spawn-refused':
    case 'mode-changed':
    case 'resumed':
    case 'receipt-rejected':
    case 'paused':
    case 'unpaused':
    case 'blocked':
    case 'unblocked':
    case 'criterion-met':
    case 'criterion-reopened':
    case 'note-added':
    case 'round-closed':
    case 'command-refused':
      return
  }
}
