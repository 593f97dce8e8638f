import type { InboxMessage } from '@reprise/core/adapter'
import { isRepriseError, type Offer, RepriseError, type RunId, type StoredArtifact } from '@reprise/core/adapter'

/** What the two processes ask of each other. */
export interface Requests {
  open(options: unknown): { name: string; artifacts: boolean; snapshots: boolean; summaries: boolean }
  call(call: { port: string; method: string; args: readonly unknown[] }): unknown
  put(source: { chunks: readonly Uint8Array[]; bytesMax: number }): StoredArtifact
  save(start: { save: number; runId: RunId }): void
  nextPiece(next: { save: number }): IteratorResult<string, undefined>
  consume(start: { consumer: number; lane: string; workerId: string; concurrency: number; claimTtlMs: number }): void
  closeConsumer(close: { consumer: number; drainMs: number }): void
  deliver(delivery: {
    consumer: number
    delivery: number
    offer: Offer
    deliveries: number
    earlierWorkers: readonly string[] | null
  }): void
  progress(progress: { delivery: number; value: unknown }): void
  lose(loss: { delivery: number; reason: WireError }): void
  receive(start: { receiver: number; runId: RunId }): void
  endReceiver(end: { receiver: number }): void
  handOver(batch: { receiver: number; messages: readonly InboxMessage[]; caughtUp: boolean }): void
}
type Payload<Name extends keyof Requests> = Parameters<Requests[Name]>[0]
type Answer<Name extends keyof Requests> = ReturnType<Requests[Name]>

/** An error on its way to the other process. */
export interface WireError {
  readonly code: RepriseError['code'] | null
  readonly message: string
  readonly details: Readonly<Record<string, unknown>>
}

export const toWire = (error: unknown): WireError =>
  isRepriseError(error)
    ? { code: error.code, message: error.message, details: error.details }
    : { code: null, message: String(error), details: {} }

export const fromWire = ({ code, message, details }: WireError): Error =>
  code === null ? new Error(message) : new RepriseError(code, message, { details })

type Packet =
  | { readonly kind: 'request'; readonly id: number; readonly name: keyof Requests; readonly payload: unknown }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly error: WireError }

interface Pending {
  resolve(value: unknown): void
  reject(error: Error): void
}

/** One end of the line between two processes. Requests to a process that has died stay pending for ever. */
export class Channel {
  readonly #send: (packet: Packet) => void
  readonly #pending = new Map<number, Pending>()
  readonly #answers = new Map<keyof Requests, (payload: never) => unknown>()
  #requests = 0

  constructor(send: (packet: unknown) => void) {
    this.#send = send
  }

  request<Name extends keyof Requests>(name: Name, payload: Payload<Name>): Promise<Answer<Name>> {
    this.#requests++
    const id = this.#requests
    const answer = new Promise<unknown>((resolve, reject) => this.#pending.set(id, { resolve, reject }))
    this.#send({ kind: 'request', id, name, payload })
    return answer as Promise<Answer<Name>>
  }

  answer<Name extends keyof Requests>(
    name: Name,
    answer: (payload: Payload<Name>) => Promise<Answer<Name>> | Answer<Name>,
  ): void {
    this.#answers.set(name, answer)
  }

  /** Takes what the other end has sent. */
  async take(received: unknown): Promise<void> {
    const packet = received as Packet
    switch (packet.kind) {
      case 'request':
        return this.#reply(packet.id, packet.name, packet.payload)
      case 'answer':
        this.#pending.get(packet.id)?.resolve(packet.value)
        this.#pending.delete(packet.id)
        return
      case 'failure':
        this.#pending.get(packet.id)?.reject(fromWire(packet.error))
        this.#pending.delete(packet.id)
    }
  }

  async #reply(id: number, name: keyof Requests, payload: unknown): Promise<void> {
    try {
      const value = await this.#answers.get(name)?.(payload as never)
      this.#send({ kind: 'answer', id, value })
    } catch (error) {
      this.#send({ kind: 'failure', id, error: toWire(error) })
    }
  }
}
