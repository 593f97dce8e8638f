import { type Holder, isAlive, parseIdentity } from '@reprise/core/adapter'

/** What is stored of a lease besides its time, which is the server's affair. */
export interface LeaseFacts {
  readonly holder: Holder
  /** Of the process that took it: on the same machine its end is seen at once. */
  readonly process: unknown
  readonly ttlMs: number
  readonly heartbeatAt: string
  readonly note?: unknown
}

/** In place of a holder that somebody has made unreadable. */
export const unknownHolder: Holder = { id: 'unknown', host: 'unknown', pid: 0 }

/** `null` if it is of another form: workers can write there, so nothing in it is believed. */
export function readFacts(json: string): LeaseFacts | null {
  const facts = asRecord(parse(json))
  const holder = readHolder(facts.holder)
  const { process, ttlMs, heartbeatAt, note } = facts
  if (holder === null || typeof ttlMs !== 'number' || typeof heartbeatAt !== 'string') return null
  if (Number.isNaN(Date.parse(heartbeatAt))) return null
  return { holder, process, ttlMs, heartbeatAt, ...(note === undefined ? {} : { note }) }
}

/** Of a process elsewhere nothing is known before its lease runs out. */
export function isGone(facts: LeaseFacts | null): boolean {
  const process = parseIdentity(facts?.process)
  return process !== null && isAlive(process) === 'gone'
}

function readHolder(value: unknown): Holder | null {
  const { id, host, pid } = asRecord(value)
  if (typeof id !== 'string' || id === '' || typeof host !== 'string') return null
  return typeof pid === 'number' && Number.isSafeInteger(pid) && pid >= 0 ? { id, host, pid } : null
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return null
  }
}

const asRecord = (value: unknown): Partial<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? value : {}
