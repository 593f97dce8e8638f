import type { Command, PlainCommand } from '../protocol/commands.js'
import type { EventType } from '../protocol/events.js'
import type { RunState } from '../protocol/state.js'
import {
  type DecideContext,
  type Decided,
  type Decision,
  decided,
  event,
  type Refusal,
  refuse,
  type SpawnRefusal,
} from './decision.js'
import { forkState } from './fork-state.js'
import { reduceEvent } from './reduce-event.js'

type Decide = (state: RunState, command: PlainCommand, context: DecideContext) => Decision
type Round = Extract<Command, { type: 'round' }>

/** A note is no progress, nor is a change of mode, nor what a limit kept out. */
const noProgress: ReadonlySet<EventType> = new Set(['note-added', 'mode-changed', 'spawn-refused'])

/**
 * One round: what brings the run in order first, then what moves it on, each decided on what the one before leaves, all
 * in one commit or nothing. Refuses with the code of the first command that is refused, and with `NO_PROGRESS`.
 */
export function decideRound(state: RunState, command: Round, context: DecideContext, decide: Decide): Decision {
  const { recover, decide: rest, summary } = command
  const trial = tryCommands(state, { recover, decide: rest }, context, decide)
  if ('refusal' in trial) return { ok: false, refusal: trial.refusal }
  const { collected, ending } = trial
  const { events } = collected
  if (!events.some(({ type }) => !noProgress.has(type))) {
    return { ok: false, refusal: withoutProgress(state, command, collected.refused) }
  }
  const closed = event('round-closed', { round: state.round + 1, summary })
  // What ends the run is the last event of its log.
  if (ending) events.splice(-1, 0, closed)
  else events.push(closed)
  return { ...collected, atomic: true }
}

/** Decides commands one after the other on a fork of `state`; `after` is that fork, with all of them folded. */
export function tryCommands(
  state: RunState,
  commands: { readonly recover: readonly PlainCommand[]; readonly decide: readonly PlainCommand[] },
  context: DecideContext,
  decide: Decide,
): { readonly refusal: Refusal } | { readonly collected: Decided; readonly after: RunState; readonly ending: boolean } {
  const after = forkState(state)
  after.at = context.now
  const collected = decided([])
  const { basis, ...always } = context
  const within: DecideContext = basis === undefined ? always : { ...always, evaluateFirst: true }
  let ending = false
  for (const part of ['recover', 'decide'] as const) {
    for (const [i, one] of commands[part].entries()) {
      const decision = ending ? afterTheEnd(state) : decide(after, one, within)
      if (!decision.ok) return { refusal: inRound(decision.refusal, part, i, one) }
      for (const each of decision.events) {
        reduceEvent(after, each)
        collected.events.push(each)
      }
      collected.offers.push(...decision.offers)
      collected.withdrawals.push(...decision.withdrawals)
      collected.known.push(...decision.known)
      collected.refused.push(...decision.refused)
      ending = after.mode === 'closed'
    }
  }
  return { collected, after, ending }
}

const afterTheEnd = (state: RunState): Decision =>
  refuse('RUN_CLOSED', `A command before this one ends run ${state.runId}: nothing may follow it.`)

const inRound = ({ code, message, details }: Refusal, part: string, i: number, { type }: PlainCommand): Refusal => ({
  code,
  message: `Command ${i + 1} of "${part}" (${type}) was refused, so nothing of this round was recorded: ${message}`,
  details: { ...details, part, index: i, command: type },
})

function withoutProgress(state: RunState, { recover, decide }: Round, refused: readonly SpawnRefusal[]): Refusal {
  const asked = recover.length + decide.length
  const [first] = refused
  const kept =
    first === undefined
      ? ''
      : ` A limit kept ${refused.length} tasks out, the first ${first.taskId}: ${first.rule} is ${first.limit}, the run stands at ${first.value}.`
  return {
    code: 'NO_PROGRESS',
    message:
      `Round ${state.round + 1} of run ${state.runId} would dispatch nothing, settle nothing, recover nothing, set no checkpoint and change nothing` +
      `${asked === 0 ? '' : ` (${asked} commands ask for what is so already, or only add notes)`}. Nothing was recorded; the run stays ${state.status} at version ${state.version}.${kept}`,
    details: { version: state.version, status: state.status, commands: asked, ...(first && { refused }) },
  }
}
