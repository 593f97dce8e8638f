import { randomBytes } from 'node:crypto'
import {
  type Holder,
  type Lease,
  type LeaseHolder,
  type Leases,
  ownIdentity,
  RepriseError,
} from '@reprise/core/adapter'
import type { AdapterParts } from './adapter-parts.js'
import { isGone, type LeaseFacts, readFacts, unknownHolder } from './lease-facts.js'
import { acquireScript, holderScript, listScript, registerScript, releaseScript, renewScript } from './lease-scripts.js'
import { asArray, asText } from './redis-reply.js'

const noteBytesMax = 16 * 1024
const ttlMsMax = 365 * 24 * 3600 * 1000

/**
 * One hash per lease, judged by the server's clock alone. Each method is one round trip, one more to take a lease from a
 * process of this machine that has ended; `holders` is two.
 */
export class RedisLeases implements Leases {
  readonly #parts: AdapterParts

  constructor(parts: AdapterParts) {
    this.#parts = parts
  }

  async acquire(
    name: string,
    holder: Holder,
    ttlMs: number,
    options: { force?: boolean } = {},
  ): Promise<Lease | LeaseHolder> {
    this.#parts.lifetime.assertOpen()
    checkTtl(name, ttlMs)
    const facts: LeaseFacts = { holder, process: ownIdentity(), ttlMs, heartbeatAt: new Date().toISOString() }
    const given = [holder.id, ttlMs, JSON.stringify(facts), randomBytes(8).toString('hex'), options.force ? 1 : 0]
    const take = async (endedNonce: string) => {
      const keys = [this.#parts.keys.lease(name)]
      const args = [...given, endedNonce]
      const reply = this.#registered(name, ttlMs, () => this.#parts.connection.script(acquireScript, keys, args))
      return asArray(await reply).map(asText)
    }
    let [answer, nonce, former = ''] = await take('')
    if (answer === 'held' && isGone(readFacts(former))) [answer, nonce, former = ''] = await take(nonce ?? '')
    const formerFacts = readFacts(former)
    if (answer === 'held') return shown(name, formerFacts)
    const lease: Lease = { held: true, name, holder, ttlMs, nonce: nonce ?? '' }
    if (answer !== 'lease-expired' && answer !== 'process-gone' && answer !== 'forced') return lease
    return { ...lease, takenFrom: { holder: formerFacts?.holder ?? unknownHolder, reason: answer } }
  }

  async renew(lease: Lease, note?: unknown): Promise<boolean> {
    this.#parts.lifetime.assertOpen()
    checkNote(lease.name, note)
    const { name, holder, ttlMs, nonce } = lease
    const heartbeatAt = new Date().toISOString()
    const facts: LeaseFacts = {
      holder,
      process: ownIdentity(),
      ttlMs,
      heartbeatAt,
      ...(note === undefined ? {} : { note }),
    }
    const renewed = await this.#registered(name, ttlMs, () =>
      this.#parts.connection.script(renewScript, [this.#parts.keys.lease(name)], [nonce, ttlMs, JSON.stringify(facts)]),
    )
    return renewed === 1
  }

  async release(lease: Lease): Promise<void> {
    this.#parts.lifetime.assertOpen()
    // Its name stays in the register until it runs out there: who looks it up finds nothing.
    await this.#parts.connection.script(releaseScript, [this.#parts.keys.lease(lease.name)], [lease.nonce])
  }

  async *holders(prefix: string): AsyncGenerator<LeaseHolder> {
    this.#parts.lifetime.assertOpen()
    const { connection, keys, lifetime } = this.#parts
    const listed = asArray(await connection.script(listScript, [keys.leases], [])).map(asText)
    const names = listed.filter((name) => name.startsWith(prefix))
    const found = await Promise.all(names.map((name) => connection.script(holderScript, [keys.lease(name)], [])))
    for (const [i, name] of names.entries()) {
      lifetime.assertOpen()
      const stored = found[i]
      const facts = Buffer.isBuffer(stored) ? readFacts(stored.toString('utf8')) : null
      if (facts !== null && !isGone(facts)) yield shown(name, facts)
    }
  }

  /**
   * Both on their way at once: the register is on another node of a cluster than the lease. A crash in between leaves
   * a name without a lease, or a lease that is listed with its next renewal.
   */
  async #registered(name: string, ttlMs: number, take: () => Promise<unknown>): Promise<unknown> {
    const { connection, keys } = this.#parts
    const [, reply] = await Promise.all([connection.script(registerScript, [keys.leases], [name, ttlMs]), take()])
    return reply
  }
}

function shown(name: string, facts: LeaseFacts | null): LeaseHolder {
  const { holder = unknownHolder, ttlMs = 0, heartbeatAt = new Date(0).toISOString(), note } = facts ?? {}
  return { held: false, name, holder, ttlMs, heartbeatAt, ...(note === undefined ? {} : { note }) }
}

function checkTtl(name: string, ttlMs: number): void {
  if (Number.isSafeInteger(Math.ceil(ttlMs)) && ttlMs > 0 && ttlMs <= ttlMsMax) return
  throw new RepriseError(
    'INVALID_INPUT',
    `The ttl of lease ${name} is ${ttlMs}. Give a positive number of milliseconds, at most ${ttlMsMax}.`,
  )
}

function checkNote(name: string, note: unknown): void {
  const bytes = note === undefined ? 0 : Buffer.byteLength(JSON.stringify(note) ?? '')
  if (bytes <= noteBytesMax) return
  throw new RepriseError(
    'TOO_LARGE',
    `The note for lease ${name} has ${bytes} bytes; at most ${noteBytesMax} are allowed.`,
    { details: { name, bytes } },
  )
}
