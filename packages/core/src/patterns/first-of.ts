import type { Run } from '../coordinator/run.js'
import type { Settlement } from '../coordinator/settlements.js'
import type { TaskResult } from '../coordinator/task-result.js'
import type { RoundCommand } from '../protocol/commands.js'
import { RepriseError } from '../protocol/errors.js'
import type { TaskId } from '../protocol/ids.js'
import { limits } from '../protocol/limits.js'
import { clipped } from '../protocol/one-line.js'
import type { TaskRequest } from '../protocol/task.js'
import { isOvertaken, type PatternOptions, refusalError, settleResult, type Verdict } from './judge.js'
import { inLogOrder } from './settlement-details.js'
import { TaskFollower } from './task-follower.js'

/** Which task was accepted, and what became of the others: if there is no winner, why. */
export interface FirstOf {
  readonly winner: Settlement | null
  readonly others: ReadonlyMap<string, Settlement>
}

/**
 * Takes tasks in; the first result that `judge` accepts wins. Accepting it and cancelling the others is one commit: the log
 * never has two winners, nor one with others still going on. Resolves with it, or with `null` once none is left; so does
 * the same call after a crash. At most 1,000 tasks, fewer if their ids are so long that one commit cannot cancel them:
 * `INVALID_INPUT`. `SPAWN_REFUSED` as `run.dispatch`.
 */
export async function firstOf(run: Run, tasks: Iterable<TaskRequest>, options: PatternOptions = {}): Promise<FirstOf> {
  const requests = [...tasks]
  const taskIds = neededFirst(requests)
  if (taskIds.length > limits.roundCommandsMax) throw tooMany(run, taskIds.length)
  const bytes = bytesToCancel(taskIds)
  if (bytes > cancelBytesMax) throw tooLong(run, taskIds.length, bytes)
  const settled = new Map<string, Settlement>()
  let isWon = false
  const onSettled = (settlement: Settlement): void => {
    settled.set(settlement.taskId, settlement)
    if (settlement.outcome === 'accepted') isWon = true
  }
  const settle = (result: TaskResult, verdict: Verdict, open: ReadonlySet<TaskId>): Promise<void> =>
    verdict === 'accept' ? acceptOne(run, open, result) : settleResult(run, result, verdict)
  return TaskFollower.during(run, { ...options, settle, onSettled }, async (follower) => {
    await follower.follow(taskIds)
    if (!isWon) await follower.dispatch(requests)
    await follower.until(() => isWon || follower.open.size === 0)
    // Somebody else has accepted it, without the rest; or an earlier life was cut off before all were in.
    await Promise.all([...follower.open].map((taskId) => cancel(run, taskId)))
    const others = new Map(await inLogOrder(run, settled))
    const winner = [...others.values()].find(({ outcome }) => outcome === 'accepted') ?? null
    if (winner !== null) others.delete(winner.taskId)
    return { winner, others }
  })
}

/** Each after those of them that it needs, which may be dispatched already, by somebody else and in another order. */
function neededFirst(requests: readonly TaskRequest[]): TaskId[] {
  const needs = new Map(requests.map(({ taskId, after = [] }) => [taskId, after]))
  const seen = new Set<string>()
  const ordered: TaskId[] = []
  const visit = (taskId: string): void => {
    const needed = needs.get(taskId)
    if (needed === undefined || seen.has(taskId)) return
    seen.add(taskId)
    for (const one of needed) visit(one)
    ordered.push(taskId as TaskId)
  }
  for (const { taskId } of requests) visit(taskId)
  return ordered
}

/** Accepting one and closing the round stand in that commit too. */
const cancelBytesMax = limits.commitBytesMax - 8 * 1024

/** Of the events that cancel all of them, at most. */
function bytesToCancel(taskIds: readonly TaskId[]): number {
  const eventBytes = (taskId: string, reason: string) =>
    Buffer.byteLength(JSON.stringify({ type: 'task-cancelled', v: 1, data: { taskId, reason } })) + 1
  const reasonBytes = taskIds.reduce((most, taskId) => Math.max(most, eventBytes('', reasonFor(taskId))), 0)
  return taskIds.reduce((sum, taskId) => sum + reasonBytes + eventBytes(taskId, '') - eventBytes('', ''), 0)
}

const reasonFor = (winner: TaskId): string => `task ${clipped(winner, 80)} was first`

async function acceptOne(run: Run, open: ReadonlySet<TaskId>, { taskId, attempt }: TaskResult): Promise<void> {
  for (;;) {
    // Those that need others stand behind them, and would be cancelled with them.
    const losers = [...open].filter((other) => other !== taskId).reverse()
    const reason = reasonFor(taskId)
    const decide: RoundCommand[] = [
      { type: 'accept', taskId, attempt },
      ...losers.map((loser): RoundCommand => ({ type: 'cancel', taskId: loser, reason })),
    ]
    const outcome = await run.execute({ type: 'round', decide, summary: reason })
    if (outcome.ok) return
    if (!isOvertaken(outcome)) throw refusalError(run, outcome)
    // Whatever it was refused for is durable, and has been followed. Other results, or another winner, may be on their way.
    if (!open.has(taskId) || outcome.code !== 'TASK_SETTLED') return
    if (losers.every((loser) => open.has(loser))) throw refusalError(run, outcome)
  }
}

async function cancel(run: Run, taskId: TaskId): Promise<void> {
  const outcome = await run.execute({ type: 'cancel', taskId, reason: 'another task was first' })
  if (!outcome.ok && outcome.code !== 'TASK_UNKNOWN' && !isOvertaken(outcome)) throw refusalError(run, outcome)
}

const tooMany = (run: Run, count: number): RepriseError =>
  new RepriseError(
    'INVALID_INPUT',
    `firstOf in run ${run.id} was given ${count} tasks, and one commit can cancel at most ${limits.roundCommandsMax}. Nothing was dispatched. Pass fewer.`,
    { details: { runId: run.id, tasks: count } },
  )

const tooLong = (run: Run, count: number, bytes: number): RepriseError =>
  new RepriseError(
    'INVALID_INPUT',
    `firstOf in run ${run.id} was given ${count} tasks with ids so long that cancelling them takes ${bytes} bytes, and one commit has room for ${cancelBytesMax}. Nothing was dispatched. Pass fewer, or shorter ids.`,
    { details: { runId: run.id, tasks: count, bytes } },
  )
