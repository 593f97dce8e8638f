import type { Adapter } from '../ports/adapter.js'
import type { Runtime } from '../ports/runtime.js'
import type { StateFileStore } from '../ports/state-file.js'
import type { RunId } from '../protocol/ids.js'

export interface ActOptions {
  readonly adapter: Adapter
  readonly runId: string
  /**
   * What whoever asks was shown. A command is refused with `STALE_CONTEXT` if what it depends on has changed since, before the
   * run is taken if that is known then. Taking the run for the command does not make this token
   * stale; those of others it does, as any new holder.
   */
  readonly token?: string
  /**
   * `either` (default): takes the run if nobody alive holds it, or else sends the command to who does; if that one dies before
   * it has answered, takes the run, which decides what was sent. `take`: never sends, `RUN_HELD` then. `send`: never takes.
   */
  readonly how?: 'either' | 'take' | 'send'
  /** `false`: what is sent is not waited for. Default `true`. */
  readonly wait?: boolean
  /** How long the answer to what was sent is waited for: `TIMEOUT` then, and it may still be decided. Milliseconds, default 30,000. */
  readonly timeoutMs?: number
  /** As for `openRun`, while the run is held. */
  readonly stateFile?: string | StateFileStore
  readonly signal?: AbortSignal
  readonly runtime?: Runtime
}

/** With the defaults filled in. */
export type ActingOptions = Omit<ActOptions, 'runId'> & {
  readonly runId: RunId
  readonly how: 'either' | 'take' | 'send'
  readonly wait: boolean
  readonly timeoutMs: number
  readonly runtime: Runtime
}
