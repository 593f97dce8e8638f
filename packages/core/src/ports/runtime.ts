/**
 * The world as core sees it: time, waiting, randomness and who we are. Core reads none of these by
 * itself, so a whole system can run under a simulated clock with a seed (see `memory/simulated-clock`).
 */
export interface Runtime {
  /** Milliseconds since the Unix epoch. May step backwards; only ever compared with itself. */
  now(): number
  /** Resolves after `ms` milliseconds, or at once when `signal` aborts. Never rejects: look at the signal. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** An unguessable id of 16 to 64 characters of `[a-z0-9]`. */
  randomId(): string
  /** Runs `task` once the work that is ready now has run. What is decided until then shares one commit. */
  defer(task: () => void): void
  /** Name of this host, as it appears in actors, holders and receipts. */
  readonly host: string
  /** Process id, as it appears in actors, holders and receipts. */
  readonly pid: number
}
