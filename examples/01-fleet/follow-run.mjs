// How a program that does not hold a run watches it: everything there is to know is in the log.
import { initialState, reduceCommit } from '@reprise/core'

/**
 * The state of the run after each group of commits, as they become durable. Ends when the run has ended or `signal`
 * aborts. The same object every time, brought forward.
 * @param {import('@reprise/core').Adapter['log']} log
 * @param {import('@reprise/core').RunId} runId
 * @param {AbortSignal} signal
 */
export async function* followRun(log, runId, signal) {
  let state = initialState()
  for await (const lines of log.watch(runId, 0, signal)) {
    for (const line of lines) state = reduceCommit(state, JSON.parse(line).commit)
    yield state
    if (state.mode === 'closed') return
  }
}
