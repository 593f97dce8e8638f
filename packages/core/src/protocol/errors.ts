/**
 * Every code, what it means, and whether trying again can help: `never` (change the call), `later` (the same call
 * may succeed), `reopen` (this object is finished; open the run or adapter again).
 */
export const errorCodes = {
  INVALID_INPUT: { retry: 'never', meaning: 'an argument, option, message or file does not have the documented form' },
  INVALID_ID: { retry: 'never', meaning: 'an id is empty, too long or has characters that are not allowed' },
  TOO_LARGE: { retry: 'never', meaning: 'a value exceeds a named limit' },
  CLOSED: { retry: 'reopen', meaning: 'the run, worker, consumer or adapter was closed' },
  ABORTED: { retry: 'later', meaning: 'the signal that was passed in aborted' },
  TIMEOUT: { retry: 'later', meaning: 'a wait reached its deadline' },
  ADAPTER_UNAVAILABLE: { retry: 'later', meaning: 'the backend did not answer, or its answer was lost' },
  SYNC_FAILED: { retry: 'reopen', meaning: 'the disk refused to make a write durable; nothing written since counts' },
  VERSION_CONFLICT: { retry: 'never', meaning: 'another writer appended a commit at that index' },
  LOG_CORRUPT: { retry: 'never', meaning: 'the log does not verify: bytes were changed, lost or reordered' },
  LOG_TOO_NEW: { retry: 'never', meaning: 'the log holds events that this version of the library does not know' },
  RUN_UNKNOWN: { retry: 'never', meaning: 'there is no such run' },
  VERSION_UNKNOWN: { retry: 'later', meaning: 'the log of the run does not reach that version or time' },
  RUN_OPEN: { retry: 'never', meaning: 'the run is still open, which forbids this' },
  RUN_HELD: { retry: 'later', meaning: 'another live coordinator holds the run' },
  RUN_MISMATCH: {
    retry: 'never',
    meaning: 'the log is that of another run, or was opened with another goal, criteria or policy',
  },
  RUN_CLOSED: { retry: 'never', meaning: 'the run is complete or failed and takes no more commands' },
  LOCK_LOST: { retry: 'reopen', meaning: 'another coordinator took the run over; this one has stopped' },
  GATE_FAILED: { retry: 'reopen', meaning: 'a resume gate did not pass; nothing was decided' },
  STALE_CONTEXT: {
    retry: 'later',
    meaning:
      'what the command depends on has changed since its context token was issued; `changes` of the outcome says how',
  },
  TOKEN_INVALID: { retry: 'never', meaning: 'the context token was not issued for this run, or was altered' },
  MODE_MISMATCH: { retry: 'later', meaning: 'the command needs another mode than the one in the log' },
  ILLEGAL_TRANSITION: { retry: 'never', meaning: 'the status of the run does not allow this' },
  NO_CHANGE: { retry: 'never', meaning: 'the command would change nothing' },
  NO_PROGRESS: { retry: 'never', meaning: 'the round would change nothing, and is not one' },
  EVALUATE_FIRST: { retry: 'later', meaning: 'returned work waits for a decision, which must come before new work' },
  EVIDENCE_MISSING: {
    retry: 'later',
    meaning: 'a success criterion has no evidence, or names a task that is not accepted',
  },
  STATE_FILE_FAILED: { retry: 'later', meaning: 'the state file could not be read, repaired or written' },
  TASK_UNKNOWN: { retry: 'never', meaning: 'there is no such task in the run' },
  TASK_SETTLED: { retry: 'never', meaning: 'the task was accepted, cancelled or abandoned before' },
  TASK_CONFLICT: { retry: 'never', meaning: 'the task id is taken by a task with other content' },
  NO_RECEIPT: { retry: 'later', meaning: 'the task has no receipt to accept, reject or retry' },
  RECEIPT_NOT_ACCEPTABLE: { retry: 'never', meaning: 'the receipt says failed or refused: reject, retry or abandon' },
  ATTEMPT_SUPERSEDED: { retry: 'never', meaning: 'the attempt is not the current one any more' },
  ATTEMPTS_EXHAUSTED: { retry: 'never', meaning: 'the task has used up its attempts' },
  SPAWN_REFUSED: { retry: 'never', meaning: 'a limit on tasks, depth or spend forbids the dispatch' },
  UNSETTLED: { retry: 'later', meaning: 'the run cannot be completed while tasks are unsettled' },
  CLAIM_LOST: { retry: 'never', meaning: 'the claim on an attempt went to another worker' },
  ATTEMPT_WITHDRAWN: { retry: 'never', meaning: 'the coordinator took the attempt back' },
  DISPATCH_MISMATCH: { retry: 'never', meaning: 'what arrived is not what its digest says was sent' },
  ARTIFACT_MISSING: { retry: 'never', meaning: 'there is no artifact with that digest' },
  ARTIFACT_TOO_LARGE: { retry: 'never', meaning: 'an artifact exceeds its limit' },
  NO_ARTIFACTS: { retry: 'never', meaning: 'the adapter has no artifact store' },
  PROGRAM_FAILED: { retry: 'later', meaning: 'a program that was started for an incident failed or was stopped' },
  UNSAFE_FILE_SYSTEM: { retry: 'never', meaning: 'the folder is on a file system without the needed guarantees' },
  UNSAFE_SERVER: { retry: 'never', meaning: 'the version or settings of the server lack the needed guarantees' },
} as const satisfies Record<string, { retry: 'never' | 'later' | 'reopen'; meaning: string }>

export type ErrorCode = keyof typeof errorCodes

// Registered, so that copies of this package in one process recognise each other's errors.
const mark = Symbol.for('reprise.error')

export interface RepriseErrorOptions {
  readonly cause?: unknown
  /** Ids, figures and positions, for programs. */
  readonly details?: Readonly<Record<string, unknown>>
}

/** An operating failure or a refused call. `message` says what happened, to which id, and what to do next. */
export class RepriseError extends Error {
  override readonly name = 'RepriseError'
  readonly code: ErrorCode
  readonly retry: 'never' | 'later' | 'reopen'
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, options: RepriseErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retry = errorCodes[code].retry
    this.details = options.details ?? {}
    Object.defineProperty(this, mark, { value: true })
  }
}

/** True for a `RepriseError` of any copy of this package, of that code if one is given. */
export const isRepriseError = (error: unknown, code?: ErrorCode): error is RepriseError =>
  typeof error === 'object' &&
  error !== null &&
  (error as Record<symbol, unknown>)[mark] === true &&
  (code === undefined || (error as RepriseError).code === code)

/** A failed invariant: a bug in this library, never a user's fault. */
export function assertInvariant(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`Reprise invariant broken: ${what}. Please report this with the log of the run.`)
}
