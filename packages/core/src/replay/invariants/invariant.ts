import type { Commit, EventType, RunEvent } from '../../protocol/events.js'
import type { RunState } from '../../protocol/state.js'

/** Where an event stands. */
export interface EventPlace {
  readonly commit: Commit
  /** Number of events up to it. */
  readonly version: number
  /** No event of its commit follows. */
  readonly isLast: boolean
}

/** What is wrong at an event, or `null`. */
export type Look = (state: RunState, event: RunEvent, place: EventPlace) => string | null

/** Looks at every event of one log, in order. */
export interface InvariantCheck {
  /** The state without the event. */
  readonly before?: Look
  /** The state with it. */
  readonly after?: Look
}

/** Something that holds at every event of every log that the library wrote. */
export interface Invariant {
  /** A sentence. */
  readonly says: string
  /** Invariants and promises of the design (I1 to I13, P1 to P12) that it shows a part of. */
  readonly shows: readonly string[]
  /** Made once per log: what it remembers is bounded. */
  readonly begin: () => InvariantCheck
}

/** One that remembers nothing, and looks before an event is folded. */
export const before = (says: string, shows: readonly string[], look: Look): Invariant => ({
  says,
  shows,
  begin: () => ({ before: look }),
})

export const after = (says: string, shows: readonly string[], look: Look): Invariant => ({
  says,
  shows,
  begin: () => ({ after: look }),
})

/** The event, if it is of this type. */
export const as = <T extends EventType>(type: T, event: RunEvent): Extract<RunEvent, { type: T }> | null =>
  event.type === type ? (event as Extract<RunEvent, { type: T }>) : null
