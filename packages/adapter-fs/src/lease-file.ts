import {
  type Holder,
  isAlive,
  type Lease,
  type LeaseHolder,
  type ProcessIdentity,
  parseIdentity,
} from '@reprise/core/adapter'
import { parseJson, readText, replaceFile } from './small-file.js'

/** What the file of a lease says. */
export interface LeaseRecord {
  readonly name: string
  readonly holder: Holder
  /** Of the process that took it: it tells more than the holder's process id. */
  readonly process: ProcessIdentity
  readonly ttlMs: number
  readonly nonce: string
  readonly heartbeatAt: string
  readonly note?: unknown
}

/** `null` if there is none, or if a crash of the system has left it unreadable: then nobody holds it. */
export function readLease(path: string): LeaseRecord | null {
  const text = readText(path)
  return text === null ? null : parseLease(parseJson(text))
}

export function writeLease(path: string, record: LeaseRecord): void {
  replaceFile(path, JSON.stringify(record))
}

/** Its process is known to be gone, so there is no need to wait for the lease to run out. */
export const isOrphaned = (record: LeaseRecord): boolean => isAlive(record.process) === 'gone'

export const ageMs = (record: LeaseRecord): number => Date.now() - Date.parse(record.heartbeatAt)

export const asHolder = (record: LeaseRecord): LeaseHolder => ({
  held: false,
  name: record.name,
  holder: record.holder,
  ttlMs: record.ttlMs,
  heartbeatAt: record.heartbeatAt,
  ...(record.note === undefined ? {} : { note: record.note }),
})

export const asLease = (record: LeaseRecord, takenFrom?: Lease['takenFrom']): Lease => ({
  held: true,
  name: record.name,
  holder: record.holder,
  ttlMs: record.ttlMs,
  nonce: record.nonce,
  ...(takenFrom === undefined ? {} : { takenFrom }),
})

function parseLease(value: unknown): LeaseRecord | null {
  if (!isObject(value) || !isObject(value.holder)) return null
  const { name, ttlMs, nonce, heartbeatAt, note } = value
  const { id, host, pid } = value.holder
  const process = parseIdentity(value.process)
  const texts = [name, nonce, heartbeatAt, id, host]
  if (process === null || !texts.every((text) => typeof text === 'string')) return null
  if (typeof ttlMs !== 'number' || typeof pid !== 'number' || Number.isNaN(Date.parse(heartbeatAt as string)))
    return null
  const holder = { id: id as string, host: host as string, pid }
  const record = {
    name: name as string,
    holder,
    process,
    ttlMs,
    nonce: nonce as string,
    heartbeatAt: heartbeatAt as string,
  }
  return note === undefined ? record : { ...record, note }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
