import type { Cause } from '../protocol/events.js'
import { limits } from '../protocol/limits.js'
import type { RunState } from '../protocol/state.js'

/** Whether the log answers this message already. */
export function isDecided(state: Pick<RunState, 'senders'>, message: Cause): boolean {
  const sender = state.senders.get(message.sender)
  return sender !== undefined && (message.seq < sender.next || sender.ahead.has(message.seq))
}

/** Remembers a message as decided: a number per sender, plus the few that came before their turn. */
export function markDecided(state: Pick<RunState, 'senders'>, message: Cause): void {
  let sender = state.senders.get(message.sender)
  if (sender === undefined) {
    sender = { next: 1, ahead: new Set() }
    state.senders.set(message.sender, sender)
  }
  if (message.seq < sender.next) return
  sender.ahead.add(message.seq)
  // A gap that stays (its sender died before sending) must not keep the set growing.
  if (sender.ahead.size > limits.inboxGapMax) sender.next = Math.min(...sender.ahead)
  while (sender.ahead.delete(sender.next)) sender.next++
}
