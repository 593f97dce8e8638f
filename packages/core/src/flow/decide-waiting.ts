import type { Command, PlainCommand } from '../protocol/commands.js'
import type { RunEvent, Status } from '../protocol/events.js'
import type { RunState } from '../protocol/state.js'
import { completionChecklist, decideEvidence } from './criteria.js'
import { type DecideContext, type Decision, decided, event, refuse, type Withdrawal } from './decision.js'
import { openStatus, statusTable } from './status-table.js'

type WaitCommand = Extract<Command, { type: 'pause' | 'unpause' | 'block' | 'unblock' }>

/** Pausing and blocking stop dispatches, not results: what is out still comes back and can be settled. */
export function decideWaiting(state: RunState, command: WaitCommand): Decision {
  const { reason } = command
  switch (command.type) {
    case 'pause':
      if (state.pausedReason !== null) return noChange(state, 'paused')
      return moveTo(state, 'paused', [event('paused', { reason })])
    case 'block':
      if (state.blockedReason !== null) return noChange(state, 'blocked')
      return moveTo(state, 'blocked', [event('blocked', { reason })])
    case 'unpause':
      if (state.pausedReason === null) return noChange(state, 'not paused')
      return moveTo(state, openStatus({ ...state, pausedReason: null }), [event('unpaused', { reason })])
    case 'unblock':
      if (state.blockedReason === null) return noChange(state, 'not blocked')
      return moveTo(state, openStatus({ ...state, blockedReason: null }), [event('unblocked', { reason })])
  }
}

export function decideComplete(
  state: RunState,
  { summary, evidence }: Extract<PlainCommand, { type: 'complete' }>,
  { projection = 'no state file is kept' }: DecideContext,
): Decision {
  if (state.tasks.size > 0) {
    const { planned, out, received, stopped } = state.counts
    const some = [...state.tasks.keys()].slice(0, 5)
    return refuse(
      'UNSETTLED',
      `Run ${state.runId} has ${state.tasks.size} unsettled tasks (${planned} planned, ${out} out, ${received} received, ${stopped} stopped), ` +
        `among them ${some.join(', ')}. Accept, cancel or abandon each of them first.`,
      { planned, out, received, stopped, taskIds: some },
    )
  }
  const shown = decideEvidence(state, evidence)
  if ('code' in shown) return { ok: false, refusal: shown }
  if (shown.open.length > 0) return lacking(state, shown.open)
  const { events } = shown
  const checklist = completionChecklist(state, events, projection)
  const { mode } = state
  // The last settlement may stand in this very commit, which has not come to rest yet.
  if (mode === 'awaiting') {
    events.push(event('mode-changed', { from: 'awaiting', to: 'dispatching', reason: 'nothing is out any more' }))
  }
  const from = mode === 'awaiting' ? openStatus({ ...state, mode: 'dispatching' }) : state.status
  // One event, which is the last: it ends the lock as well.
  events.push(event('run-completed', { summary, checklist }))
  return moveTo(state, 'complete', events, from)
}

function lacking(state: RunState, open: readonly number[]): Decision {
  const [first] = open as [number]
  const text = (state.successCriteria[first - 1] ?? '').slice(0, 200)
  return refuse(
    'EVIDENCE_MISSING',
    `Run ${state.runId} cannot be completed: ${open.length} of its ${state.criteria.length} success criteria have no evidence, the first is ${first} ("${text}"). Pass evidence for each with complete, or record it with meet-criterion.`,
    { criteria: open },
  )
}

export function decideFail(state: RunState, reason: string): Decision {
  const withdrawals: Withdrawal[] = []
  for (const { spec, phase, attempt } of state.tasks.values()) {
    if (phase === 'out') withdrawals.push({ taskId: spec.taskId, attempt })
  }
  const events = [event('run-failed', { reason })]
  return moveTo(state, 'failed', events, state.status, withdrawals)
}

function moveTo(
  state: RunState,
  to: Status,
  events: RunEvent[],
  from: Status = state.status,
  withdrawals: Withdrawal[] = [],
): Decision {
  if (statusTable[from][to]) return decided(events, { withdrawals })
  const first = from === 'paused' ? 'Unpause' : from === 'blocked' ? 'Unblock' : 'Wait for'
  return refuse('ILLEGAL_TRANSITION', `Run ${state.runId} is ${from} and cannot become ${to}. ${first} it first.`, {
    from,
    to,
  })
}

const noChange = (state: RunState, what: string): Decision =>
  refuse('NO_CHANGE', `Run ${state.runId} is ${what} already; nothing was recorded.`)

/** The same one again changes nothing. */
export function decideCheckpoint({ checkpoint }: RunState, dueAt: string, note: string): Decision {
  if (checkpoint?.dueAt === dueAt && checkpoint.note === note) return decided([])
  return decided([event('checkpoint-set', { dueAt, note })])
}
