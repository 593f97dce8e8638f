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
/** What closing gets to end after an error that nobody caught meanwhile: that may be why it never ends. Milliseconds. */
const graceMs = 10_000

/**
 * Ends this process in good order: the first signal closes and exits with code 0, or 1 if closing failed, with the
 * error on standard error. A signal while it closes exits at once with 128 plus its number: nothing durable is lost by that
 * either. An error that nobody caught is written to standard error, closes too, and makes the code 1. While it closes, an
 * error `CLOSED` that nobody caught is part of it: a loop over the results of the run ends with one. After any other,
 * closing has 10 s to end. Returns a function that takes the listeners off again.
 */
export function closeOnSignals(closeable: Closeable, options: CloseOnSignalsOptions = {}): () => void {
  const { signals = defaultSignals, drainMs, uncaught = true } = options
  let closing = false
  let code = 0
  let grace: NodeJS.Timeout | undefined
  const listenForUncaught = (): void => {
    process.on('uncaughtException', onUncaught)
    process.on('unhandledRejection', onUncaught)
  }
  const onSignal = (signal: NodeJS.Signals): void => {
    if (closing) process.exit(128 + constants.signals[signal])
    else void closeAndExit(signal)
  }
  const onUncaught = (error: unknown): void => {
    if (closing && isRepriseError(error, 'CLOSED')) return
    process.stderr.write(`uncaught${closing ? ' while closing' : ''}: ${textOf(error)}\n`)
    code = 1
    if (closing) grace ??= setTimeout(() => process.exit(code), graceMs)
    else void closeAndExit('an uncaught error')
  }
  const closeAndExit = async (cause: string): Promise<void> => {
    closing = true
    if (!uncaught) listenForUncaught()
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
    clearTimeout(grace)
    for (const signal of signals) process.off(signal, onSignal)
    process.off('uncaughtException', onUncaught)
    process.off('unhandledRejection', onUncaught)
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error))
