import { constants } from 'node:os'
import { isRepriseError } from '../protocol/errors.js'

/** What can be closed gracefully: a worker, a run, or both behind one `close`. */
export interface Closeable {
  close(options?: { drainMs?: number }): Promise<void>
}

export interface CloseOnSignalsOptions {
  /** Default SIGTERM and SIGINT. */
  readonly signals?: readonly NodeJS.Signals[]
  /** Passed on to `close`. Milliseconds. */
  readonly drainMs?: number
}

/**
 * Ends this process in good order: the first signal closes and exits with code 0, or 1 if closing failed, with the
 * error on standard error. The second exits at once with 128 plus its number: nothing durable is lost by that
 * either. While it closes, an error `CLOSED` that nobody caught is part of it: a loop over the results of the run
 * ends with one. Any other ends the process with code 1. Returns a function that takes the listeners off again.
 */
export function closeOnSignals(closeable: Closeable, options: CloseOnSignalsOptions = {}): () => void {
  const { signals = ['SIGTERM', 'SIGINT'], drainMs } = options
  let closing = false
  const onSignal = (signal: NodeJS.Signals): void => {
    if (closing) {
      process.exit(128 + constants.signals[signal])
    } else {
      closing = true
      process.on('uncaughtException', onUncaught)
      process.on('unhandledRejection', onUncaught)
      void closeAndExit(signal)
    }
  }
  const onUncaught = (error: unknown): void => {
    if (isRepriseError(error, 'CLOSED')) return
    process.stderr.write(`uncaught while closing: ${textOf(error)}\n`)
    process.exit(1)
  }
  const closeAndExit = async (signal: NodeJS.Signals): Promise<void> => {
    let code = 0
    try {
      await closeable.close(drainMs === undefined ? {} : { drainMs })
    } catch (error) {
      process.stderr.write(`closing after ${signal} failed: ${textOf(error)}\n`)
      code = 1
    }
    process.exit(code)
  }
  for (const signal of signals) process.on(signal, onSignal)
  return () => {
    for (const signal of signals) process.off(signal, onSignal)
    process.off('uncaughtException', onUncaught)
    process.off('unhandledRejection', onUncaught)
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error))
