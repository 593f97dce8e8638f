import type { Inbox, InboxHandler, InboxMessage } from '../ports/inbox.js'
import { checkMessages } from '../ports/inbox-rules.js'
import { PeekedMessages } from '../ports/peeked-messages.js'
import type { RunId } from '../protocol/ids.js'
import { Bell } from './bell.js'
import type { Choose } from './memory-faults.js'
import type { MemoryProcess } from './memory-process.js'

const batchMax = 64
const retryAfterMs = 20

/** The messages of one run that no receiver has acknowledged, in the order of their arrival. */
class Box {
  pending: InboxMessage[] = []
  readonly seen = new Set<string>()
  readonly arrived = new Bell()
}

/** What several adapters share: the box of each run. */
export class MemoryInboxes {
  readonly #boxes = new Map<RunId, Box>()

  of(runId: RunId): Box {
    const box = this.#boxes.get(runId) ?? new Box()
    this.#boxes.set(runId, box)
    return box
  }
}

export function memoryInbox(inboxes: MemoryInboxes, process: MemoryProcess, choose: () => Choose | null): Inbox {
  function send(runId: RunId, messages: readonly InboxMessage[]): void {
    checkMessages(runId, messages)
    const box = inboxes.of(runId)
    for (const message of messages) {
      const key = JSON.stringify([message.sender, message.seq])
      if (box.seen.has(key)) continue
      box.seen.add(key)
      box.pending.push(message)
    }
    box.arrived.ring()
  }

  async function receive(runId: RunId, handler: InboxHandler, signal: AbortSignal): Promise<void> {
    await process.pass('inbox', 'receive', 'before', runId)
    const box = inboxes.of(runId)
    const before = new Set(box.pending)
    let told = false
    while (!signal.aborted && !process.closing.aborted) {
      const batch = nextBatch(box.pending, choose())
      if (batch.length === 0 && told) {
        await box.arrived.wait(signal, process.closing)
        await process.alive()
        continue
      }
      const caughtUp: boolean = told || !box.pending.some((message) => before.has(message) && !batch.includes(message))
      try {
        await handler(batch, caughtUp)
        await process.call('inbox', 'ack', runId, () => acknowledge(box, batch))
        told = caughtUp
      } catch {
        await process.runtime.sleep(retryAfterMs, signal)
      }
      await process.alive()
    }
  }

  function peek(runId: RunId, max: number): readonly InboxMessage[] {
    const found = new PeekedMessages(runId, max)
    for (const message of inboxes.of(runId).pending) if (!found.take(message)) break
    return found.messages
  }

  return {
    send: (runId, messages) => process.call('inbox', 'send', runId, () => send(runId, messages)),
    receive,
    peek: (runId, max) => process.call('inbox', 'peek', runId, () => peek(runId, max)),
  }
}

function acknowledge(box: Box, batch: readonly InboxMessage[]): void {
  const done = new Set(batch)
  box.pending = box.pending.filter((message) => !done.has(message))
}

/** The oldest messages; or, with `choose`, as many as it says, senders mixed as it says, each sender in order. */
function nextBatch(pending: readonly InboxMessage[], choose: Choose | null): InboxMessage[] {
  if (choose === null || pending.length === 0) return pending.slice(0, batchMax)
  const size = 1 + choose(Math.min(pending.length, batchMax))
  const queues = new Map<string, InboxMessage[]>()
  for (const message of pending) {
    const queue = queues.get(message.sender)
    if (queue === undefined) queues.set(message.sender, [message])
    else queue.push(message)
  }
  const batch: InboxMessage[] = []
  while (batch.length < size) {
    const ready = [...queues.values()].filter((queue) => queue.length > 0)
    const message = ready[choose(ready.length)]?.shift()
    if (message === undefined) break
    batch.push(message)
  }
  return batch
}
