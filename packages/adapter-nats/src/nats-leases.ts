import { randomBytes } from 'node:crypto'
import { headers, type MsgHdrs } from '@nats-io/transport-node'
import {
  type Holder,
  isAlive,
  type Lease,
  type LeaseHolder,
  type Leases,
  ownIdentity,
  RepriseError,
} from '@reprise/core/adapter'
import { onlyOfEach } from './last-of-each.js'
import { asHolder, asLease, type LeaseRecord, readLease, type StoredLease } from './lease-record.js'
import type { Names } from './names.js'
import type { NatsConnection } from './nats-connection.js'
import { apiCodes, isApiFailure, isNatsFailure } from './nats-failure.js'
import { ServerClock } from './server-clock.js'
import { getMessage, newestSeqOf, type ReadableStream } from './stored-message.js'
import { leaseAgeMaxMs } from './streams.js'

const noteBytesMax = 16 * 1024
/** Others may take a lease, renew or release it between our look and our write. */
const triesMax = 8
const rememberedMax = 4096

/** Each lease is a key of a bucket, changed by compare-and-set on its revision. */
export class NatsLeases implements Leases {
  readonly #connection: NatsConnection
  readonly #names: Names
  readonly #bucket: ReadableStream
  readonly #clock: ServerClock
  /** Revisions of our own leases by nonce, so that renewing is one round trip. */
  readonly #revisions = new Map<string, number>()

  constructor(connection: NatsConnection, names: Names, direct: boolean) {
    this.#connection = connection
    this.#names = names
    this.#bucket = { stream: names.leasesStream, direct }
    this.#clock = new ServerClock(connection, this.#bucket, names.clockSubject)
  }

