import { headers, type Msg, type MsgHdrs, type Subscription } from '@nats-io/transport-node'
import type { NatsConnection } from '../nats-connection.js'
import { isSubjectTaken } from './tasks-stream.js'

/** So much is under way at once: enough to keep the server busy, little enough to wait for. */
const messagesMax = 1024
const bytesMax = 4 * 1024 * 1024

export interface OfferMessage {
  readonly subject: string
  /** Of (attempt, digest): the same offer again is recognised, another one under the same name is not. */
  readonly id: string
  readonly data: Uint8Array
}

/** `taken`: the subject has a message. `unknown`: no answer, or one that does not tell. */
export type OfferOutcome = 'stored' | 'taken' | 'unknown'

/**
 * Publishes many messages and collects the answers as they come: one write for what fits into it, no timer, promise or
 * subscription per message.
 */
export class OfferPublisher {
  readonly #connection: NatsConnection
  readonly #inbox: string
  readonly #subscription: Subscription
  readonly #waiting = new Map<number, (outcome: OfferOutcome) => void>()
  /** Each ends one call of `publish` with what is known. */
  readonly #finishers = new Set<() => void>()
  #last = 0

  constructor(connection: NatsConnection) {
    this.#connection = connection
    this.#inbox = connection.newInbox()
    this.#subscription = connection.client.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#take(message)
      },
    })
    // Once for as long as the connection lives, not per call.
    const finishAll = (): void => {
      for (const finish of [...this.#finishers]) finish()
    }
    // What was under way may have been lost with the connection.
    connection.onReconnect(finishAll)
    connection.ended.addEventListener('abort', finishAll, { once: true })
  }

  /** Resolves with the outcomes in the order of the messages, at the latest when the server has been silent for long. */
  publish(messages: readonly OfferMessage[]): Promise<OfferOutcome[]> {
    const connection = this.#connection
    const { client } = connection
    return new Promise((resolve) => {
      const outcomes = messages.map((): OfferOutcome => 'unknown')
      const open = new Set<number>()
      const header = headers()
      let [next, bytes, over] = [0, 0, false]

      const finish = (): void => {
        over = true
        clearTimeout(silence)
        this.#finishers.delete(finish)
        for (const id of open) this.#waiting.delete(id)
        resolve(outcomes)
      }
      const send = (at: number, message: OfferMessage): void => {
        const id = ++this.#last
        open.add(id)
        bytes += message.data.length
        this.#waiting.set(id, (outcome) => {
          outcomes[at] = outcome
          open.delete(id)
          bytes -= message.data.length
          silence.refresh()
          if (next === messages.length && open.size === 0) finish()
          else sendMore()
        })
        client.publish(message.subject, message.data, {
          reply: `${this.#inbox}.${id}`,
          headers: named(header, message),
        })
      }
      const sendMore = (): void => {
        while (!over && open.size < messagesMax && bytes < bytesMax) {
          const message = messages[next]
          if (message === undefined) return
          send(next++, message)
        }
      }
      const silence = setTimeout(finish, connection.requestTimeoutMs)
      this.#finishers.add(finish)
      if (messages.length === 0) finish()
      else sendMore()
    })
  }

  close(): void {
    this.#subscription.unsubscribe()
  }

  #take(message: Msg): void {
    const id = Number(message.subject.slice(this.#inbox.length + 1))
    const then = this.#waiting.get(id)
    if (then === undefined) return
    this.#waiting.delete(id)
    then(readOutcome(message))
  }
}

/** The same object for all: it is encoded when it is published. */
export function named(header: MsgHdrs, { id }: OfferMessage): MsgHdrs {
  header.set('Nats-Msg-Id', id)
  return header
}

function readOutcome(message: Msg): OfferOutcome {
  try {
    const answer = message.json<{ seq?: number; error?: { description?: string } }>()
    if (answer.error === undefined) return typeof answer.seq === 'number' ? 'stored' : 'unknown'
    return isSubjectTaken(answer.error.description ?? '') ? 'taken' : 'unknown'
  } catch {
    // An empty message: nobody listens there.
    return 'unknown'
  }
}
