import type { Lease, Leases } from '../ports/leases.js'
import type { Runtime } from '../ports/runtime.js'
import { answered } from './answered.js'

export interface LeaseKeeperOptions {
  readonly leases: Leases
  readonly lease: Lease
  readonly runtime: Runtime
  /** Ends the renewing. */
  readonly signal: AbortSignal
  /** Called when the lease is not ours any more: looks into the log whether the run is. */
  readonly checkFence: () => Promise<void>
  readonly onFailed: (error: unknown) => void
}

/** Tells others that we are alive. Losing the lease stops nothing by itself: the log is the fence. */
export class LeaseKeeper {
  private lease: Lease
  private released = false

  constructor(private readonly options: LeaseKeeperOptions) {
    this.lease = options.lease
  }

  /** Renews until the signal aborts. Never rejects. */
  async run(): Promise<void> {
    const { runtime, signal, onFailed } = this.options
    while (!signal.aborted) {
      await runtime.sleep(this.lease.ttlMs / 3, signal)
      if (signal.aborted) return
      try {
        await this.renew()
      } catch (error) {
        onFailed(error)
      }
    }
  }

  /** Gives the lease back, the one in force. */
  async release(): Promise<void> {
    this.released = true
    // A lease that cannot be given back runs out.
    await this.options.leases.release(this.lease).catch(() => {})
  }

  private async renew(): Promise<void> {
    const { leases, runtime, signal, checkFence } = this.options
    const { name, holder, ttlMs } = this.lease
    if (await answered(leases.renew(this.lease), `Renewing lease ${name}`, runtime)) return
    await answered(checkFence(), `Looking at the log for lease ${name}`, runtime)
    if (signal.aborted) return
    // The run is still ours: without a lease of its own it would look free to whoever asks politely.
    const answer = await answered(leases.acquire(name, holder, ttlMs), `Taking lease ${name} again`, runtime)
    if (!answer.held) return
    this.lease = answer
    if (this.released) await this.release()
  }
}
