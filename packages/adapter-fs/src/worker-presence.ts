import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { type Lease, type Leases, RepriseError } from '@reprise/core/adapter'

const prefix = 'worker/'

/**
 * Shows that a consumer lives, as a lease `worker/<worker id>/<nonce>`. Its claims carry the same name: when no
 * live holder has it any more, they may be claimed by others. The nonce keeps a worker that was started again under
 * the same id from being taken for the one that died.
 */
export class WorkerPresence {
  readonly claimant: string
  readonly #leases: Leases
  readonly #lease: Lease
  #renewedAt = clocks()

  static async begin(leases: Leases, workerId: string, ttlMs: number): Promise<WorkerPresence> {
    const claimant = `${workerId}/${randomBytes(4).toString('hex')}`
    const holder = { id: workerId, host: hostname(), pid: process.pid }
    const lease = await leases.acquire(prefix + claimant, holder, ttlMs)
    if (lease.held) return new WorkerPresence(leases, claimant, lease)
    throw new RepriseError(
      'ADAPTER_UNAVAILABLE',
      `The lease ${prefix}${claimant} is held by another worker. Try again.`,
    )
  }

  private constructor(leases: Leases, claimant: string, lease: Lease) {
    this.claimant = claimant
    this.#leases = leases
    this.#lease = lease
  }

  /** Whether the others are bound to take us for alive for some time yet. Neither clock alone can be trusted. */
  get fresh(): boolean {
    const now = clocks()
    const age = Math.max(now.monotonicMs - this.#renewedAt.monotonicMs, now.wallMs - this.#renewedAt.wallMs)
    return age < (this.#lease.ttlMs * 2) / 3
  }

  /** `false`: the lease is gone and our claims with it. */
  async renew(note: unknown): Promise<boolean> {
    const now = clocks()
    const renewed = await this.#leases.renew(this.#lease, note)
    if (renewed) this.#renewedAt = now
    return renewed
  }

  end(): Promise<void> {
    return this.#leases.release(this.#lease)
  }
}

/** The worker behind a claimant. */
export const workerOf = (claimant: string): string => claimant.slice(0, claimant.lastIndexOf('/'))

/** Which of these claimants have no live holder. */
export async function goneClaimants(leases: Leases, claimants: ReadonlySet<string>): Promise<Set<string>> {
  const gone = new Set(claimants)
  if (gone.size > 0) for await (const { name } of leases.holders(prefix)) gone.delete(name.slice(prefix.length))
  return gone
}

/** What a live claimant has said with its last heartbeat. */
export async function lastHeartbeat(
  leases: Leases,
  claimant: string,
): Promise<{ heartbeatAt: string; note: unknown } | null> {
  const name = prefix + claimant
  for await (const holder of leases.holders(name)) {
    if (holder.name === name) return { heartbeatAt: holder.heartbeatAt, note: holder.note }
  }
  return null
}

const clocks = () => ({ monotonicMs: performance.now(), wallMs: Date.now() })
