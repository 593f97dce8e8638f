import type { Holder } from '../protocol/events.js'

/** What others see of a lease. */
export interface LeaseHolder {
  readonly held: false
  readonly name: string
  readonly holder: Holder
  readonly ttlMs: number
  /** ISO time of the last renewal, by the holder's clock. */
  readonly heartbeatAt: string
  /** Whatever the holder put there at its last renewal: JSON, at most 16 KiB. */
  readonly note?: unknown
}

/** A lease that we hold. `takenFrom` says from whom it was taken, and why that was polite. */
export interface Lease {
  readonly held: true
  readonly name: string
  readonly holder: Holder
  readonly ttlMs: number
  /** Grows with each taking, so that a late renewal by an earlier holder is recognised. */
  readonly nonce: string
  readonly takenFrom?: { readonly holder: Holder; readonly reason: 'lease-expired' | 'process-gone' | 'forced' }
}

/**
 * Liveness hints. A lease only says whether taking over is polite and who seems to be alive:
 * safety never depends on it (the log is the fence).
 */
export interface Leases {
  /**
   * Takes `name`, or answers who holds it. A holder whose lease ran out, or whose process is known to be
   * gone, is replaced. `force` replaces any holder.
   */
  acquire(name: string, holder: Holder, ttlMs: number, options?: { force?: boolean }): Promise<Lease | LeaseHolder>
  /** Prolongs by `ttlMs` from now. `false`: it is no longer ours. `note` is shown to others. */
  renew(lease: Lease, note?: unknown): Promise<boolean>
  /** Gives it back. Nothing happens if it is no longer ours. */
  release(lease: Lease): Promise<void>
  /** Live holders of leases whose name starts with `prefix`. */
  holders(prefix: string): AsyncIterable<LeaseHolder>
}
