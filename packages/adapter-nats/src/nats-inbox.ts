import {
  checkMessages,
  type Inbox,
  type InboxHandler,
  type InboxMessage,
  PeekedMessages,
  type RunId,
} from '@reprise/core/adapter'
import { peekInbox } from './inbox-peek.js'
import { InboxReceiver } from './inbox-receiver.js'
import { InboxSender } from './inbox-sender.js'
import type { Names } from './names.js'
import type { NatsConnection } from './nats-connection.js'
import type { ReadableStream } from './stored-message.js'

/** Senders that have nothing to send are kept up to this number. */
const idleSendersMax = 1024

/** One stream for all runs, one subject for each, which the run's coordinator reads and trims. */
export class NatsInbox implements Inbox {
  readonly #connection: NatsConnection
  readonly #names: Names
  readonly #stream: ReadableStream
  readonly #senders = new Map<RunId, InboxSender>()
  readonly #receiving = new Set<Promise<void>>()
  readonly #closing = new AbortController()

  constructor(connection: NatsConnection, names: Names, direct: boolean) {
    this.#connection = connection
    this.#names = names
    this.#stream = { stream: names.inboxStream, direct }
  }

  /** One round trip for up to 512 KiB or 256 messages. */
  async send(runId: RunId, messages: readonly InboxMessage[]): Promise<void> {
    this.#connection.assertOpen()
    checkMessages(runId, messages)
    if (messages.length > 0) await this.#sender(runId).send(messages)
  }

  /** One round trip for each pack of up to 256 messages, and one more. */
  async peek(runId: RunId, max: number): Promise<readonly InboxMessage[]> {
    this.#connection.assertOpen()
    const inbox = { subject: this.#names.inboxSubject(runId), doing: `Looking into the inbox of run ${runId}` }
    return await peekInbox(this.#connection, this.#stream, inbox, new PeekedMessages(runId, max))
  }

  async receive(runId: RunId, handler: InboxHandler, signal: AbortSignal): Promise<void> {
    this.#connection.assertOpen()
    const ended = AbortSignal.any([signal, this.#closing.signal, this.#connection.ended])
    const inbox = { subject: this.#names.inboxSubject(runId), doing: `Receiving messages for run ${runId}` }
    const receiving = new InboxReceiver(this.#connection, this.#stream, inbox, handler, ended).run()
    this.#receiving.add(receiving)
    try {
      await receiving
    } finally {
      this.#receiving.delete(receiving)
    }
  }

  /** Purges what a run that is being removed has left. */
  async forget(runId: RunId): Promise<void> {
    const doing = `Emptying the inbox of run ${runId}`
    const filter = this.#names.inboxSubject(runId)
    await this.#connection.api(`STREAM.PURGE.${this.#names.inboxStream}`, { filter }, { doing })
  }

  /** Waits for the handlers in progress. Before the connection is closed: they leave a trimmed inbox. */
  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.allSettled(this.#receiving)
  }

  #sender(runId: RunId): InboxSender {
    const known = this.#senders.get(runId)
    if (known !== undefined) return known
    if (this.#senders.size >= idleSendersMax) {
      for (const [id, { idle }] of this.#senders) if (idle) this.#senders.delete(id)
    }
    const sender = new InboxSender(this.#connection, this.#names.inboxSubject(runId), runId)
    this.#senders.set(runId, sender)
    return sender
  }
}
