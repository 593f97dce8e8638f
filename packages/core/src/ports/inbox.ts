import type { RunId } from '../protocol/ids.js'

/**
 * A message for a run. `sender` names one incarnation of a process and `seq` counts its messages to this run
 * from 1 without gaps, so the log can tell a redelivery from a new message in bounded memory.
 */
export interface InboxMessage {
  readonly sender: string
  readonly seq: number
  readonly kind: 'receipt' | 'command'
  /** JSON text, not trusted: at most `limits.messageBytesMax` UTF-8 bytes. */
  readonly body: string
}

/**
 * Called with messages in order per sender. They are acknowledged once the promise resolves; if it rejects
 * they are delivered again. `caughtUp` is true when everything sent before `receive` began has been handed
 * over; such a call may carry no message, and is made once in any case.
 */
export type InboxHandler = (messages: readonly InboxMessage[], caughtUp: boolean) => Promise<void>

/** Where everybody but the coordinator writes. At least once, in order per sender. */
export interface Inbox {
  /**
   * Resolves once the messages are durable in the adapter's terms. Sending the same (sender, seq) again is harmless. If
   * `checkMessages` refuses one of them, none is sent.
   */
  send(runId: RunId, messages: readonly InboxMessage[]): Promise<void>
  /**
   * The oldest messages that no receiver has acknowledged, in order per sender, at most `max` (1 to 1,000, else
   * `INVALID_INPUT`): a look from outside, which takes none and disturbs no receiver. Those in a receiver's hands are among
   * them, and for a moment those that it has just acknowledged. Fewer than `max`: there are no more. Up to `max` times
   * `limits.messageBytesMax` in memory. `ADAPTER_UNAVAILABLE` by a deadline of its own.
   */
  peek(runId: RunId, max: number): Promise<readonly InboxMessage[]>
  /** Runs until `signal` aborts, then resolves once the handler in progress has ended. One receiver per run at a time. */
  receive(runId: RunId, handler: InboxHandler, signal: AbortSignal): Promise<void>
}
