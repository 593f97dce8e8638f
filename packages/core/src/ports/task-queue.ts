import type { RunId, TaskId } from '../protocol/ids.js'
import type { Offer } from '../protocol/task.js'

/** One attempt in a worker's hands, as `HeldDelivery` has it. The adapter keeps the claim alive until the handler ends. */
export interface Delivery {
  readonly offer: Offer
  /** 1 the first time this attempt is handed out; grows with each redelivery after a dead worker. */
  readonly deliveries: number
  /** Ids of the workers that had this attempt before, oldest first; a few. `null`: this adapter does not keep them. */
  readonly earlierWorkers: readonly string[] | null
  /**
   * Aborts when the claim is lost (reason: RepriseError `CLAIM_LOST`), the attempt withdrawn
   * (`ATTEMPT_WITHDRAWN`), or the consumer closed without draining (`CLOSED`).
   */
  readonly signal: AbortSignal
  /** Shown by `locate` with the next heartbeat: JSON, at most 1 KiB, else `TOO_LARGE`. */
  progress(value: unknown): void
}

/** Resolves: settled, never delivered again. Rejects: given back, delivered again. */
export type DeliveryHandler = (delivery: Delivery) => Promise<void>

export interface ConsumeOptions {
  /** Names this worker in claims: unique among live workers. */
  readonly workerId: string
  /** Handlers running at once, at most. */
  readonly concurrency: number
  /** A worker silent for so long may lose its claims. Milliseconds. */
  readonly claimTtlMs: number
  /** Stops claiming and aborts what runs. */
  readonly signal?: AbortSignal
  /** Failures of the transport while consuming; consuming goes on. */
  readonly onError?: (error: unknown) => void
}

export interface Consumer {
  /** Stops claiming, waits for running handlers at most `drainMs`, then aborts and gives back the rest. */
  close(options?: { drainMs?: number }): Promise<void>
}

export type Whereabouts =
  | { readonly at: 'queued'; readonly deliveries: number }
  | {
      readonly at: 'claimed'
      readonly workerId: string
      readonly deliveries: number
      /** ISO times. */
      readonly since?: string
      readonly heartbeatAt?: string
      readonly progress?: unknown
    }
  | { readonly at: 'unknown' }

/** At-least-once delivery. Its state proves nothing and decides nothing: the log does. */
export interface TaskQueue {
  /** Puts attempts where workers find them. Idempotent per (run, task, attempt): offering again changes nothing. `DISPATCH_MISMATCH`
   * and `TOO_LARGE` are about one of them that is never taken, which the coordinator then looks for by halves; after any other
   * error it offers all of them again. */
  offer(offers: readonly Offer[]): Promise<void>
  /** Claims attempts of a lane, in the order of their offering, and runs `handler` for each. */
  consume(lane: string, handler: DeliveryHandler, options: ConsumeOptions): Promise<Consumer>
  /** Takes an attempt back, best effort: not yet claimed, it is never delivered; claimed, its signal aborts. */
  withdraw(runId: RunId, taskId: TaskId, attempt: number): Promise<void>
  locate(runId: RunId, taskId: TaskId, attempt: number): Promise<Whereabouts>
}
