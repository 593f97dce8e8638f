import { isRepriseError } from '@reprise/core'
import { type ExitName, exitOfError } from './exit-codes.js'

/** What a command ends with that is nobody's bug: the message says what happened, to which id, and what to do. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure'

  constructor(
    readonly exit: Exclude<ExitName, 'ok'>,
    /** For programs, in capitals: `USAGE`, `NOT_FOUND`, or a code of the library. */
    readonly code: string,
    message: string,
    readonly details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message)
  }
}

/** The command line is not as documented. */
export const usage = (message: string): CommandFailure => new CommandFailure('usage', 'USAGE', message)

export const notFound = (message: string, details?: Readonly<Record<string, unknown>>): CommandFailure =>
  new CommandFailure('notFound', 'NOT_FOUND', message, details)

/** `null`: a bug of ours, or of a library below us. */
export function asFailure(error: unknown): CommandFailure | null {
  if (error instanceof CommandFailure) return error
  if (!isRepriseError(error)) return null
  const exit = exitOfError[error.code]
  return new CommandFailure(exit === 'ok' ? 'problem' : exit, error.code, error.message, error.details)
}
