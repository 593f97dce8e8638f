import type { InboxSight, QueueSight } from '../flow/chain-links.js'
import { firstFailingGate, type IncomingReceipt, noEvidence, readReceipt } from '../flow/receipt-gates.js'
import { isDecided } from '../flow/senders.js'
import type { AttemptFacts, MessagePlace } from '../flow/task-history.js'
import type { InboxMessage } from '../ports/inbox.js'
import type { Whereabouts } from '../ports/task-queue.js'
import { isRepriseError } from '../protocol/errors.js'
import type { TaskId } from '../protocol/ids.js'
import type { RunState } from '../protocol/state.js'

export type Answer<T> = { readonly value: T } | { readonly why: string }

/** What a port says, or why it says nothing. An adapter that was closed is the caller's mistake. */
export async function asked<T>(ask: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { value: await ask() }
  } catch (error) {
    if (!isRepriseError(error) || error.code === 'CLOSED') throw error
    return { why: error.message }
  }
}

export const queueSight = (located: Answer<Whereabouts>): QueueSight =>
  'why' in located ? { at: 'unasked', why: located.why } : located.value

interface WaitingReceipt extends MessagePlace {
  readonly incoming: IncomingReceipt
}

/** A look into an inbox, of which each message was read once, however many attempts are looked for. */
export class InboxLook {
  readonly #state: RunState
  readonly #messages: Answer<readonly InboxMessage[]>
  readonly #isWhole: boolean
  readonly #waiting: readonly WaitingReceipt[]

  /** `state`: of the log as it was read after this look. `max`: messages that were asked for. */
  constructor(state: RunState, peeked: Answer<readonly InboxMessage[]>, max: number) {
    this.#state = state
    this.#messages = peeked
    this.#isWhole = 'value' in peeked && peeked.value.length < max
    this.#waiting = 'value' in peeked ? waitingReceipts(state, peeked.value) : []
  }

  /** What it shows of an attempt. */
  sightOf(taskId: TaskId, { attempt, recorded }: AttemptFacts): InboxSight {
    if ('why' in this.#messages) return { seen: false, why: this.#messages.why }
    const place = recorded?.message
    return {
      seen: true,
      ...this.#receiptOf(taskId, attempt),
      holdsRecorded: this.#messages.value.some(({ sender, seq }) => sender === place?.sender && seq === place.seq),
      whole: this.#isWhole,
    }
  }

  /** The first message that could be recorded as the receipt of the attempt, and else one that claims to be and cannot. */
  #receiptOf(taskId: TaskId, attempt: number): Pick<Extract<InboxSight, { seen: true }>, 'receipt' | 'unfit'> {
    let unfit: Extract<InboxSight, { seen: true }>['unfit'] = null
    for (const { sender, seq, incoming } of this.#waiting) {
      if (incoming.claims.taskId !== taskId || incoming.claims.attempt !== attempt) continue
      const failing = firstFailingGate(this.#state, incoming, noEvidence, 'signature')
      if (failing === null && incoming.receipt !== null) {
        const { worker, finishedAt } = incoming.receipt
        return { receipt: { sender, seq, worker: worker.id, finishedAt }, unfit: null }
      }
      if (failing !== null) unfit ??= { sender, seq, ...failing }
    }
    return { receipt: null, unfit }
  }
}

const waitingReceipts = (state: RunState, messages: readonly InboxMessage[]): WaitingReceipt[] =>
  messages
    // What the log has answered waits only to be forgotten.
    .filter((message) => message.kind === 'receipt' && !isDecided(state, message))
    .map(({ sender, seq, body }) => ({ sender, seq, incoming: readReceipt(body) }))
