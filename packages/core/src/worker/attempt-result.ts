import type { z } from 'zod'
import type { JsonValue } from '../protocol/json.js'
import { limits } from '../protocol/limits.js'
import type { attemptErrorSchema, ReceiptStatus } from '../protocol/receipt.js'
import { isAttemptFailure } from './attempt-failure.js'

/** The error of a receipt, as it goes over the wire. */
export type AttemptError = z.input<typeof attemptErrorSchema>

/** How an attempt ended: what a receipt says besides who, when and with which artifacts. */
export interface AttemptResult {
  readonly status: ReceiptStatus
  readonly output: JsonValue
  readonly error?: AttemptError
}

/** Codes that a worker itself puts into the error of a receipt. A handler's failures carry the handler's codes. */
export const receiptErrorCodes = {
  UNKNOWN_KIND: 'the worker has no handler for the kind of the task; another worker may have one',
  INVALID_INPUT: "the input does not have the form that the kind's schema demands",
  POISON: 'the attempt was handed out more often than the policy allows: each time its worker died or gave it back',
  DEADLINE: 'the deadline of the attempt passed before its handler ended',
  OUTPUT_INVALID: "the handler's output does not have the form that the kind's schema demands, or is not JSON",
  TOO_LARGE: 'the output, or the whole receipt, exceeds a limit of the format',
} as const
export type ReceiptErrorCode = keyof typeof receiptErrorCodes

/** An end that the worker itself decides. */
export const endedBy = (
  status: 'failed' | 'refused',
  code: ReceiptErrorCode,
  message: string,
  retryable: boolean,
): AttemptResult => ({ status, output: null, error: attemptError({ message, code }, retryable) })

/** The end of an attempt whose handler threw `thrown`, which may be anything. Never throws. */
export function endedByThrow(thrown: unknown): AttemptResult {
  let error: AttemptError
  try {
    error = isAttemptFailure(thrown)
      ? attemptError(thrown, thrown.retryable !== false)
      : attemptError(describeThrown(thrown), true)
  } catch {
    error = { message: 'the handler threw a value that cannot be read', retryable: true }
  }
  return { status: 'failed', output: null, error }
}

function describeThrown(thrown: unknown): ErrorTexts {
  if (!(thrown instanceof Error)) return { message: `the handler threw ${String(thrown)}` }
  return { message: thrown.message === '' ? thrown.name : thrown.message, code: (thrown as { code?: unknown }).code }
}

/** What a handler says about its end. Not trusted to be texts: handlers may be written without types. */
interface ErrorTexts {
  readonly message: unknown
  readonly code?: unknown
  readonly stoppedAt?: unknown
  readonly resumeInstructions?: unknown
}

/** In the form of the receipt schema: texts are cut where it would refuse them. */
export function attemptError(texts: ErrorTexts, retryable: boolean): AttemptError {
  const { message, code, stoppedAt, resumeInstructions } = texts
  return {
    message: String(message).slice(0, limits.textMax),
    retryable,
    ...(typeof code === 'string' && { code: code.slice(0, 128) }),
    ...(typeof stoppedAt === 'string' && { stoppedAt: stoppedAt.slice(0, limits.textMax) }),
    ...(typeof resumeInstructions === 'string' && { resumeInstructions: resumeInstructions.slice(0, limits.textMax) }),
  }
}
