import type { z } from 'zod'
import { type ChainGap, chainGap } from '../flow/chain-gap.js'
import { type ChainLink, chainLinks, type InboxSight, type QueueSight } from '../flow/chain-links.js'
import { firstFailingGate, noEvidence, readReceipt } from '../flow/receipt-gates.js'
import { isDecided } from '../flow/senders.js'
import type { AttemptFacts, LogMark, RefusedReceipt } from '../flow/task-history.js'
import type { Adapter } from '../ports/adapter.js'
import type { InboxMessage } from '../ports/inbox.js'
import type { Whereabouts } from '../ports/task-queue.js'
import { isRepriseError, RepriseError } from '../protocol/errors.js'
import { type RunId, runIdSchema, type TaskId, taskIdSchema } from '../protocol/ids.js'
import type { ReceiptStatus } from '../protocol/receipt.js'
import type { Outcome, RunState, TaskPhase } from '../protocol/state.js'
import { TaskReading } from './task-reading.js'

export interface TaskChainOptions {
  readonly adapter: Pick<Adapter, 'log' | 'queue' | 'inbox'>
  readonly runId: string
  readonly taskId: string
}

/** An attempt that another one has followed. */
export interface EarlierAttempt {
  readonly attempt: number
  readonly dispatchedAt: string | null
  /** Of its receipt, if one was recorded. */
  readonly workerId: string | null
  readonly status: ReceiptStatus | null
  readonly ended: (LogMark & { readonly how: 'rejected' | 'expired' | 'kept-out'; readonly reason: string }) | null
}

/** How far the newest attempt of a task has come, and what shows it. JSON. */
export interface TaskChain {
  readonly format: 'reprise-task-chain-v1'
  readonly runId: RunId
  readonly taskId: TaskId
  /** Of the run: what the log says is said up to here. */
  readonly version: number
  readonly phase: TaskPhase | Outcome
  /** The newest, from 1. */
  readonly attempt: number
  /** All eight, in order. */
  readonly links: readonly ChainLink[]
  /** `null`: the chain is whole, or the task was given up. */
  readonly firstMissing: ChainGap | null
  /** At most 16, the newest of them, in order. */
  readonly earlier: readonly EarlierAttempt[]
  /** Receipts for this task, of any attempt, that a gate has stopped; `newest` are at most 16, in order. */
  readonly refused: { readonly total: number; readonly newest: readonly RefusedReceipt[] }
}

const earlierMax = 16
/** Messages of the inbox that are looked at. */
const peekMax = 1_000
/** The log may go on while queue and inbox are asked: then they are asked again, so often. */
const looksMax = 4

/**
 * Follows one task from its plan to its end: planned, dispatched, offered, claimed, receipt sent, recorded, acknowledged,
 * settled. From the log, which it reads whole, and from what the queue and the inbox hold at this moment; it changes
 * nothing, and needs nobody who holds the run. `acknowledged` means that the inbox does not hold the receipt any more.
 * A queue or inbox that cannot be asked makes links `unknown`. `RUN_UNKNOWN`, `TASK_UNKNOWN`, `INVALID_ID`, and what the
 * log fails with.
 */
export async function taskChain({ adapter, runId, taskId }: TaskChainOptions): Promise<TaskChain> {
  const ids = { runId: checkId(runIdSchema, runId, 'run'), taskId: checkId(taskIdSchema, taskId, 'task') }
  const reading = new TaskReading(adapter.log, ids.runId, ids.taskId)
  await reading.readOn()
  for (let look = 1; ; look++) {
    const { attempt } = newestAttempt(reading, ids)
    const [located, peeked] = await Promise.all([
      asked(() => adapter.queue.locate(ids.runId, ids.taskId, attempt)),
      asked(() => adapter.inbox.peek(ids.runId, peekMax)),
    ])
    // What lay in the inbox a moment ago may be in the log by now, or a link would seem to be missing that is not.
    const { isNews } = await reading.readOn()
    if (isNews && look < looksMax) continue
    const newest = newestAttempt(reading, ids)
    const queue = newest.attempt === attempt ? queueSight(located) : wentOn
    return chainOf(reading, ids.runId, newest, queue, inboxSight(reading, newest, peeked))
  }
}

