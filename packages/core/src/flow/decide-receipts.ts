import type { Cause, RunEvent } from '../protocol/events.js'
import type { TaskId } from '../protocol/ids.js'
import type { Receipt } from '../protocol/receipt.js'
import type { RunState } from '../protocol/state.js'
import { attemptsMax } from './decide-dispatch.js'
import { planRetry } from './decide-settle.js'
import { type DecideContext, type Decision, decided, event } from './decision.js'
import { firstFailingGate, type IncomingReceipt, type ReceiptEvidence } from './receipt-gates.js'
import { isDecided } from './senders.js'

/** One receipt message, with what was found out about it. */
export interface JudgedReceipt {
  readonly cause: Cause
  readonly incoming: IncomingReceipt
  readonly evidence: ReceiptEvidence
}

/** One event per message, in order: recorded or refused. A message that the log answers already gives none. */
export function decideReceipts(state: RunState, receipts: readonly JudgedReceipt[], context: DecideContext): Decision {
  const events: RunEvent[] = []
  const texts = new Map<RunEvent, string>()
  const taken = new Set<TaskId>()
  const seen = new Set<string>()
  for (const { cause, incoming, evidence } of receipts) {
    const key = `${cause.seq} ${cause.sender}`
    if (isDecided(state, cause) || seen.has(key)) continue
    seen.add(key)
    const { receipt } = incoming
    const twice = receipt !== null && taken.has(receipt.taskId)
    const failed =
      firstFailingGate(state, incoming, evidence, twice ? 'dispatch-digest' : 'output-schema') ??
      (twice ? { gate: 'not-duplicate' as const, evidence: 'another receipt of this attempt came first' } : null)
    if (failed !== null || receipt === null) {
      const { taskId, attempt, receiptId } = incoming.claims
      events.push({
        ...event('receipt-rejected', {
          gate: failed?.gate ?? 'schema',
          evidence: failed?.evidence ?? '',
          ...(taskId !== undefined && { taskId }),
          ...(attempt !== undefined && { attempt }),
          ...(receiptId !== undefined && { receiptId }),
        }),
        cause,
      })
      continue
    }
    taken.add(receipt.taskId)
    const bytes = receipt.artifacts.reduce((sum, artifact) => sum + artifact.bytes, 0)
    const verified = { artifacts: receipt.artifacts.length, bytes }
    const received = { ...event('receipt-received', { receipt, verified }), cause }
    events.push(received)
    if (incoming.text !== null) texts.set(received, receivedText(incoming.text, verified, cause))
    if (receipt.status === 'failed' || receipt.status === 'refused') afterFailure(state, receipt, context, events)
  }
  return decided(events, { texts })
}

/** What `JSON.stringify` makes of the event, with the receipt as the worker wrote it. */
const receivedText = (receipt: string, verified: object, cause: Cause): string =>
  `{"type":"receipt-received","v":1,"data":{"receipt":${receipt},"verified":${JSON.stringify(verified)}},"cause":${JSON.stringify(cause)}}`

/** A failed attempt is followed by another while there are some left and the worker does not say that it is vain. */
function afterFailure(state: RunState, receipt: Receipt, context: DecideContext, events: RunEvent[]): void {
  const task = state.tasks.get(receipt.taskId)
  if (task === undefined) return
  const { taskId, attempt, status, error } = receipt
  const reason = `attempt ${attempt} ${status}: ${error?.message ?? 'the worker gave no reason'}`
  events.push(event('task-rejected', { taskId, attempt, reason: reason.slice(0, 2048), by: 'policy' }))
  const mayRetry = error?.retryable !== false && attempt < attemptsMax(state, task.spec)
  if (mayRetry) events.push(planRetry(state, task, context))
}
