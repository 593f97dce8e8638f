import type { ErrorCode } from '@reprise/core'

/** What the process ends with. 129, 130 and 143: ended by SIGHUP, Ctrl-C or SIGTERM. 70: a bug of ours. */
export const exitCodes = {
  ok: { code: 0, meaning: 'done; nothing is wrong' },
  problem: {
    code: 1,
    meaning: 'done, and it found a problem: a log that does not verify, a run that is stuck, a warning',
  },
  usage: {
    code: 2,
    meaning: 'the command line, an input or a file does not have the documented form; nothing was done',
  },
  notFound: { code: 3, meaning: 'there is no such folder, run, task, version or file' },
  refused: { code: 4, meaning: 'the run, its limits, a gate or a stale token refused it; nothing was changed' },
  unavailable: {
    code: 5,
    meaning: 'the backend did not answer, the run is held by another process, or a wait ran out; try again later',
  },
} as const satisfies Record<string, { code: number; meaning: string }>

export type ExitName = keyof typeof exitCodes

/** Every error of the library has its exit code. */
export const exitOfError: Readonly<Record<ErrorCode, ExitName>> = {
  INVALID_INPUT: 'usage',
  INVALID_ID: 'usage',
  TOO_LARGE: 'usage',
  CLOSED: 'unavailable',
  ABORTED: 'unavailable',
  TIMEOUT: 'unavailable',
  ADAPTER_UNAVAILABLE: 'unavailable',
  SYNC_FAILED: 'unavailable',
  VERSION_CONFLICT: 'refused',
  LOG_CORRUPT: 'problem',
  LOG_TOO_NEW: 'problem',
  RUN_UNKNOWN: 'notFound',
  VERSION_UNKNOWN: 'notFound',
  RUN_OPEN: 'refused',
  RUN_HELD: 'unavailable',
  RUN_MISMATCH: 'refused',
  RUN_CLOSED: 'refused',
  LOCK_LOST: 'unavailable',
  GATE_FAILED: 'problem',
  STALE_CONTEXT: 'refused',
  TOKEN_INVALID: 'refused',
  MODE_MISMATCH: 'refused',
  ILLEGAL_TRANSITION: 'refused',
  NO_CHANGE: 'refused',
  NO_PROGRESS: 'refused',
  EVALUATE_FIRST: 'refused',
  EVIDENCE_MISSING: 'refused',
  STATE_FILE_FAILED: 'unavailable',
  TASK_UNKNOWN: 'notFound',
  TASK_SETTLED: 'refused',
  TASK_CONFLICT: 'refused',
  NO_RECEIPT: 'refused',
  RECEIPT_NOT_ACCEPTABLE: 'refused',
  ATTEMPT_SUPERSEDED: 'refused',
  ATTEMPTS_EXHAUSTED: 'refused',
  SPAWN_REFUSED: 'refused',
  UNSETTLED: 'refused',
  CLAIM_LOST: 'refused',
  ATTEMPT_WITHDRAWN: 'refused',
  DISPATCH_MISMATCH: 'problem',
  ARTIFACT_MISSING: 'notFound',
  ARTIFACT_TOO_LARGE: 'usage',
  NO_ARTIFACTS: 'notFound',
  PROGRAM_FAILED: 'problem',
  UNSAFE_FILE_SYSTEM: 'refused',
  UNSAFE_SERVER: 'refused',
}

/** What a code from a log ends with, which may be of a later library. */
export function exitOfCode(code: string): Exclude<ExitName, 'ok'> {
  const exit = exitOfError[code as ErrorCode] ?? 'refused'
  return exit === 'ok' ? 'problem' : exit
}
