import { firstFailingGate, noEvidence } from '../../flow/receipt-gates.js'
import type { ReceiptGate, RunEvent } from '../../protocol/events.js'
import { type Receipt, receiptChecksum } from '../../protocol/receipt.js'
import { type RunState, settledOutcome } from '../../protocol/state.js'
import { as, before, type Invariant } from './invariant.js'

/** What holds of receipts and of what is decided on them. */
export const receiptInvariants = {
  'receipt-grounded': before(
    'A recorded receipt answers the attempt that is out, with the digest and epoch of its dispatch, and is the first.',
    ['I7', 'I6', 'P4'],
    (state, event) => {
      const received = as('receipt-received', event)
      if (received === null || state.policy === null) return null
      return failing(state, received.data.receipt, 'not-duplicate', null)
    },
  ),

  'receipt-sealed': before(
    'A recorded receipt has the checksum of its content, and the signature of a key that the policy pins.',
    ['I7', 'P5'],
    (state, event) => {
      const received = as('receipt-received', event)
      if (received === null || state.policy === null) return null
      const { receipt } = received.data
      const checksum = receiptChecksum(receipt)
      if (![checksum, receiptChecksum(asItCame(receipt))].includes(receipt.checksum))
        return `its content has checksum ${checksum}`
      return failing(state, receipt, 'signature', 'signature')
    },
  ),

  'artifacts-verified': before(
    'A receipt is recorded only after every artifact that it names was read.',
    ['P5'],
    (_state, event) => {
      const received = as('receipt-received', event)
      if (received === null) return null
      const { receipt, verified } = received.data
      const bytes = receipt.artifacts.reduce((sum, artifact) => sum + artifact.bytes, 0)
      if (verified.artifacts === receipt.artifacts.length && verified.bytes === bytes) return null
      return `it names ${receipt.artifacts.length} artifacts of ${bytes} bytes, read were ${verified.artifacts} of ${verified.bytes} bytes`
    },
  ),

  'accepted-once': before(
    'A task is accepted at most once, and never after it was given up.',
    ['I6', 'P4'],
    (state, event) => {
      const accepted = as('task-accepted', event)
      const packed = accepted === null ? undefined : state.settled.get(accepted.data.taskId)
      return packed === undefined ? null : `task ${accepted?.data.taskId} was ${settledOutcome(packed)} before`
    },
  ),

  'accepted-with-receipt': before(
    'A task is accepted only with a receipt of its current attempt that does not say failed or refused.',
    ['I7', 'P4', 'P5'],
    (state, event) => {
      const accepted = as('task-accepted', event)
      if (accepted === null) return null
      const { taskId, attempt } = accepted.data
      const receipt = state.received.has(taskId) ? state.tasks.get(taskId)?.receipt : null
      if (receipt == null) return `attempt ${attempt} of task ${taskId} has no receipt that waits for a decision`
      if (receipt.attempt !== attempt)
        return `the receipt of task ${taskId} is of attempt ${receipt.attempt}, not ${attempt}`
      return receipt.status === 'failed' || receipt.status === 'refused'
        ? `the receipt of task ${taskId} says ${receipt.status}`
        : null
    },
  ),

  'ends-current-attempt': before(
    'Only a received attempt is rejected, and only one that is out expires, at the deadline that it had.',
    ['I6', 'I7'],
    endsCurrent,
  ),
} as const satisfies Record<string, Invariant>

/** The first logs hold receipts with the defaults of some fields filled in, which the worker had left out. */
function asItCame(receipt: Receipt): object {
  const { error, spawnRequests } = receipt
  const { retryable, ...failure } = error ?? {}
  return {
    ...receipt,
    ...(error !== undefined && { error: retryable === true ? failure : error }),
    ...(spawnRequests !== undefined && { spawnRequests: spawnRequests.map(withoutDefaults) }),
  }
}

function withoutDefaults(request: NonNullable<Receipt['spawnRequests']>[number]): object {
  const filledIn: Record<string, unknown> = { lane: 'default', priority: 5, after: '' }
  return Object.fromEntries(Object.entries(request).filter(([key, value]) => filledIn[key] !== plain(value)))
}

const plain = (value: unknown): unknown => (Array.isArray(value) ? value.join() : value)

function endsCurrent(state: RunState, event: RunEvent): string | null {
  if (event.type !== 'task-rejected' && event.type !== 'attempt-expired') return null
  const { taskId, attempt } = event.data
  const task = state.tasks.get(taskId)
  if (task === undefined) return `task ${taskId} is not open`
  const needed = event.type === 'task-rejected' ? 'received' : 'out'
  if (task.phase !== needed || task.attempt !== attempt) {
    return `attempt ${attempt} of task ${taskId} was not ${needed}: attempt ${task.attempt} is ${task.phase}`
  }
  if (event.type === 'task-rejected' || event.data.deadlineAt === task.deadlineAt) return null
  return `attempt ${attempt} of task ${taskId} was due at ${task.deadlineAt}, not at ${event.data.deadlineAt}`
}

/** `only`: the gate that counts; `null`: every one up to `upTo`. */
function failing(state: RunState, receipt: Receipt, upTo: ReceiptGate, only: ReceiptGate | null): string | null {
  const incoming = { receipt, problem: null, tooLarge: false, checksum: receipt.checksum, text: null, claims: {} }
  const failed = firstFailingGate(state, incoming, noEvidence, upTo)
  return failed === null || (only !== null && failed.gate !== only) ? null : `gate ${failed.gate}: ${failed.evidence}`
}
