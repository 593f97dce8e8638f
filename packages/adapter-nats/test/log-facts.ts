import {
  type Adapter,
  type CommitLog,
  type CommitRecord,
  type ErrorCode,
  type InboxMessage,
  isRepriseError,
  type RunId,
} from '@reprise/core/adapter'
import { encodeCommit, genesisHash } from '@reprise/core/testing'
import { type FaultProxy, startNats, startProxy, type TestServer } from '@reprise/test-servers'
import { onTestFinished } from 'vitest'
import { type NatsAdapter, openNats } from '../src/index.js'
import type { OpenNatsOptions } from '../src/open-options.js'
import { uniquePrefix } from './nats-facts.js'

export const run = 'run-1' as RunId

/** The record after `previous`, with one event that says `text`. */
export function recordAfter(previous: CommitRecord | null, text: string, type = 'note-added'): CommitRecord {
  const index = previous === null ? 0 : previous.index + 1
  const prev = previous?.hash ?? genesisHash
  const header = { index, version: index + 1, epoch: 0, at: '2030-01-01T00:00:00.000Z', actor: 'test', prev }
  return encodeCommit(header, [JSON.stringify({ type, v: 1, data: { text } })])
}

export function history(count: number, text = 'note'): CommitRecord[] {
  const records: CommitRecord[] = []
  for (let i = 0; i < count; i++) records.push(recordAfter(records.at(-1) ?? null, `${text} ${i}`))
  return records
}

/** A history whose last commit closes the run. */
export function closedHistory(count: number, text = 'note'): CommitRecord[] {
  const records = history(count - 1, text)
  return [...records, recordAfter(records.at(-1) ?? null, 'done', 'run-completed')]
}

export const textsOf = (records: readonly CommitRecord[]): string[] => records.map(({ text }) => text)

export async function readAll(log: CommitLog, id: RunId = run, from = 0): Promise<string[]> {
  const texts: string[] = []
  for await (const batch of log.read(id, from)) texts.push(...batch)
  return texts
}

export async function appendAll(log: CommitLog, records: readonly CommitRecord[], id: RunId = run): Promise<void> {
  for (const record of records) await log.append(id, record)
}

export interface Scene {
  readonly server: TestServer
  readonly proxy: FaultProxy
  /** Through the proxy. */
  readonly faulty: { servers: string; prefix: string }
  /** Past it. */
  readonly sound: { servers: string; prefix: string }
}

/** A server of its own, for it will be killed, and a proxy before it. */
export async function scene(): Promise<Scene> {
  const server = await startNats({ private: true })
  const proxy = await startProxy(server.url)
  // Last in, first out: what the tests open is closed before.
  onTestFinished(async () => {
    await proxy[Symbol.asyncDispose]()
    await server.stop()
  })
  const prefix = uniquePrefix()
  return { server, proxy, faulty: { servers: proxy.url(server.url), prefix }, sound: { servers: server.url, prefix } }
}

/** Opens an adapter that is closed with the test. */
export async function open(options: OpenNatsOptions): Promise<NatsAdapter> {
  const adapter = await openNats(options)
  onTestFinished(() => adapter.close())
  return adapter
}

export async function failureOf(call: () => Promise<unknown>): Promise<Error & { code: ErrorCode | 'none' }> {
  try {
    await call()
  } catch (error) {
    if (isRepriseError(error)) return error
    throw error
  }
  return Object.assign(new Error('The call did not fail.'), { code: 'none' as const })
}

/** Calls again while the server is away, as a coordinator does. */
export async function untilThere<T>(call: () => Promise<T>): Promise<T> {
  const results: T[] = []
  await eventually('the call succeeds', async () => {
    try {
      results.push(await call())
      return true
    } catch (error) {
      if (isRepriseError(error, 'ADAPTER_UNAVAILABLE')) return false
      throw error
    }
  })
  return results[0] as T
}

export const messages = (sender: string, count: number, from = 1): InboxMessage[] =>
  Array.from({ length: count }, (_, i) => ({
    sender,
    seq: from + i,
    kind: 'receipt' as const,
    body: JSON.stringify({ seq: from + i }),
  }))

export interface Receiving {
  readonly received: InboxMessage[]
  stop(): Promise<void>
}

/** Receives until it is stopped, at the latest with the test. */
export function receive(adapter: Adapter, onBatch: () => Promise<void> = async () => {}): Receiving {
  const received: InboxMessage[] = []
  const abort = new AbortController()
  const take = async (batch: readonly InboxMessage[]): Promise<void> => {
    received.push(...batch)
    await onBatch()
  }
  const receiving = adapter.inbox.receive(run, take, abort.signal)
  const stop = async (): Promise<void> => {
    abort.abort()
    await receiving
  }
  onTestFinished(stop)
  return { received, stop }
}

/** Each is the next one of its sender, or one that came before. */
export function isInOrder(received: readonly InboxMessage[]): boolean {
  const last = new Map<string, number>()
  return received.every(({ sender, seq }) => {
    const before = last.get(sender) ?? 0
    last.set(sender, Math.max(before, seq))
    return seq <= before + 1
  })
}

/** Watches until it is stopped, at the latest with the test. */
export function watch(log: CommitLog): { readonly texts: string[]; readonly ended: Promise<unknown> } {
  const texts: string[] = []
  const abort = new AbortController()
  const follow = async (): Promise<void> => {
    for await (const batch of log.watch(run, 0, abort.signal)) texts.push(...batch)
  }
  const ended = follow().catch((error: unknown) => error)
  onTestFinished(async () => {
    abort.abort()
    await ended
  })
  return { texts, ended }
}

const deadlineMs = 25_000

/** Looks until it holds. Looking is cheap, so nothing here depends on how fast the machine is. */
export async function eventually(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const giveUpAt = performance.now() + deadlineMs
  while (!(await holds())) {
    if (performance.now() > giveUpAt) throw new Error(`Not within ${deadlineMs} ms: ${what}.`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
