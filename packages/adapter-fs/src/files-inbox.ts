import { join } from 'node:path'
import {
  checkMessages,
  type Inbox,
  type InboxHandler,
  type InboxMessage,
  PeekedMessages,
  type RunId,
} from '@reprise/core/adapter'
import { encodeName } from './file-names.js'
import { InboxFolder } from './inbox-folder.js'
import { peekInbox } from './inbox-peek.js'
import { InboxReceiver } from './inbox-receiver.js'
import { InboxSender } from './inbox-sender.js'
import type { Lifetime } from './lifetime.js'
import { createFolder } from './sync-folder.js'

/** A sender goes on in another file then, so that what was acknowledged can be deleted. */
const partBytesMax = 16 * 1024 * 1024
/** Senders of this process whose files are kept open. */
const openSendersMax = 64

/** One append-only file per sender in `<dir>/runs/<run>/inbox`, which the run's coordinator tails. */
export class FilesInbox implements Inbox {
  readonly #runsFolder: string
  readonly #lifetime: Lifetime
  readonly #partBytesMax: number
  /** By run and sender; least recently used first. */
  readonly #senders = new Map<string, InboxSender>()
  readonly #receiving = new Set<Promise<void>>()

  constructor(dir: string, lifetime: Lifetime, options: { partBytesMax?: number } = {}) {
    this.#runsFolder = join(dir, 'runs')
    this.#lifetime = lifetime
    this.#partBytesMax = options.partBytesMax ?? partBytesMax
    lifetime.ended.addEventListener('abort', () => {
      for (const sender of this.#senders.values()) sender.close()
    })
  }

  async send(runId: RunId, messages: readonly InboxMessage[]): Promise<void> {
    this.#lifetime.assertOpen()
    checkMessages(runId, messages)
    const first = messages[0]
    if (first === undefined) return
    // Nearly always all are of one sender.
    if (messages.every((message) => message.sender === first.sender)) {
      await this.#sender(runId, first.sender).send(messages)
      return
    }
    const senders = new Set(messages.map((message) => message.sender))
    const sendOf = (sender: string): Promise<void> =>
      this.#sender(runId, sender).send(messages.filter((message) => message.sender === sender))
    await Promise.all([...senders].map(sendOf))
  }

  /** Reads the files of each sender from where its receiver has acknowledged, and writes nothing. */
  async peek(runId: RunId, max: number): Promise<readonly InboxMessage[]> {
    this.#lifetime.assertOpen()
    return await peekInbox(this.#folder(runId), new PeekedMessages(runId, max), this.#lifetime)
  }

  async receive(runId: RunId, handler: InboxHandler, signal: AbortSignal): Promise<void> {
    this.#lifetime.assertOpen()
    const folder = this.#folder(runId)
    await createFolder(folder.messages)
    await createFolder(folder.acks)
    const ended = AbortSignal.any([signal, this.#lifetime.ended])
    const receiving = new InboxReceiver(folder, handler, ended).run()
    this.#receiving.add(receiving)
    try {
      await receiving
    } finally {
      this.#receiving.delete(receiving)
    }
  }

  /** Waits for the handlers in progress. After the lifetime has ended. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#receiving)
  }

  #sender(runId: RunId, id: string): InboxSender {
    // A run id has no slash.
    const key = `${runId}/${id}`
    const known = this.#senders.get(key)
    if (known !== undefined && this.#senders.size === 1) return known
    const sender = known ?? new InboxSender(this.#folder(runId), id, this.#partBytesMax)
    this.#senders.delete(key)
    this.#senders.set(key, sender)
    this.#closeSome(sender)
    return sender
  }

  #closeSome(except: InboxSender): void {
    for (const [key, sender] of this.#senders) {
      if (this.#senders.size <= openSendersMax) return
      if (!sender.idle || sender === except) continue
      sender.close()
      this.#senders.delete(key)
    }
  }

  #folder(runId: RunId): InboxFolder {
    return new InboxFolder(join(this.#runsFolder, encodeName(runId)))
  }
}
