import { once } from 'node:events'
import { AttemptFailure, type TaskContext } from '@reprise/core'

/** Kinds of tasks that go wrong, each in its way. Those named `…-first` are done by their second attempt. */
export const failingKinds: Readonly<Record<string, (input: unknown, task: TaskContext) => unknown>> = {
  'fail-first': (input, { attempt }) => {
    if (attempt === 1) throw new Error('not this time')
    return input
  },
  fail: (_input, { attempt }) => {
    throw new Error(`no luck with attempt ${attempt}`)
  },
  /** Nothing that another attempt would mend. */
  stop: () => {
    throw new AttemptFailure('the bridge is down', {
      ...{ code: 'NO_BRIDGE', retryable: false },
      ...{ stoppedAt: 'mile 7', resumeInstructions: 'start at mile 7 once the bridge stands' },
    })
  },
  'half-first': (input, { attempt, partial }) =>
    attempt > 1
      ? input
      : partial(
          { done: 'half' },
          { message: 'half is done', stoppedAt: 'page 12', resumeInstructions: 'go on at page 13' },
        ),
  /** Alive, with heartbeats, and getting nowhere. */
  'stall-first': async (input, { attempt, signal }) => {
    if (attempt > 1) return input
    await once(signal, 'abort')
    throw signal.reason
  },
}
