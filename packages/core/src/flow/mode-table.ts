import type { Mode } from '../protocol/events.js'
import type { RunState } from '../protocol/state.js'

/** Every mode × every mode: whether `mode-changed` may lead from the one to the other. */
export const modeTable = {
  recovering: { recovering: false, dispatching: true, awaiting: true, evaluating: true, closed: false },
  dispatching: { recovering: true, dispatching: false, awaiting: true, evaluating: true, closed: true },
  awaiting: { recovering: true, dispatching: true, awaiting: false, evaluating: true, closed: true },
  evaluating: { recovering: true, dispatching: true, awaiting: true, evaluating: false, closed: true },
  closed: { recovering: false, dispatching: false, awaiting: false, evaluating: false, closed: false },
} as const satisfies Record<Mode, Record<Mode, boolean>>

/** `go`: allowed as it is. `shift`: the mode change to `dispatching` is recorded in the same commit. */
type Need = 'go' | 'shift' | 'refuse'

const whileOpen = {
  recovering: 'refuse',
  dispatching: 'go',
  awaiting: 'go',
  evaluating: 'go',
  closed: 'refuse',
} as const
const duringRecovery = { ...whileOpen, recovering: 'go' } as const
const toDispatch = { ...whileOpen, awaiting: 'shift', evaluating: 'shift' } as const

/** Every command × every mode. */
export const commandTable = {
  dispatch: toDispatch,
  advance: toDispatch,
  'record-receipts': duringRecovery,
  'expire-attempts': whileOpen,
  'finish-resume': {
    recovering: 'go',
    dispatching: 'refuse',
    awaiting: 'refuse',
    evaluating: 'refuse',
    closed: 'refuse',
  },
  'refuse-command': duringRecovery,
  release: duringRecovery,
  accept: whileOpen,
  reject: whileOpen,
  retry: whileOpen,
  cancel: whileOpen,
  abandon: whileOpen,
  pause: whileOpen,
  unpause: whileOpen,
  block: whileOpen,
  unblock: whileOpen,
  'set-checkpoint': whileOpen,
  note: whileOpen,
  'meet-criterion': whileOpen,
  'reopen-criterion': whileOpen,
  'close-round': whileOpen,
  round: whileOpen,
  complete: whileOpen,
  fail: whileOpen,
} as const satisfies Record<string, Record<Mode, Need>>

/** The mode that a commit leaves behind: what there is to do next, from the log alone. */
export function restingMode(state: RunState): Mode {
  if (state.received.size > 0) return 'evaluating'
  return state.counts.out + state.counts.planned > 0 ? 'awaiting' : 'dispatching'
}