  /** Two round trips; two more a minute if another holds it. */
  async acquire(
    name: string,
    holder: Holder,
    ttlMs: number,
    options: { force?: boolean } = {},
  ): Promise<Lease | LeaseHolder> {
    this.#connection.assertOpen()
    checkTtl(name, ttlMs)
    for (let tried = 0; tried < triesMax; tried++) {
      const current = await this.#read(name)
      const before = current?.record ?? null
      const isOwn = before?.holder.id === holder.id
      const reason = before === null || isOwn ? null : await this.#whyReplace(before, current, options.force === true)
      if (before !== null && !isOwn && reason === null) return asHolder(before)
      const nonce = isOwn ? before.nonce : newNonce(current?.seq ?? 0)
      const heartbeatAt = new Date().toISOString()
      const record = { name, holder, process: ownIdentity(), ttlMs, nonce, heartbeatAt }
      if (!(await this.#write(record, current?.seq ?? 0, `Acquiring the lease ${name}`))) continue
      return asLease(record, before === null || reason === null ? undefined : { holder: before.holder, reason })
    }
    throw contended(name)
  }

  /** One round trip. */
  async renew(lease: Lease, note?: unknown): Promise<boolean> {
    this.#connection.assertOpen()
    checkNote(lease.name, note)
    const { name, holder, ttlMs, nonce } = lease
    const doing = `Renewing the lease ${name}`
    for (let tried = 0; tried < triesMax; tried++) {
      const revision = await this.#revisionOf(lease)
      if (revision === null) return false
      const heartbeatAt = new Date().toISOString()
      const shown = note === undefined ? {} : { note }
      const record = { name, holder, process: ownIdentity(), ttlMs, nonce, heartbeatAt, ...shown }
      if (await this.#write(record, revision, doing)) return true
    }
    throw contended(name)
  }

  async release(lease: Lease): Promise<void> {
    this.#connection.assertOpen()
    for (let tried = 0; tried < triesMax; tried++) {
      const revision = await this.#revisionOf(lease)
      if (revision === null) return
      const marker = expecting(revision)
      marker.set('KV-Operation', 'DEL')
      const doing = `Releasing the lease ${lease.name}`
      this.#revisions.delete(lease.nonce)
      if ((await this.#publish(lease.name, '', marker, doing)) !== null) return
    }
    throw contended(lease.name)
  }

  /** Two round trips, and one consumer over all keys. */
  async *holders(prefix: string): AsyncGenerator<LeaseHolder> {
    this.#connection.assertOpen()
    const doing = `Listing holders of leases ${prefix}*`
    const now = await this.#clock.now()
    const filter = this.#names.leasesSubjects
    const options = { stream: this.#bucket.stream, filter, doing }
    const newestSeq = (): Promise<number> => newestSeqOf(this.#connection, this.#bucket, filter, doing)
    for await (const message of onlyOfEach(this.#connection, options, newestSeq)) {
      const { record, writtenAtMs } = readLease(message)
      if (record === null || !record.name.startsWith(prefix)) continue
      if (now - writtenAtMs < record.ttlMs && !isGone(record)) yield asHolder(record)
    }
  }

  async #whyReplace(
    record: LeaseRecord,
    current: StoredLease | null,
    force: boolean,
  ): Promise<'process-gone' | 'lease-expired' | 'forced' | null> {
    if (isGone(record)) return 'process-gone'
    const ageMs = (await this.#clock.now()) - (current?.writtenAtMs ?? 0)
    if (ageMs >= record.ttlMs) return 'lease-expired'
    return force ? 'forced' : null
  }

  async #read(name: string): Promise<StoredLease | null> {
    const wanted = { lastOf: this.#names.leaseSubject(name) }
    const message = await getMessage(this.#connection, this.#bucket, wanted, `Reading the lease ${name}`)
    return message === null ? null : readLease(message)
  }

  /** `null`: it is no longer ours. */
  async #revisionOf({ name, nonce }: Lease): Promise<number | null> {
    const known = this.#revisions.get(nonce)
    if (known !== undefined) return known
    const current = await this.#read(name)
    return current?.record?.nonce === nonce ? current.seq : null
  }

  /** `false`: somebody was faster, or the outcome is not known; look again. */
  async #write(record: LeaseRecord, expected: number, doing: string): Promise<boolean> {
    this.#revisions.delete(record.nonce)
    const seq = await this.#publish(record.name, JSON.stringify(record), expecting(expected), doing)
    if (seq === null) return false
    if (this.#revisions.size >= rememberedMax) this.#revisions.clear()
    this.#revisions.set(record.nonce, seq)
    return true
  }

  async #publish(name: string, value: string, given: MsgHdrs, doing: string): Promise<number | null> {
    try {
      const { seq } = await this.#connection.publish(this.#names.leaseSubject(name), value, { doing, headers: given })
      return seq
    } catch (error) {
      // After a lost connection the next look tells; after a silence the caller has waited long enough.
      if (isApiFailure(error, apiCodes.wrongLastSequence) || isNatsFailure(error, 'disconnected')) return null
      throw error
    }
  }
}

const isGone = ({ process }: LeaseRecord): boolean => process !== null && isAlive(process) === 'gone'

/** Grows with each taking: what is replaced has a higher revision each time. */
const newNonce = (revision: number): string =>
  `${revision.toString().padStart(15, '0')}-${randomBytes(8).toString('hex')}`

function expecting(revision: number): MsgHdrs {
  const result = headers()
  result.set('Nats-Expected-Last-Subject-Sequence', String(revision))
  return result
}

function checkTtl(name: string, ttlMs: number): void {
  if (Number.isFinite(ttlMs) && ttlMs > 0 && ttlMs <= leaseAgeMaxMs) return
  throw new RepriseError(
    'INVALID_INPUT',
    `The ttl of lease ${name} is ${ttlMs}. Give a positive number of milliseconds, at most a day.`,
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

const contended = (name: string): RepriseError =>
  new RepriseError(
    'ADAPTER_UNAVAILABLE',
    `The lease ${name} changed ${triesMax} times while it was being written. Try again.`,
    { details: { name } },
  )
