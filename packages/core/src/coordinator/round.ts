import { decideCommand } from '../flow/decide-command.js'
import { tryCommands } from '../flow/decide-round.js'
import type { DecideContext, Refusal } from '../flow/decision.js'
import { frozenCopy } from '../flow/frozen-copy.js'
import { type RunView, viewOf } from '../flow/run-view.js'
import type { Command, PlainCommand, RecoverCommand, RoundCommand } from '../protocol/commands.js'
import type { RunState } from '../protocol/state.js'

/** What `decide` answers: commands, with or without what the log should say of the round. */
export type RoundDecision =
  | readonly RoundCommand[]
  | { readonly commands: readonly RoundCommand[]; readonly summary: string }

export interface RoundOptions {
  /**
   * Brings the run in order: what stopped, what must be given up, what blocks it. It is shown a frozen copy of the run and
   * returns commands; it starts nothing and changes nothing itself. A method of the run that it calls before it first
   * waits is refused (`INVALID_INPUT`); one that it calls later is a decision of its own, outside of the round.
   */
  readonly recover?: (view: RunView) => readonly RecoverCommand[] | Promise<readonly RecoverCommand[]>
  /** Moves the run on. As `recover`, but shown the run as that leaves it. */
  readonly decide: (view: RunView) => RoundDecision | Promise<RoundDecision>
  /** Refuses the round with `STALE_CONTEXT` if what its commands depend on has changed since this token was issued. */
  readonly token?: string
}

/** What a round needs of the run it belongs to. */
export interface RoundHost {
  /** What the newest durable commit leaves, for as long as `read` runs. */
  snapshot<T>(read: (state: RunState) => T): Promise<T>
  context(): DecideContext
  /** Calls a callback; no method of the run may be called from inside. */
  ask<T>(callback: () => T): T
  /** Checks what a callback returned. Throws `INVALID_INPUT`. */
  parse(round: { recover: readonly unknown[]; decide: readonly unknown[]; summary: string }): Round
}

export type Round = Extract<Command, { type: 'round' }>

/**
 * READ, RECOVER, DECIDE: asks both callbacks, each with a frozen copy of the run, and gives the round to persist as one commit,
 * or why `recover` cannot be obeyed. A command about a task is pinned to the attempt that the callback was shown.
 */
export async function prepareRound(host: RoundHost, options: RoundOptions): Promise<Round | Refusal> {
  const seen = await host.snapshot(shown)
  const asked = (await host.ask(() => options.recover?.(seen))) ?? []
  const { recover } = host.parse({ recover: asked, decide: [], summary: 'recovering' })
  pin(recover, seen)
  const after = await host.snapshot((state) => {
    if (recover.length === 0) return state.version === seen.version ? seen : shown(state)
    const trial = tryCommands(state, { recover, decide: [] }, host.context(), decideCommand)
    return 'refusal' in trial ? trial.refusal : shown(trial.after)
  })
  if ('code' in after) return after
  const answer: unknown = await host.ask(() => options.decide(after))
  const isNamed = typeof answer === 'object' && answer !== null && 'commands' in answer
  const named = isNamed ? (answer as { commands: readonly unknown[]; summary: string }) : null
  const round = host.parse({
    recover,
    // Nothing at all is a `return` that was forgotten.
    decide: (named?.commands ?? answer ?? null) as readonly unknown[],
    summary: named === null ? 'deciding' : named.summary,
  })
  if (named === null) round.summary = describe(recover, round.decide)
  pin(round.decide, after)
  return round
}

const shown = (state: RunState): RunView => frozenCopy(viewOf(state))

function pin(commands: readonly PlainCommand[], view: RunView): void {
  const attempts = new Map<string, number>()
  for (const tasks of [view.planned, view.out, view.received, view.stopped]) {
    for (const { taskId, attempt } of tasks) attempts.set(taskId, attempt)
  }
  for (const command of commands) {
    if (!('taskId' in command) || command.attempt !== undefined) continue
    const attempt = attempts.get(command.taskId)
    if (attempt !== undefined) command.attempt = attempt
  }
}

function describe(recover: readonly PlainCommand[], decide: readonly PlainCommand[]): string {
  const parts = [
    { name: 'recover', commands: recover },
    { name: 'decide', commands: decide },
  ]
  return parts.map(({ name, commands }) => `${name}: ${countTypes(commands)}`).join('; ')
}

function countTypes(commands: readonly { readonly type: string }[]): string {
  const counts = new Map<string, number>()
  for (const { type } of commands) counts.set(type, (counts.get(type) ?? 0) + 1)
  return [...counts].map(([type, count]) => `${count} ${type}`).join(', ') || 'nothing'
}
