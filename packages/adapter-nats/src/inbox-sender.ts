import { hash } from 'node:crypto'
import { headers } from '@nats-io/transport-node'
import type { InboxMessage, RunId } from '@reprise/core/adapter'
import type { NatsConnection } from './nats-connection.js'
import { isNatsFailure } from './nats-failure.js'
import { countForPack, packMessages } from './pack-messages.js'

interface Sending {
  readonly messages: readonly InboxMessage[]
  /** Of them, those that the server has. */
  stored: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** What was on its way when the connection was lost is sent again, so often. */
const triesMax = 3

/**
 * Sends what this process has for one run, in order: one pack at a time is on its way, and what comes meanwhile goes
 * into the next. So nothing overtakes what was sent before, however connections break, and load makes packs larger.
 */
export class InboxSender {
  readonly #connection: NatsConnection
  readonly #subject: string
  readonly #runId: RunId
  #waiting: Sending[] = []
  #running = false

  constructor(connection: NatsConnection, subject: string, runId: RunId) {
    this.#connection = connection
    this.#subject = subject
    this.#runId = runId
  }

  get idle(): boolean {
    return !this.#running
  }

  send(messages: readonly InboxMessage[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ messages, stored: 0, resolve, reject })
      if (!this.#running) void this.#run()
    })
  }

  async #run(): Promise<void> {
    this.#running = true
    while (this.#waiting.length > 0) {
      const pending = this.#waiting.flatMap(({ messages, stored }) => messages.slice(stored))
      const pack = pending.slice(0, countForPack(pending))
      try {
        await this.#publish(pack)
        this.#noteStored(pack.length)
      } catch (error) {
        // Those behind it were to come after it: they fail too, and are sent again in order.
        for (const { reject } of this.#waiting.splice(0)) reject(error)
      }
    }
    this.#running = false
  }

  async #publish(pack: readonly InboxMessage[]): Promise<void> {
    const payload = packMessages(pack)
    const given = headers()
    // The same pack again is recognised for two minutes; later, or packed otherwise, the log recognises its messages.
    given.set('Nats-Msg-Id', `${this.#subject} ${hash('sha256', payload)}`)
    const doing = `Sending ${pack.length} messages to run ${this.#runId}`
    const giveUpAt = performance.now() + this.#connection.requestTimeoutMs
    for (let tried = 1; ; tried++) {
      try {
        await this.#connection.publish(this.#subject, payload, { doing, headers: given })
        return
      } catch (error) {
        if (!isNatsFailure(error, 'disconnected')) throw error
        if (tried === triesMax || performance.now() > giveUpAt) throw error
      }
    }
  }

  #noteStored(count: number): void {
    let left = count
    for (const sending of this.#waiting) {
      const taken = Math.min(left, sending.messages.length - sending.stored)
      sending.stored += taken
      left -= taken
      if (sending.stored === sending.messages.length) sending.resolve()
    }
    this.#waiting = this.#waiting.filter(({ messages, stored }) => stored < messages.length)
  }
}
