import type { RunId } from '../protocol/ids.js'

/** A call that an adapter makes to its backend, as the interceptor sees it: once before and once after. */
export interface PortCall {
  readonly port: 'log' | 'leases' | 'queue' | 'inbox' | 'artifacts' | 'snapshots' | 'summaries' | 'adapter'
  /** A method of the port, or what the adapter does by itself: queue `claim`, `heartbeat`, `settle`; inbox `ack`. */
  readonly method: string
  readonly phase: 'before' | 'after'
  /** `null` where a call concerns no run, or several. */
  readonly runId: RunId | null
  /** Of the calling process. */
  readonly host: string
  readonly pid: number
}

/**
 * `fail`: the caller gets `ADAPTER_UNAVAILABLE`; before the call nothing has happened, after it everything has and
 * only the reply is lost. `kill`: the caller dies on the spot. A promise delays the call.
 */
export type Intercept = (call: PortCall) => 'go' | 'fail' | 'kill' | Promise<'go' | 'fail' | 'kill'>

/** Which of `count` things that may come next does come next: 0 for the oldest. */
export type Choose = (count: number) => number
