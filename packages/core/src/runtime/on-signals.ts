import { constants } from 'node:os'
import { isRepriseError } from '../protocol/errors.js'

/** What can be closed gracefully: a worker, a run, or both behind one `close`. */
export interface Closeable {
  close(options?: { drainMs?: number }): Promise<void>
}

export interface CloseOnSignalsOptions {
  /** Default SIGTERM, SIGINT and SIGHUP. */
  readonly signals?: readonly NodeJS.Signals[]
  /** Passed on to `close`. Milliseconds. */
  readonly drainMs?: number
  /**
   * Whether an exception or rejection that nobody caught closes as well, and then exits with code 1. Default true. With
   * false it ends the process as Node.js does: at once, so that another coordinator waits until the lease has run out.
   */
  readonly uncaught?: boolean
}

const defaultSignals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const

/**
 * Ends this process in good order: the first signal closes and exits with code 0, or 1 if closing failed, with the
 * error on standard error. The second exits at once with 128 plus its number: nothing durable is lost by that
 * either. An error that nobody caught is written to standard error, closes too, and makes the code 1. While it closes, an
 * error `CLOSED` that nobody caught is part of it: a loop over the results of the run ends with one. Any other ends the
 * process with code 1 at once. Returns a function that takes the listeners off again.
 */
export function closeOnSignals(closeable: Closeable, options: CloseOnSignalsOptions = {}): () => void {
  const { signals = defaultSignals, drainMs, uncaught = true } = options
  let closing = false
  const listenForUncaught = (): void => {
    process.on('uncaughtException', onUncaught)
    process.on('unhandledRejection', onUncaught)
  }
  const onSignal = (signal: NodeJS.Signals): void => {
    if (closing) process.exit(128 + constants.signals[signal])
    else begin(signal, 0)
  }
  const onUncaught = (error: unknown): void => {
    if (!closing) {
      process.stderr.write(`uncaught: ${textOf(error)}\n`)
      begin('an uncaught error', 1)
    } else if (!isRepriseError(error, 'CLOSED')) {
      process.stderr.write(`uncaught while closing: ${textOf(error)}\n`)
      process.exit(1)
    }
  }
  const begin = (cause: string, code: 0 | 1): void => {
    closing = true
    if (!uncaught) listenForUncaught()
    void closeAndExit(cause, code)
  }
  const closeAndExit = async (cause: string, codeIfClosed: 0 | 1): Promise<void> => {
    let code = codeIfClosed
    try {
      await closeable.close(drainMs === undefined ? {} : { drainMs })
    } catch (error) {
      process.stderr.write(`closing after ${cause} failed: ${textOf(error)}\n`)
      code = 1
    }
    process.exit(code)
  }
  for (const signal of signals) process.on(signal, onSignal)
  if (uncaught) listenForUncaught()
  return () => {
    for (const signal of signals) process.off(signal, onSignal)
    process.off('uncaughtException', onUncaught)
    process.off('unhandledRejection', onUncaught)
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error))
