import type { z } from 'zod'
import { type ChainFacts, type ChainGap, chainGap } from '../flow/chain-gap.js'
import { type ChainLink, chainLinks, type QueueSight } from '../flow/chain-links.js'
import type { AttemptFacts, LogMark, RefusedReceipt, TaskHistory } from '../flow/task-history.js'
import type { Adapter } from '../ports/adapter.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { Inbox } from '../ports/inbox.js'
import type { TaskQueue, Whereabouts } from '../ports/task-queue.js'
import { RepriseError } from '../protocol/errors.js'
import { type RunId, runIdSchema, type TaskId, taskIdSchema } from '../protocol/ids.js'
import type { ReceiptStatus } from '../protocol/receipt.js'
import type { Outcome, TaskPhase } from '../protocol/state.js'
import { type Answer, asked, InboxLook, queueSight } from './chain-sights.js'
import { unknownRun } from './load-run.js'
import { someAtOnce } from './some-at-once.js'
import { TaskReading } from './task-reading.js'

export interface TaskChainOptions {
  readonly adapter: Pick<Adapter, 'log' | 'queue' | 'inbox'>
  readonly runId: string
  readonly taskId: string
}

/** What is asked of an adapter. */
export interface AskedAdapter {
  readonly log: CommitLog
  readonly queue: Pick<TaskQueue, 'locate'>
  readonly inbox: Pick<Inbox, 'peek'>
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
/** Questions to the queue at the same time. */
const locatesMax = 8
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
  const [run, task] = [checkId(runIdSchema, runId, 'run'), checkId(taskIdSchema, taskId, 'task')]
  const [chain] = await taskChains(adapter, run, [task])
  return chain as TaskChain
}

/**
 * `taskChain` of several tasks of a run, in their order: the log is read once for all of them, and the inbox looked into
 * once per look. In memory: the state of the run, and what its log says of these tasks.
 */
export async function taskChains(
  adapter: AskedAdapter,
  runId: RunId,
  taskIds: readonly TaskId[],
): Promise<TaskChain[]> {
  const reading = new TaskReading(adapter.log, runId, taskIds)
  await reading.readOn()
  const chains = new Map<TaskHistory, TaskChain>()
  for (let look = 1; chains.size < reading.histories.length; look++) {
    const looked = reading.histories
      .filter((history) => !chains.has(history))
      .map((history) => ({ history, events: history.events, attempt: newestAttempt(reading, history).attempt }))
    // One after the other: a worker sends its receipt before the queue forgets the attempt, and the log has the receipt
    // before the inbox forgets it. In another order it could pass by unseen, and a link would seem to be missing.
    const located = await someAtOnce(looked, locatesMax, ({ history, attempt }) =>
      asked(() => adapter.queue.locate(runId, history.taskId, attempt)),
    )
    const peeked = await asked(() => adapter.inbox.peek(runId, peekMax))
    await reading.readOn()
    const inbox = new InboxLook(reading.state, peeked, peekMax)
    for (const [i, { history, events, attempt }] of looked.entries()) {
      // What was seen may be in the log by now, or a link would seem to be missing that is not.
      if (history.events > events && look < looksMax) continue
      const facts = newestAttempt(reading, history)
      const queue = facts.attempt === attempt ? queueSight(located[i] as Answer<Whereabouts>) : wentOn
      const sights = { queue, inbox: inbox.sightOf(history.taskId, facts) }
      chains.set(history, chainOf({ state: reading.state, history, facts, ...sights }, runId))
    }
  }
  return reading.histories.map((history) => chains.get(history) as TaskChain)
}

const wentOn: QueueSight = { at: 'unasked', why: 'the next attempt has followed meanwhile' }

function newestAttempt({ state, runId }: TaskReading, { taskId, attempts }: TaskHistory): AttemptFacts {
  const newest = attempts.at(-1)
  if (newest !== undefined) return newest
  if (state.version > 0) {
    throw new RepriseError('TASK_UNKNOWN', `There is no task ${taskId} in run ${runId}. Check the task id.`, {
      details: { runId, taskId },
    })
  }
  throw unknownRun(runId)
}

function chainOf(seen: Omit<ChainFacts, 'links'>, runId: RunId): TaskChain {
  const { state, history, facts, queue, inbox } = seen
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
    firstMissing: chainGap({ ...seen, links }),
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
