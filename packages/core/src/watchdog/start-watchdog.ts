import { RepriseError } from '../protocol/errors.js'
import { runProgram } from '../runtime/run-program.js'
import { systemRuntime } from '../runtime/system-runtime.js'
import type { Incident } from './incident.js'
import { Watchdog } from './watchdog.js'
import { type IncidentNotice, parseWatchdogOptions, type WatchdogOptions } from './watchdog-options.js'

/**
 * Watches runs from outside: dead coordinators, attempts that are stalled or overdue, overdue checkpoints, receipts that
 * nobody takes in. Tells each incident once, across restarts and several watchdogs; changes nothing of a run that it
 * watches. Resolves once it watches, or waits for another one that does. `INVALID_INPUT` for options that are not as
 * documented, `RUN_MISMATCH` if `watchdogId` is the id of a run of somebody else, `RUN_CLOSED` if that run has ended.
 */
export async function startWatchdog(options: WatchdogOptions): Promise<Watchdog> {
  const parsed = parseWatchdogOptions(options)
  const { onIncident, command, onError, signal, runtime = systemRuntime } = options
  if (signal?.aborted) throw new RepriseError('ABORTED', 'The watchdog was not started: its signal aborted.')
  const tell =
    command === undefined
      ? untilAborted(async (incident, notice) => onIncident?.(incident, notice))
      : byProgram(command)
  const watchdog = new Watchdog(parsed, { runtime, tell })
  if (onError !== undefined) watchdog.on('error', onError)
  await watchdog.start(signal)
  return watchdog
}

type Tell = (incident: Incident, notice: IncidentNotice) => Promise<unknown>

/** Whoever does not listen to the signal must not keep a slot for ever: nobody else would be told any more. */
const untilAborted =
  (tell: Tell): Tell =>
  (incident, notice) =>
    new Promise((resolve, reject) => {
      const { signal } = notice
      signal.throwIfAborted()
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      tell(incident, notice).then(resolve, reject)
    })

const byProgram =
  (command: readonly string[]) =>
  (incident: Incident, { signal }: IncidentNotice): Promise<void> => {
    const text = JSON.stringify(incident)
    return runProgram({ command, input: text, env: { REPRISE_INCIDENT: text }, signal })
  }
