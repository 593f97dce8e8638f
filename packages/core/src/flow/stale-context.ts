import type { Command } from '../protocol/commands.js'
import type { RunState } from '../protocol/state.js'
import type { ContextBasis } from './decision.js'

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
    case 'cancel':
    case 'abandon': {
      const task = state.tasks.get(command.taskId)
      if (task !== undefined && task.changedAt > version) {
        return `task ${command.taskId} has changed (attempt ${task.attempt} is ${task.phase} since version ${task.changedAt})`
      }
      return statusChange(state, version)
    }
    case 'dispatch':
    case 'meet-criterion':
    case 'reopen-criterion':
    case 'complete':
    case 'fail':
      if (state.resultsChangedAt > version) return `work has come back or stopped (version ${state.resultsChangedAt})`
      return statusChange(state, version)
    case 'round':
      for (const one of [...command.recover, ...command.decide]) {
        const reason = staleReason(state, one, basis)
        if (reason !== null) return reason
      }
      return null
  }
}

const statusChange = (state: RunState, version: number): string | null =>
  state.statusChangedAt > version
    ? `what may be done has changed (the run is ${state.status} since version ${state.statusChangedAt})`
    : null
