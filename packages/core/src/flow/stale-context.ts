import type { Command } from '../protocol/commands.js'
import type { TaskId } from '../protocol/ids.js'
import type { RunState } from '../protocol/state.js'
import type { ContextBasis, Refusal } from './decision.js'

/**
 * Why a command must not be decided by somebody who knows the run as it was at `basis`, or `null`. Only what the
 * command depends on counts: a run in which much happens would make every command stale otherwise.
 */
export function staleReason(state: RunState, command: Command, basis: ContextBasis): string | null {
  if (basis.epoch !== state.epoch)
    return `the run was taken up again (epoch ${state.epoch}, the token has ${basis.epoch})`
  const { version } = basis
  switch (command.type) {
    case 'note':
      return null
    case 'pause':
    case 'unpause':
    case 'block':
    case 'unblock':
    case 'set-checkpoint':
    case 'close-round':
      return statusChange(state, version)
    case 'accept':
    case 'reject':
    case 'retry':
      return taskChange(state, command.taskId, version) ?? statusChange(state, version)
    case 'cancel':
    case 'abandon':
      return dependentChange(state, command.taskId, version) ?? statusChange(state, version)
    case 'dispatch':
      return workChange(state, version) ?? resultChange(state, version) ?? statusChange(state, version)
    case 'fail':
      return (
        workChange(state, version) ??
        settledChange(state, version) ??
        resultChange(state, version) ??
        statusChange(state, version)
      )
    case 'meet-criterion':
    case 'reopen-criterion':
    case 'complete':
      return resultChange(state, version) ?? statusChange(state, version)
    case 'round':
      for (const one of [...command.recover, ...command.decide]) {
        const reason = staleReason(state, one, basis)
        if (reason !== null) return reason
      }
      return null
  }
}

/** Refuses what must not be decided by somebody who knows the run as it was at `basis`, or `null`. */
export function staleRefusal(state: RunState, command: Command, basis: ContextBasis): Refusal | null {
  const stale = staleReason(state, command, basis)
  if (stale === null) return null
  return {
    code: 'STALE_CONTEXT',
    message: `The context token is of version ${basis.version} of run ${state.runId}, which is at version ${state.version}: ${stale}. Nothing was recorded. Read what has changed, then decide again.`,
    details: { version: state.version, tokenVersion: basis.version },
  }
}

function taskChange(state: RunState, taskId: TaskId, version: number): string | null {
  const task = state.tasks.get(taskId)
  if (task === undefined || task.changedAt <= version) return null
  return `task ${taskId} has changed (attempt ${task.attempt} is ${task.phase} since version ${task.changedAt})`
}

/** Tasks that need one which is given up go with it: one of them may be new. */
function dependentChange(state: RunState, taskId: TaskId, version: number): string | null {
  const reached = new Set([taskId])
  for (const id of reached) {
    const changed = taskChange(state, id, version)
    if (changed !== null) return id === taskId ? changed : `${changed}, and needs ${taskId}`
    for (const dependent of state.dependents.get(id) ?? []) reached.add(dependent)
  }
  return null
}

/** Somebody else may have handed out the same work, under another id or as another attempt. */
const workChange = (state: RunState, version: number): string | null =>
  state.takenInAt > version ? `tasks have come in or are tried again (version ${state.takenInAt})` : null

/** What cannot be undone must not be done by somebody who does not know how far the run has come. */
function settledChange({ recent }: RunState, version: number): string | null {
  const newest = recent.settled.at(-1)?.version ?? 0
  return newest > version ? `tasks were settled (version ${newest})` : null
}

const resultChange = (state: RunState, version: number): string | null =>
  state.resultsChangedAt > version ? `work has come back or stopped (version ${state.resultsChangedAt})` : null

const statusChange = (state: RunState, version: number): string | null =>
  state.statusChangedAt > version
    ? `what may be done has changed (the run is ${state.status} since version ${state.statusChangedAt})`
    : null
