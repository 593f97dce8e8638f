import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type Holder,
  type Lease,
  type LeaseHolder,
  type Leases,
  ownIdentity,
  RepriseError,
} from '@reprise/core/adapter'
import { fileFailure, systemCode } from './file-failure.js'
import { decodeName, encodeName } from './file-names.js'
import { ageMs, asHolder, asLease, isOrphaned, type LeaseRecord, readLease, writeLease } from './lease-file.js'
import type { Lifetime } from './lifetime.js'
import { removeFile } from './small-file.js'
import { inTurn } from './turn.js'

const ending = '.json'
const noteBytesMax = 16 * 1024
/** Leases of dead holders are shown to nobody; after this time their files go. */
const keepDeadMs = 24 * 3600 * 1000
const watchedMax = 1024

/** Each lease in `<dir>/leases/<name>.json`, changed by one process at a time. */
export class FilesLeases implements Leases {
  readonly #folder: string
  readonly #lifetime: Lifetime
  /** Heartbeats that we saw while waiting for a lease, and since when, by a clock that nobody sets. */
  readonly #watched = new Map<string, { heartbeat: string; since: number }>()

  constructor(dir: string, lifetime: Lifetime) {
    this.#folder = join(dir, 'leases')
    this.#lifetime = lifetime
  }

  async acquire(
    name: string,
    holder: Holder,
    ttlMs: number,
    options: { force?: boolean } = {},
  ): Promise<Lease | LeaseHolder> {
    this.#lifetime.assertOpen()
    checkTtl(name, ttlMs)
    const force = options.force === true
    const holding = readLease(this.#path(name))
    // The common answer to those who poll, without a turn.
    if (holding !== null && !isOwn(holding, holder) && this.#whyReplace(holding, force) === null)
      return asHolder(holding)
    return await this.#inTurn(name, (path) => {
      const current = readLease(path)
      if (current !== null && isOwn(current, holder)) {
        const prolonged = { ...current, ttlMs, heartbeatAt: isoNow() }
        writeLease(path, prolonged)
        return asLease(prolonged)
      }
      const reason = current === null ? null : this.#whyReplace(current, force)
      if (current !== null && reason === null) return asHolder(current)
      const nonce = `${Date.now().toString(36).padStart(9, '0')}-${randomBytes(8).toString('hex')}`
      const taken = { name, holder, process: ownIdentity(), ttlMs, nonce, heartbeatAt: isoNow() }
      writeLease(path, taken)
      this.#watched.delete(name)
      return asLease(taken, current === null || reason === null ? undefined : { holder: current.holder, reason })
    })
  }

  async renew(lease: Lease, note?: unknown): Promise<boolean> {
    this.#lifetime.assertOpen()
    checkNote(lease.name, note)
    return await this.#inTurn(lease.name, (path) => {
      const current = readLease(path)
      if (current?.nonce !== lease.nonce) return false
      const { note: _former, ...rest } = current
      writeLease(path, { ...rest, heartbeatAt: isoNow(), ...(note === undefined ? {} : { note }) })
      return true
    })
  }

  async release(lease: Lease): Promise<void> {
    this.#lifetime.assertOpen()
    await this.#inTurn(lease.name, (path) => {
      if (readLease(path)?.nonce === lease.nonce) removeFile(path)
    })
  }

  async *holders(prefix: string): AsyncGenerator<LeaseHolder> {
    this.#lifetime.assertOpen()
    for (const file of await this.#files()) {
      const name = decodeName(file.slice(0, -ending.length))
      if (name !== null && !name.startsWith(prefix)) continue
      this.#lifetime.assertOpen()
      const record = readLease(join(this.#folder, file))
      if (record === null || !record.name.startsWith(prefix)) continue
      if (ageMs(record) <= record.ttlMs && !isOrphaned(record)) yield asHolder(record)
      else if (ageMs(record) > record.ttlMs + keepDeadMs) await this.#forget(record)
    }
  }

  #whyReplace(current: LeaseRecord, force: boolean): 'process-gone' | 'lease-expired' | 'forced' | null {
    if (isOrphaned(current)) return 'process-gone'
    if (ageMs(current) > current.ttlMs || this.#isSilent(current)) return 'lease-expired'
    return force ? 'forced' : null
  }

  /** The wall clock may have been set back, and then a dead lease never seems old: its heartbeat must change as well. */
  #isSilent(current: LeaseRecord): boolean {
    const heartbeat = `${current.nonce} ${current.heartbeatAt}`
    const watched = this.#watched.get(current.name)
    if (watched?.heartbeat === heartbeat) return performance.now() - watched.since > current.ttlMs
    if (this.#watched.size >= watchedMax) this.#watched.clear()
    this.#watched.set(current.name, { heartbeat, since: performance.now() })
    return false
  }

  async #forget(dead: LeaseRecord): Promise<void> {
    await this.#inTurn(dead.name, (path) => {
      if (readLease(path)?.nonce === dead.nonce) removeFile(path)
    })
  }

  async #inTurn<T>(name: string, work: (path: string) => T): Promise<T> {
    const path = this.#path(name)
    mkdirSync(this.#folder, { recursive: true })
    return await inTurn(`${path.slice(0, -ending.length)}.turn`, () => {
      this.#lifetime.assertOpen()
      return work(path)
    })
  }

  #path(name: string): string {
    return join(this.#folder, encodeName(name) + ending)
  }

  async #files(): Promise<string[]> {
    try {
      return (await readdir(this.#folder)).filter((file) => file.endsWith(ending))
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return []
      throw fileFailure(error, 'Listing', this.#folder)
    }
  }
}

/** The same incarnation asks again. An id that another process uses as well is not trusted. */
const isOwn = (record: LeaseRecord, holder: Holder): boolean =>
  record.holder.id === holder.id && JSON.stringify(record.process) === JSON.stringify(ownIdentity())

const isoNow = (): string => new Date().toISOString()

function checkTtl(name: string, ttlMs: number): void {
  if (Number.isFinite(ttlMs) && ttlMs > 0) return
  throw new RepriseError(
    'INVALID_INPUT',
    `The ttl of lease ${name} is ${ttlMs}. Give a positive number of milliseconds.`,
  )
}

function checkNote(name: string, note: unknown): void {
  const bytes = note === undefined ? 0 : Buffer.byteLength(JSON.stringify(note) ?? '')
  if (bytes <= noteBytesMax) return
  throw new RepriseError(
    'TOO_LARGE',
    `The note for lease ${name} has ${bytes} bytes; at most ${noteBytesMax} are allowed.`,
    {
      details: { name, bytes },
    },
  )
}
