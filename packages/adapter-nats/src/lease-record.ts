import { type Holder, type Lease, type LeaseHolder, type ProcessIdentity, parseIdentity } from '@reprise/core/adapter'
import type { StoredMessage } from './stored-message.js'

/** What the key of a lease holds. */
export interface LeaseRecord {
  readonly name: string
  readonly holder: Holder
  /** Of the process that wrote it, where that can be told. */
  readonly process: ProcessIdentity | null
  readonly ttlMs: number
  readonly nonce: string
  /** By the holder's clock: only shown. */
  readonly heartbeatAt: string
  readonly note?: unknown
}

/** A record as the server has it; `null` for one that was given back. */
export interface StoredLease {
  /** What the next write must expect. */
  readonly seq: number
  /** Milliseconds since the Unix epoch, by the server's clock. */
  readonly writtenAtMs: number
  readonly record: LeaseRecord | null
}

/** What cannot be read was not written by this library: nobody holds it. */
export function readLease({ seq, data, headers, time }: StoredMessage): StoredLease {
  const isGivenBack = (headers?.get('KV-Operation') ?? '') !== ''
  return { seq, writtenAtMs: readTime(time), record: isGivenBack ? null : parse(data) }
}

export const asHolder = ({ name, holder, ttlMs, heartbeatAt, note }: LeaseRecord): LeaseHolder => ({
  held: false,
  name,
  holder,
  ttlMs,
  heartbeatAt,
  ...(note === undefined ? {} : { note }),
})

export const asLease = ({ name, holder, ttlMs, nonce }: LeaseRecord, takenFrom?: Lease['takenFrom']): Lease => ({
  held: true,
  name,
  holder,
  ttlMs,
  nonce,
  ...(takenFrom === undefined ? {} : { takenFrom }),
})

/** ISO, or nanoseconds since the epoch as deliveries have it. */
const readTime = (time: string): number => (/^\d+$/.test(time) ? Number(time) / 1e6 : Date.parse(time))

function parse(data: Uint8Array): LeaseRecord | null {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(data).toString())
  } catch {
    return null
  }
  if (!isObject(value) || !isObject(value.holder)) return null
  const { name, ttlMs, nonce, heartbeatAt, note } = value
  const { id, host, pid } = value.holder
  if (typeof name !== 'string' || typeof nonce !== 'string' || typeof heartbeatAt !== 'string') return null
  if (typeof id !== 'string' || typeof host !== 'string' || typeof pid !== 'number') return null
  if (typeof ttlMs !== 'number' || Number.isNaN(Date.parse(heartbeatAt))) return null
  const process = parseIdentity(value.process)
  const record = { name, holder: { id, host, pid }, process, ttlMs, nonce, heartbeatAt }
  return note === undefined ? record : { ...record, note }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
