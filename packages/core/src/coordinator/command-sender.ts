import type { Adapter } from '../ports/adapter.js'
import type { Runtime } from '../ports/runtime.js'
import type { Cause } from '../protocol/events.js'
import type { RunId } from '../protocol/ids.js'

/** Runs whose sender is remembered, per adapter. A run beyond is met again under a new one. */
const runsMax = 1_024

/** Per adapter object and run: the log remembers every sender for ever, so a process must not be many of them. */
const senders = new WeakMap<Adapter, Map<RunId, CommandSender>>()

/** The one under which this process sends commands to a run through this adapter. */
export function commandSender(adapter: Adapter, runId: RunId, runtime: Runtime): CommandSender {
  let ofAdapter = senders.get(adapter)
  if (ofAdapter === undefined) {
    ofAdapter = new Map()
    senders.set(adapter, ofAdapter)
  }
  let sender = ofAdapter.get(runId)
  if (sender === undefined) {
    if (ofAdapter.size >= runsMax) forgetIdle(ofAdapter)
    sender = new CommandSender(adapter, runId, runtime)
    ofAdapter.set(runId, sender)
  }
  return sender
}

function forgetIdle(ofAdapter: Map<RunId, CommandSender>): void {
  for (const [runId, sender] of ofAdapter) if (sender.idle) ofAdapter.delete(runId)
}

/** Sends commands to one run in the order of the calls, numbered from 1 without gaps. */
export class CommandSender {
  #name: string
  #seq = 0
  #sending = 0
  #last: Promise<unknown> = Promise.resolve()

  constructor(
    private readonly adapter: Adapter,
    private readonly runId: RunId,
    private readonly runtime: Runtime,
  ) {
    this.#name = this.#newName()
  }

  get idle(): boolean {
    return this.#sending === 0
  }

  /** Resolves, with what answers will name as their cause, once `body` cannot get lost. Nothing is sent if `ready` rejects. */
  send(body: string, ready: Promise<unknown>): Promise<Cause> {
    this.#sending++
    const sent = this.#last
      .then(() => ready)
      .then(() => this.#send(body))
      .finally(() => this.#sending--)
    this.#last = sent.catch(() => {})
    return sent
  }

  async #send(body: string): Promise<Cause> {
    const cause = { sender: this.#name, seq: ++this.#seq }
    try {
      await this.adapter.inbox.send(this.runId, [{ ...cause, kind: 'command', body }])
      return cause
    } catch (error) {
      // Whether it arrived is not known: a new name, so that what follows is not taken for the end of a gap.
      this.#name = this.#newName()
      this.#seq = 0
      throw error
    }
  }

  #newName(): string {
    const { host, pid } = this.runtime
    return `command.${host}.${pid}.${this.runtime.randomId()}`
  }
}
