import type { ErrorCode } from '../protocol/errors.js'
import type { EventData, EventType, RunEvent } from '../protocol/events.js'
import type { TaskId } from '../protocol/ids.js'
import type { Policy } from '../protocol/policy.js'
import type { RunState } from '../protocol/state.js'
import type { Offer } from '../protocol/task.js'

/** The run as somebody knows it who was shown a context token. */
export interface ContextBasis {
  readonly version: number
  readonly epoch: number
}

/** What a decision may know besides the state. */
export interface DecideContext {
  /** Milliseconds since the Unix epoch, and the same as ISO text. */
  readonly nowMs: number
  readonly now: string
  /** Who decides: must be the holder of the lock in the log. */
  readonly holderId: string
  /** Whoever asks knows the run as it was then: what has changed since must not be decided over. */
  readonly basis?: ContextBasis
  /** Returned work is settled before anything new is dispatched, whatever the policy says. Follows from `basis`. */
  readonly evaluateFirst?: boolean
  /** Returned work may still be unread: what is asked for is taken in, and nothing new goes out. */
  readonly isCatchingUp?: boolean
  /** How it is known that the state file equals the log. */
  readonly projection?: string
}

/** An expected refusal: nothing happened. */
export interface Refusal {
  readonly code: ErrorCode
  readonly message: string
  readonly details?: Readonly<Record<string, unknown>>
}

/** A task that a limit kept out. */
export interface SpawnRefusal {
  readonly taskId: TaskId
  readonly rule: EventData<'spawn-refused'>['rule']
  readonly limit: number
  readonly value: number
}

/** An attempt to take back from the queue. */
export interface Withdrawal {
  readonly taskId: TaskId
  readonly attempt: number
}

/** Events to append, and what follows once they are durable. */
export interface Decided {
  readonly ok: true
  readonly events: RunEvent[]
  readonly offers: Offer[]
  readonly withdrawals: Withdrawal[]
  /** `dispatch`: tasks that were in the log already. */
  readonly known: TaskId[]
  readonly refused: SpawnRefusal[]
  /** JSON texts of events that need no writing: they came as text. */
  readonly texts: ReadonlyMap<RunEvent, string>
  /** All events in one commit, or a refusal. */
  readonly atomic?: true
}
export type Decision = Decided | { readonly ok: false; readonly refusal: Refusal }

const noTexts: ReadonlyMap<RunEvent, string> = new Map()

export const decided = (events: RunEvent[], effects: Partial<Omit<Decided, 'ok' | 'events'>> = {}): Decided => ({
  ok: true,
  events,
  offers: effects.offers ?? [],
  withdrawals: effects.withdrawals ?? [],
  known: effects.known ?? [],
  refused: effects.refused ?? [],
  texts: effects.texts ?? noTexts,
})

export const refuse = (code: ErrorCode, message: string, details?: Record<string, unknown>): Decision => ({
  ok: false,
  refusal: { code, message, ...(details && { details }) },
})

export const event = <T extends EventType>(type: T, data: EventData<T>): RunEvent => ({ type, v: 1, data }) as RunEvent

/** A run that is open has a policy. */
export function policyOf(state: RunState): Policy {
  if (state.policy === null) throw new Error('the run is not open')
  return state.policy
}
