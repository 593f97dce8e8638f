import type { TaskQueue, Whereabouts } from '../ports/task-queue.js'
import type { RunId, TaskId } from '../protocol/ids.js'
import type { Offer } from '../protocol/task.js'
import { isoTime } from '../protocol/time.js'
import { MemoryConsumer } from './memory-consumer.js'
import type { Choose } from './memory-faults.js'
import type { MemoryLanes, QueuedAttempt } from './memory-lanes.js'
import type { MemoryProcess } from './memory-process.js'

export function memoryQueue(lanes: MemoryLanes, process: MemoryProcess, choose: () => Choose | null): TaskQueue {
  const find = (runId: RunId, taskId: TaskId, attempt: number): QueuedAttempt | undefined =>
    lanes.attempts.get(keyOf(runId, taskId, attempt))

  function offer(offers: readonly Offer[]): void {
    for (const one of offers) {
      if (find(one.runId, one.taskId, one.attempt) !== undefined) continue
      const attempt: QueuedAttempt = { offer: one, deliveries: 0, workers: [], claim: null, done: false }
      lanes.attempts.set(keyOf(one.runId, one.taskId, one.attempt), attempt)
      lanes.of(one.lane).put(attempt)
    }
  }

  function withdraw(attempt: QueuedAttempt | undefined): void {
    if (attempt !== undefined && !attempt.done) lanes.of(attempt.offer.lane).withdraw(attempt)
  }

  return {
    offer: (offers) => process.call('queue', 'offer', offers[0]?.runId ?? null, () => offer(offers)),
    consume: (lane, handler, options) =>
      process.call(
        'queue',
        'consume',
        null,
        () => new MemoryConsumer(lanes.of(lane), process, handler, options, choose),
      ),
    withdraw: (runId, taskId, attempt) =>
      process.call('queue', 'withdraw', runId, () => withdraw(find(runId, taskId, attempt))),
    locate: (runId, taskId, attempt) =>
      process.call('queue', 'locate', runId, () => whereabouts(find(runId, taskId, attempt))),
  }
}

const keyOf = (runId: RunId, taskId: TaskId, attempt: number): string => JSON.stringify([runId, taskId, attempt])

function whereabouts(attempt: QueuedAttempt | undefined): Whereabouts {
  if (attempt === undefined) return { at: 'unknown' }
  const { claim, deliveries, done } = attempt
  if (claim === null) return done ? { at: 'unknown' } : { at: 'queued', deliveries }
  return {
    at: 'claimed',
    workerId: claim.workerId,
    deliveries,
    since: isoTime(claim.sinceMs),
    heartbeatAt: isoTime(claim.heartbeatAtMs),
    ...(claim.progress === undefined ? {} : { progress: claim.progress }),
  }
}
