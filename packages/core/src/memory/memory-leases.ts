import type { Lease, LeaseHolder, Leases } from '../ports/leases.js'
import { RepriseError } from '../protocol/errors.js'
import type { Holder } from '../protocol/events.js'
import { exceedsBytes } from '../protocol/json.js'
import { isoTime } from '../protocol/time.js'
import type { MemoryProcess } from './memory-process.js'

interface Held {
  readonly name: string
  readonly holder: Holder
  readonly process: MemoryProcess
  readonly nonce: string
  ttlMs: number
  heartbeatAtMs: number
  note: string | undefined
}

/** What several adapters share: who holds what. */
export class MemoryLeases {
  readonly held = new Map<string, Held>()
  nonces = 0
}

const noteBytesMax = 16 * 1024

export function memoryLeases(leases: MemoryLeases, process: MemoryProcess): Leases {
  const ranOut = (held: Held): boolean => process.runtime.now() - held.heartbeatAtMs >= held.ttlMs

  function acquire(name: string, holder: Holder, ttlMs: number, force: boolean): Lease | LeaseHolder {
    const before = leases.held.get(name)
    // The holder asking again never learnt that it got the lease.
    const other = before !== undefined && before.holder.id !== holder.id ? before : undefined
    const reason = other && reasonToTake(other, force)
    if (other !== undefined && reason === undefined) return shown(other)
    leases.nonces++
    const nonce = String(leases.nonces).padStart(12, '0')
    const heartbeatAtMs = process.runtime.now()
    leases.held.set(name, { name, holder, process, nonce, ttlMs, heartbeatAtMs, note: undefined })
    const lease = { held: true, name, holder, ttlMs, nonce } as const
    return other === undefined || reason === undefined
      ? lease
      : { ...lease, takenFrom: { holder: other.holder, reason } }
  }

  function reasonToTake(held: Held, force: boolean): 'process-gone' | 'lease-expired' | 'forced' | undefined {
    if (held.process.knownGone) return 'process-gone'
    if (ranOut(held)) return 'lease-expired'
    return force ? 'forced' : undefined
  }

  function renew(lease: Lease, note: unknown): boolean {
    const held = leases.held.get(lease.name)
    if (held?.nonce !== lease.nonce) return false
    const text = note === undefined ? undefined : JSON.stringify(note)
    if (text !== undefined && exceedsBytes(text, noteBytesMax)) throw noteTooLarge(lease.name)
    held.heartbeatAtMs = process.runtime.now()
    held.note = text
    return true
  }

  function release(lease: Lease): void {
    if (leases.held.get(lease.name)?.nonce === lease.nonce) leases.held.delete(lease.name)
  }

  async function* holders(prefix: string): AsyncIterable<LeaseHolder> {
    await process.pass('leases', 'holders', 'before', null)
    for (const held of [...leases.held.values()]) {
      if (held.name.startsWith(prefix) && reasonToTake(held, false) === undefined) yield shown(held)
    }
  }

  return {
    acquire: (name, holder, ttlMs, options) =>
      process.call('leases', 'acquire', null, () => acquire(name, holder, ttlMs, options?.force ?? false)),
    renew: (lease, note) => process.call('leases', 'renew', null, () => renew(lease, note)),
    release: (lease) => process.call('leases', 'release', null, () => release(lease)),
    holders,
  }
}

const shown = ({ name, holder, ttlMs, heartbeatAtMs, note }: Held): LeaseHolder => ({
  held: false,
  name,
  holder,
  ttlMs,
  heartbeatAt: isoTime(heartbeatAtMs),
  ...(note === undefined ? {} : { note: JSON.parse(note) as unknown }),
})

const noteTooLarge = (name: string): RepriseError =>
  new RepriseError(
    'TOO_LARGE',
    `The note of lease "${name}" exceeds ${noteBytesMax} bytes as JSON; the lease was not renewed. Renew it with a shorter note.`,
    { details: { name, bytesMax: noteBytesMax } },
  )
