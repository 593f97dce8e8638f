import type { Command } from '../protocol/commands.js'
import type { TaskId } from '../protocol/ids.js'
import type { RunState } from '../protocol/state.js'
import { decideMeet, decideReopen } from './criteria.js'
import { decideAdvance, decideDispatch } from './decide-dispatch.js'
import {
  decideFinishResume,
  decideOpen,
  decideTakeOver,
  type FinishResumeCommand,
  type OpenCommand,
  type TakeOverCommand,
} from './decide-lock.js'
import { decideReceipts, type JudgedReceipt } from './decide-receipts.js'
import { decideRound } from './decide-round.js'
import { decideAccept, decideExpire, decideGiveUp, decideReject, decideRetry } from './decide-settle.js'
import { decideCheckpoint, decideComplete, decideFail, decideWaiting } from './decide-waiting.js'
import { type DecideContext, type Decision, decided, event, type Refusal, refuse } from './decision.js'
import { commandTable } from './mode-table.js'
import { staleRefusal } from './stale-context.js'

/** Commands that only the coordinator itself issues. */
export type InternalCommand =
  | OpenCommand
  | TakeOverCommand
  | FinishResumeCommand
  | { readonly type: 'record-receipts'; readonly receipts: readonly JudgedReceipt[] }
  /** `except`: tasks whose receipts are here and being checked. */
  | { readonly type: 'expire-attempts'; readonly except?: ReadonlySet<TaskId> }
  /** Fills free slots with planned tasks. */
  | { readonly type: 'advance' }
  | { readonly type: 'refuse-command'; readonly command: string; readonly refusal: Refusal }
  | { readonly type: 'release'; readonly reason: string }

/** What follows from a command, by the log alone: events, or why not. Pure; changes nothing. */
export function decideCommand(state: RunState, command: Command | InternalCommand, context: DecideContext): Decision {
  if (command.type === 'open') return decideOpen(state, command)
  if (state.version === 0) return refuse('RUN_UNKNOWN', 'The run was never opened.')
  if (state.mode === 'closed') {
    return refuse(
      'RUN_CLOSED',
      `Run ${state.runId} is ${state.status} (${state.closing}) and takes no more commands. Open a new run.`,
    )
  }
  if (command.type === 'take-over') return decideTakeOver(state, command)
  if (state.lock?.holder.id !== context.holderId) {
    const holder = state.lock === null ? 'nobody' : state.lock.holder.id
    return refuse(
      'LOCK_LOST',
      `The lock of run ${state.runId} is held by ${holder}, not by ${context.holderId}. Open the run again.`,
    )
  }
  if (commandTable[command.type][state.mode] === 'refuse') {
    return refuse(
      'MODE_MISMATCH',
      `Run ${state.runId} is ${state.mode}, which does not allow ${command.type}. Wait until every resume gate has passed.`,
      { mode: state.mode, command: command.type },
    )
  }
  if (context.basis !== undefined && isPublic(command)) {
    const refusal = staleRefusal(state, command, context.basis)
    if (refusal !== null) return { ok: false, refusal }
  }
  switch (command.type) {
    case 'finish-resume':
      return decideFinishResume(state, command)
    case 'dispatch':
      return decideDispatch(state, command.tasks, context.basis ? { ...context, evaluateFirst: true } : context)
    case 'advance':
      return decideAdvance(state, context)
    case 'record-receipts':
      return decideReceipts(state, command.receipts, context)
    case 'expire-attempts':
      return decideExpire(state, context, command.except)
    case 'accept':
      return decideAccept(state, command)
    case 'reject':
      return decideReject(state, command)
    case 'retry':
      return decideRetry(state, command, context)
    case 'cancel':
    case 'abandon':
      return decideGiveUp(state, command)
    case 'pause':
    case 'unpause':
    case 'block':
    case 'unblock':
      return decideWaiting(state, command)
    case 'set-checkpoint':
      return decideCheckpoint(state, command.dueAt, command.note)
    case 'meet-criterion':
      return decideMeet(state, command)
    case 'reopen-criterion':
      return decideReopen(state, command)
    case 'note':
      return decided([event('note-added', { text: command.text })])
    case 'close-round':
      return decided([event('round-closed', { round: state.round + 1, summary: command.summary })])
    case 'round':
      return decideRound(state, command, context, decideCommand)
    case 'complete':
      return decideComplete(state, command, context)
    case 'fail':
      return decideFail(state, command.reason)
    case 'refuse-command': {
      const { code, message } = command.refusal
      return decided([event('command-refused', { command: command.command, code, message: message.slice(0, 2048) })])
    }
    case 'release':
      return decided([event('lock-released', { reason: command.reason })])
  }
}

const internal: ReadonlySet<string> = new Set<InternalCommand['type']>([
  'open',
  'take-over',
  'finish-resume',
  'record-receipts',
  'expire-attempts',
  'advance',
  'refuse-command',
  'release',
])
const isPublic = (command: Command | InternalCommand): command is Command => !internal.has(command.type)
