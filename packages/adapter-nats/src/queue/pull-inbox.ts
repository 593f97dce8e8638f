import type { Msg, NatsConnection as NatsClient, Subscription } from '@nats-io/transport-node'

/** A pull that waits for longer ends with 408 and is made again: then slots that were asked for one by one join. */
const expiresMs = 30_000
const heartbeatMs = 5_000
/** While the server owes us messages, it says every `heartbeatMs` that it knows. */
const silenceMaxMs = 2.2 * heartbeatMs
const nanosPerMs = 1e6

export interface PullListener {
  onTask(message: Msg): void
  /** `requested` has changed: there may be slots to ask for. `soon`: not at once, the server has too much to do. */
  onRequestEnded(when: 'now' | 'soon'): void
  /** What was asked for will not come: the consumer was deleted, moved, or the server is silent. */
  onLost(why: string): void
}

/**
 * Asks the server for messages and takes them in. A request is one publish and nobody waits for it; messages come
 * as they become available, at most as many as were asked for. In the message after which a worker has free slots it
 * asks for as many as it has: together with an acknowledgement (`+NXT`) that costs no message of its own.
 */
export class PullInbox {
  readonly #client: NatsClient
  readonly #inbox: string
  readonly #nextSubject: string
  readonly #listener: PullListener
  readonly #subscription: Subscription
  readonly #silence: NodeJS.Timeout
  #requested = 0
  #closed = false

  constructor(client: NatsClient, inbox: string, nextSubject: string, listener: PullListener) {
    this.#client = client
    this.#inbox = inbox
    this.#nextSubject = nextSubject
    this.#listener = listener
    this.#subscription = client.subscribe(`${inbox}.*`, { callback: (error, message) => this.#take(error, message) })
    this.#silence = setTimeout(() => this.#onSilence(), silenceMaxMs)
  }

  /** Messages that were asked for and have not come. */
  get requested(): number {
    return this.#requested
  }

  /** Asks for `count` messages more; if `ack` is given, in the same message that acknowledges that delivery. */
  ask(count: number, ack?: string): void {
    if (this.#requested === 0) this.#silence.refresh()
    this.#requested += count
    const request = requestText(count)
    // The server ends a request by a status to this subject, which so tells what it was for.
    const reply = `${this.#inbox}.${count}`
    if (ack === undefined) this.#client.publish(this.#nextSubject, request, { reply })
    else this.#client.publish(ack, `+NXT ${request}`, { reply })
  }

  /**
   * Ends all requests. What the server had sent before it learnt of that is still handed over. It drops requests
   * without a listener and delivers their messages elsewhere at once, so nothing waits for its ack wait.
   */
  async close(): Promise<void> {
    this.#closed = true
    this.#requested = 0
    clearTimeout(this.#silence)
    if (this.#subscription.isClosed()) return
    await this.#subscription.drain().catch(() => {})
  }

  #take(error: Error | null, message: Msg): void {
    this.#silence.refresh()
    if (error !== null) {
      this.#lose(error.message)
    } else if (message.subject.startsWith(this.#inbox)) {
      this.#takeStatus(message)
    } else {
      if (!this.#closed) this.#requested--
      this.#listener.onTask(message)
    }
  }

  /** The end of a request, or a sign of life. */
  #takeStatus({ subject, headers }: Msg): void {
    const code = headers?.code ?? 0
    if (this.#closed || code === 100) return
    const description = headers?.description ?? ''
    const asked = Number(subject.slice(this.#inbox.length + 1))
    const undelivered = headers?.get('Nats-Pending-Messages') ?? ''
    if (undelivered !== '' || code === 408) {
      this.#requested -= undelivered === '' ? asked : Number(undelivered)
      this.#listener.onRequestEnded('now')
    } else if (code === 409 && /max.?waiting/i.test(description)) {
      this.#requested -= asked
      this.#listener.onRequestEnded('soon')
    } else {
      // 409 Consumer Deleted, 409 Leadership Change, 503: the request is gone, or it is better to ask anew.
      this.#lose(`${code} ${description}`)
    }
  }

  #onSilence(): void {
    if (this.#requested > 0) this.#lose(`the server was silent for ${silenceMaxMs} ms`)
  }

  #lose(why: string): void {
    if (!this.#closed) this.#listener.onLost(why)
  }
}

const texts = new Map<number, string>()

function requestText(count: number): string {
  const known = texts.get(count)
  if (known !== undefined) return known
  const text = JSON.stringify({
    batch: count,
    expires: expiresMs * nanosPerMs,
    idle_heartbeat: heartbeatMs * nanosPerMs,
  })
  texts.set(count, text)
  return text
}
