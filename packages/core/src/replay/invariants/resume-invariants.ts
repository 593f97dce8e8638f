import { modeTable } from '../../flow/mode-table.js'
import { openStatus, statusTable } from '../../flow/status-table.js'
import { type RunEvent, resumeGates, type Status } from '../../protocol/events.js'
import { as, before, type Invariant } from './invariant.js'

/** What holds of modes, statuses and the way back after an interruption. */
export const resumeInvariants = {
  'gates-in-order': before(
    'Resume gates come in their order, none is left out, none follows one that failed, and they pass once per epoch.',
    ['I9', 'P7'],
    ({ resumedEpoch, epoch }, event) => {
      const resumed = as('resumed', event)
      if (resumed === null) return null
      const { gates } = resumed.data
      if (epoch === 0) return 'there is no lock under which they could pass'
      if (resumedEpoch === epoch) return `they passed before in epoch ${epoch}`
      const wrong = gates.findIndex(({ gate }, i) => gate !== resumeGates[i])
      if (wrong !== -1) return `gate ${gates[wrong]?.gate} stands in the place of ${resumeGates[wrong]}`
      const failed = gates.findIndex(({ pass }) => !pass)
      if (failed !== -1)
        return failed < gates.length - 1 ? `gate ${gates[failed + 1]?.gate} came after one failed` : null
      return gates.length === resumeGates.length ? null : `gate ${resumeGates[gates.length]} is missing`
    },
  ),

  'gates-before-work': before(
    'Between taking the lock and passing every resume gate nothing is decided: receipts are recorded, no more.',
    ['I9', 'P7'],
    ({ resumedEpoch, epoch }, event) =>
      resumedEpoch === epoch || isAllowedInRecovery(event)
        ? null
        : `${event.type} came before the gates of epoch ${epoch} had passed`,
  ),

  'legal-mode': before(
    'A mode changes as the table of modes allows, from the mode that it is.',
    ['I11'],
    (state, event) => {
      const changed = as('mode-changed', event)
      if (changed === null) return null
      const { from, to } = changed.data
      return from === state.mode && modeTable[from][to] ? null : `it leads from ${from} to ${to} in mode ${state.mode}`
    },
  ),

  'legal-status': {
    says: 'A status changes as the table of statuses allows, and says what mode and reasons make it.',
    shows: ['I11', 'P9'],
    begin: () => {
      let known: Status = 'running'
      return {
        after: (state, event) => {
          const was = known
          known = state.status
          // A fork is open, whatever the other run came to.
          if (event.type !== 'run-forked' && was !== known && !statusTable[was][known]) return `${was} became ${known}`
          if (state.mode === 'closed' || known === openStatus(state)) return null
          return `it is ${known}, mode and reasons make it ${openStatus(state)}`
        },
      }
    },
  },

  'waits-alternate': before(
    'A run is paused only if it is not, unpaused only if it is, and the same for blocked.',
    ['I11'],
    ({ pausedReason, blockedReason }, { type }) => {
      const isWrong =
        (type === 'paused' && pausedReason !== null) ||
        (type === 'unpaused' && pausedReason === null) ||
        (type === 'blocked' && blockedReason !== null) ||
        (type === 'unblocked' && blockedReason === null)
      return isWrong ? `${type} changes nothing` : null
    },
  ),

  'rounds-in-order': before('Rounds are numbered from 1 without gaps.', ['I11'], (state, event) => {
    const closed = as('round-closed', event)
    return closed === null || closed.data.round === state.round + 1
      ? null
      : `round ${closed.data.round} closed after round ${state.round}`
  }),
} as const satisfies Record<string, Invariant>

function isAllowedInRecovery(event: RunEvent): boolean {
  switch (event.type) {
    case 'run-opened':
    case 'lock-acquired':
    case 'lock-released':
    case 'run-forked':
    case 'resumed':
    case 'receipt-received':
    case 'receipt-rejected':
    case 'command-refused':
      return true
    case 'mode-changed':
      return event.data.to === 'recovering'
    // The policy tries a failed attempt again, which goes out later.
    case 'task-rejected':
      return event.data.by === 'policy'
    case 'planned':
      return event.data.why === 'retry' && event.data.reason === undefined
    default:
      return false
  }
}
