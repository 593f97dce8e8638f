import {
  checkMessages,
  type Inbox,
  type InboxHandler,
  type InboxMessage,
  PeekedMessages,
  type RunId,
} from '@reprise/core/adapter'
import type { AdapterParts } from './adapter-parts.js'
import { inboxEntry } from './inbox-entry.js'
import { peekInbox } from './inbox-peek.js'
import { InboxReceiver } from './inbox-receiver.js'
import { sendScript } from './inbox-scripts.js'

/** What goes to the server in one step, at most: it does nothing else meanwhile. */
const stepCharactersMax = 1024 * 1024
const stepMessagesMax = 512

/** One stream per run, holding what was not acknowledged. A send is one round trip; those of one turn share a write. */
export class RedisInbox implements Inbox {
  readonly #parts: AdapterParts
  readonly #receiving = new Set<Promise<void>>()
  /** Sends that take several steps, and those that wait behind them. Never rejects. */
  readonly #longSends = new Map<RunId, Promise<void>>()

  constructor(parts: AdapterParts) {
    this.#parts = parts
  }

  async send(runId: RunId, messages: readonly InboxMessage[]): Promise<void> {
    this.#parts.lifetime.assertOpen()
    checkMessages(runId, messages)
    const steps = stepsOf(messages)
    const before = this.#longSends.get(runId)
    if (before === undefined && steps.length < 2) return await this.#sendSteps(runId, steps)
    // What is sent meanwhile must not overtake the later steps.
    const sending = (before ?? Promise.resolve()).then(() => this.#sendSteps(runId, steps))
    const settled = sending.catch(() => undefined) // Told to who sent it.
    this.#longSends.set(runId, settled)
    try {
      await sending
    } finally {
      if (this.#longSends.get(runId) === settled) this.#longSends.delete(runId)
    }
  }

  /** One after the other: if a step fails, nothing behind it was sent. */
  async #sendSteps(runId: RunId, steps: readonly string[][]): Promise<void> {
    const { connection, keys } = this.#parts
    for (const step of steps) await connection.scriptInOrder(sendScript, [keys.inbox(runId), keys.log(runId)], step)
  }

  /** One round trip for what fits into one reply; large messages take more. */
  async peek(runId: RunId, max: number): Promise<readonly InboxMessage[]> {
    this.#parts.lifetime.assertOpen()
    return await peekInbox(this.#parts.connection, this.#parts.keys.inbox(runId), new PeekedMessages(runId, max))
  }

  async receive(runId: RunId, handler: InboxHandler, signal: AbortSignal): Promise<void> {
    this.#parts.lifetime.assertOpen()
    const ended = AbortSignal.any([signal, this.#parts.lifetime.ended])
    const receiving = new InboxReceiver(this.#parts, runId, handler, ended).run()
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
}

function stepsOf(messages: readonly InboxMessage[]): string[][] {
  const steps: string[][] = []
  let step: string[] = []
  let characters = 0
  for (const message of messages) {
    const entry = inboxEntry(message)
    if (step.length >= stepMessagesMax || (step.length > 0 && characters + entry.length > stepCharactersMax)) {
      steps.push(step)
      step = []
      characters = 0
    }
    step.push(entry)
    characters += entry.length
  }
  return step.length > 0 ? [...steps, step] : steps
}