const wentOn: QueueSight = { at: 'unasked', why: 'the next attempt has followed meanwhile' }

function newestAttempt({ state, history }: TaskReading, { runId, taskId }: { runId: RunId; taskId: TaskId }) {
  const newest = history.attempts.at(-1)
  if (newest !== undefined) return newest
  if (state.version > 0) {
    throw new RepriseError('TASK_UNKNOWN', `There is no task ${taskId} in run ${runId}. Check the task id.`, {
      details: { runId, taskId },
    })
  }
  throw new RepriseError('RUN_UNKNOWN', `There is no run ${runId}. Check the run id and where the adapter points.`, {
    details: { runId },
  })
}

type Answer<T> = { readonly value: T } | { readonly why: string }

/** What a port says, or why it says nothing. An adapter that was closed is the caller's mistake. */
async function asked<T>(ask: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { value: await ask() }
  } catch (error) {
    if (!isRepriseError(error) || error.code === 'CLOSED') throw error
    return { why: error.message }
  }
}

const queueSight = (located: Answer<Whereabouts>): QueueSight =>
  'why' in located ? { at: 'unasked', why: located.why } : located.value

function inboxSight(
  { state, history }: TaskReading,
  { attempt, recorded }: AttemptFacts,
  peeked: Answer<readonly InboxMessage[]>,
): InboxSight {
  if ('why' in peeked) return { seen: false, why: peeked.why }
  const { value: messages } = peeked
  const place = recorded?.message
  return {
    seen: true,
    ...receiptAmong(state, history.taskId, attempt, messages),
    holdsRecorded: messages.some(({ sender, seq }) => sender === place?.sender && seq === place.seq),
    whole: messages.length < peekMax,
  }
}

type SeenReceipts = Pick<Extract<InboxSight, { seen: true }>, 'receipt' | 'unfit'>

/** The first message that could be recorded as the receipt of the attempt, and else one that claims to be and cannot. */
function receiptAmong(
  state: RunState,
  taskId: TaskId,
  attempt: number,
  messages: readonly InboxMessage[],
): SeenReceipts {
  let unfit: SeenReceipts['unfit'] = null
  for (const message of messages) {
    const { sender, seq } = message
    // What the log has answered waits only to be forgotten.
    if (message.kind !== 'receipt' || isDecided(state, message)) continue
    const incoming = readReceipt(message.body)
    if (incoming.claims.taskId !== taskId || incoming.claims.attempt !== attempt) continue
    const failing = firstFailingGate(state, incoming, noEvidence, 'signature')
    if (failing === null && incoming.receipt !== null) {
      const { worker, finishedAt } = incoming.receipt
      return { receipt: { sender, seq, worker: worker.id, finishedAt }, unfit: null }
    }
    if (failing !== null) unfit ??= { sender, seq, ...failing }
  }
  return { receipt: null, unfit }
}

function chainOf(
  { state, history }: TaskReading,
  runId: RunId,
  facts: AttemptFacts,
  queue: QueueSight,
  inbox: InboxSight,
): TaskChain {
  const links = chainLinks(history, facts, queue, inbox)
  const { taskId, settled, attempts, refusedTotal, refused } = history
  return {
    format: 'reprise-task-chain-v1',
    runId,
    taskId,
    version: state.version,
    phase: settled?.outcome ?? state.tasks.get(taskId)?.phase ?? 'stopped',
    attempt: facts.attempt,
    links,
    firstMissing: chainGap({ state, history, facts, queue, inbox, links }),
    earlier: attempts.slice(0, -1).slice(-earlierMax).map(earlierAttempt),
    refused: { total: refusedTotal, newest: [...refused] },
  }
}

const earlierAttempt = ({ attempt, dispatched, recorded, ended }: AttemptFacts): EarlierAttempt => ({
  attempt,
  dispatchedAt: dispatched?.at ?? null,
  workerId: recorded?.worker ?? null,
  status: recorded?.status ?? null,
  ended,
})

function checkId<T>(schema: { safeParse(value: unknown): z.ZodSafeParseResult<T> }, id: string, what: string): T {
  const parsed = schema.safeParse(id)
  if (parsed.success) return parsed.data
  throw new RepriseError('INVALID_ID', `${id} is not a ${what} id: ${parsed.error.issues[0]?.message}.`)
}
