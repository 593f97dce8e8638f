// Registered, so that copies of this package in one process recognise each other's failures.
const mark = Symbol.for('reprise.attempt-failure')

export interface AttemptFailureOptions {
  /** For programs: at most 128 characters, `UPPER_SNAKE` like the library's own. */
  readonly code?: string
  /** `false`: another attempt would fail the same way; it is not made. Default `true`. */
  readonly retryable?: boolean
  /** The last point that was reached. */
  readonly stoppedAt?: string
  /** How to go on from there. */
  readonly resumeInstructions?: string
  readonly cause?: unknown
}

/** Thrown by a handler to say more about a failed attempt than its message. Texts are cut at `limits.textMax`. */
export class AttemptFailure extends Error {
  override readonly name = 'AttemptFailure'
  readonly code: string | undefined
  readonly retryable: boolean
  readonly stoppedAt: string | undefined
  readonly resumeInstructions: string | undefined

  constructor(message: string, options: AttemptFailureOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = options.code
    this.retryable = options.retryable ?? true
    this.stoppedAt = options.stoppedAt
    this.resumeInstructions = options.resumeInstructions
    Object.defineProperty(this, mark, { value: true })
  }
}

/** True for an `AttemptFailure` of any copy of this package. */
export const isAttemptFailure = (error: unknown): error is AttemptFailure =>
  typeof error === 'object' && error !== null && (error as Record<symbol, unknown>)[mark] === true
