import type { RunStatus } from '../src/coordinator/run-status.js'
import type { Offer } from '../src/protocol/task.js'
import type { History } from './log-history.js'

/** One `append` that a coordinator made: `unknown` is a lost reply, `null` has not ended. */
export interface AppendCall {
  readonly by: string
  readonly index: number
  readonly hash: string
  ended: 'committed' | 'conflict' | 'unknown' | null
}

/** What can be seen from outside: the checks look at nothing else. */
export interface Evidence {
  /** The log as it reads now, and as it read before. */
  readonly lines: readonly string[]
  readonly linesBefore: readonly string[]
  readonly appends: readonly AppendCall[]
  /** Pieces of the snapshot that is kept now, if one is. */
  readonly snapshot?: readonly string[] | undefined
  /** Every attempt that was ever put into the queue. */
  readonly offers: readonly Offer[]
  /** Every status that a coordinator has told. */
  readonly told: readonly RunStatus[]
  /** Promises that had to settle by a time, in milliseconds. */
  readonly waits: readonly { readonly what: string; readonly until: number; readonly settled: boolean }[]
  readonly now: number
}

/** Yields what is wrong; nothing if the invariant holds. */
export type Check = (evidence: Evidence, history: History) => Iterable<string>
