import type { Adapter, InboxHandler, InboxMessage, RunId } from '@reprise/core/adapter'

export const message = (sender: string, seq: number, body = JSON.stringify({ sender, seq })): InboxMessage => ({
  sender,
  seq,
  kind: seq % 2 === 0 ? 'receipt' : 'command',
  body,
})

export const messages = (sender: string, count: number, from = 1): InboxMessage[] =>
  Array.from({ length: count }, (_, i) => message(sender, from + i))

/** A receiver that notes what it was handed. */
export interface RecordingReceiver {
  /** Everything, redeliveries included, in the order of handing over. */
  readonly received: InboxMessage[]
  /** The same without redeliveries. */
  distinct(): InboxMessage[]
  caughtUp(): boolean
  /** Aborts the signal and waits until `receive` has resolved. */
  stop(): Promise<void>
}

export function startReceiver(adapter: Adapter, run: RunId, handler: InboxHandler = async () => {}): RecordingReceiver {
  const controller = new AbortController()
  const received: InboxMessage[] = []
  let caughtUp = false
  const record: InboxHandler = (batch, upToDate) => {
    received.push(...batch)
    caughtUp ||= upToDate
    return handler(batch, upToDate)
  }
  const receiving = adapter.inbox.receive(run, record, controller.signal)
  return {
    received,
    distinct: () => [...new Map(received.map((one) => [JSON.stringify([one.sender, one.seq]), one])).values()],
    caughtUp: () => caughtUp,
    stop: () => {
      controller.abort()
      return receiving
    },
  }
}

/** Whether a sender's messages came in order: each is the next one, or one that was handed over before. */
export function inOrder(received: readonly InboxMessage[], sender: string): boolean {
  let last = 0
  for (const { seq } of received.filter((one) => one.sender === sender)) {
    if (seq > last + 1) return false
    last = Math.max(last, seq)
  }
  return true
}
