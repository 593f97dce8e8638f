import { randomFillSync } from 'node:crypto'
import { errors, type Msg, type MsgHdrs, type NatsConnection as NatsClient } from '@nats-io/transport-node'

const tokenBytes = 12
const tokensAtOnce = 256

interface Pending {
  readonly subject: string
  readonly resolve: (message: Msg) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

/**
 * Requests over one subscription. The client has its own, which makes an error with a stack for each request that
 * succeeds: that cost more than the rest of it.
 *
 * Whoever may publish to the inbox could answer in the server's place, so nobody can guess where an answer is waited for.
 */
export class RequestMux {
  readonly #client: NatsClient
  readonly #inbox: string
  readonly #pending = new Map<string, Pending>()
  #subscribed = false
  readonly #random = Buffer.allocUnsafe(tokenBytes * tokensAtOnce)
  #randomUsed = this.#random.length

  constructor(client: NatsClient, inbox: string) {
    this.#client = client
    this.#inbox = inbox
  }

  request(
    subject: string,
    payload: string | Uint8Array,
    headers: MsgHdrs | undefined,
    timeoutMs: number,
  ): Promise<Msg> {
    this.#subscribe()
    const token = this.#newToken()
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#take(token)?.reject(new errors.TimeoutError()), timeoutMs)
      this.#pending.set(token, { subject, resolve, reject, timer })
      const reply = `${this.#inbox}.${token}`
      try {
        this.#client.publish(subject, payload, headers === undefined ? { reply } : { reply, headers })
      } catch (error) {
        this.#take(token)?.reject(error instanceof Error ? error : new Error(String(error)))
      }
    })
  }

  /** Fails those that are on their way; with a subject, only those to it. */
  fail(error: Error, subject?: string): void {
    for (const [token, pending] of [...this.#pending]) {
      if (subject === undefined || pending.subject === subject) this.#take(token)?.reject(error)
    }
  }

  #subscribe(): void {
    if (this.#subscribed) return
    this.#subscribed = true
    const tokenStart = this.#inbox.length + 1
    this.#client.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) {
          this.#answer(message.subject.slice(tokenStart), message)
        } else {
          // The subscription itself was refused. The next request tries it again.
          this.#subscribed = false
          this.fail(error)
        }
      },
    })
  }

  #answer(token: string, message: Msg): void {
    const pending = this.#take(token)
    if (pending === undefined) return
    const isEmpty = message.data.length === 0
    if (isEmpty && message.headers?.code === 503) pending.reject(new errors.NoRespondersError(pending.subject))
    else pending.resolve(message)
  }

  /** From the system's source of random numbers, many at once: a call for each would cost more than the request. */
  #newToken(): string {
    if (this.#randomUsed === this.#random.length) {
      randomFillSync(this.#random)
      this.#randomUsed = 0
    }
    const end = this.#randomUsed + tokenBytes
    const token = this.#random.toString('base64url', this.#randomUsed, end)
    this.#randomUsed = end
    return token
  }

  #take(token: string): Pending | undefined {
    const pending = this.#pending.get(token)
    if (pending !== undefined) clearTimeout(pending.timer)
    this.#pending.delete(token)
    return pending
  }
}
