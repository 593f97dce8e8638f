import type { RunEvent } from '../protocol/events.js'
import type { TaskId } from '../protocol/ids.js'
import type { RunState, TaskPhase } from '../protocol/state.js'
import { type Settle, TaskResult } from './task-result.js'

/** Who reads results: a queue of its own, woken when something changes. It holds nothing that is settled. */
interface Reader {
  readonly queue: Map<TaskId, TaskResult>
  /** It has settled, or skipped, what it was handed, and wants more. */
  asks: boolean
  wake: () => void
}

/**
 * Results that wait for a decision, shown once durable. A reader gets what waits already, in the order of the
 * receipts, then what comes; it ends when nothing can come by itself and it has seen everything.
 */
export class ResultFeed {
  private readonly waiting = new Map<TaskId, TaskResult>()
  private readonly readers = new Set<Reader>()
  private closed = false
  private failure: Error | null = null

  constructor(
    private readonly state: RunState,
    /** Nothing is on its way into the log. */
    private readonly settled: () => boolean,
    private readonly settle: Settle,
  ) {}

  /** What an earlier coordinator left received or stopped. */
  seed(): void {
    for (const id of this.state.received) this.show(id, 'received')
    for (const id of this.state.stopped) this.show(id, 'stopped')
  }

  /** Takes in the events of a durable commit. */
  follow(events: readonly RunEvent[]): void {
    for (const event of events) {
      switch (event.type) {
        case 'receipt-received':
          this.show(event.data.receipt.taskId, 'received', event.data.receipt.attempt)
          break
        case 'task-rejected':
        case 'attempt-expired':
          this.forget(event.data.taskId)
          this.show(event.data.taskId, 'stopped', event.data.attempt)
          break
        case 'spawn-refused':
          this.show(event.data.taskId, 'stopped')
          break
        // An older attempt that stopped or was rejected may be shown still, and must not be settled in its place.
        case 'planned':
        case 'dispatched':
        case 'task-accepted':
        case 'task-cancelled':
        case 'task-abandoned':
          this.forget(event.data.taskId)
          break
      }
    }
    this.wakeAll()
  }

  /** Looks again whether anything can still come. */
  wakeAll(): void {
    for (const reader of this.readers) reader.wake()
  }

  /** Ends every reader with `error`, or quietly without one once they have seen everything. */
  close(error: Error | null): void {
    this.failure = error ?? this.failure
    this.closed = true
    this.wakeAll()
  }

  async *read(signal?: AbortSignal): AsyncGenerator<TaskResult[]> {
    const reader: Reader = { queue: new Map(this.waiting), asks: false, wake: () => {} }
    const onAbort = () => reader.wake()
    this.readers.add(reader)
    signal?.addEventListener('abort', onAbort)
    try {
      for (;;) {
        if (this.failure !== null) throw this.failure
        if (signal?.aborted) return
        const batch = [...reader.queue.values()]
        reader.queue.clear()
        reader.asks = batch.length === 0
        if (batch.length > 0) yield batch
        else if (this.closed || this.nothingComes()) return
        else
          await new Promise<void>((resolve) => {
            reader.wake = resolve
          })
      }
    } finally {
      signal?.removeEventListener('abort', onAbort)
      this.readers.delete(reader)
      // Others may have waited for what this one could still have settled.
      this.wakeAll()
    }
  }

  /** Whether it has not been settled, or replaced by a newer one, since it was handed out. */
  isWaiting(result: TaskResult): boolean {
    return this.waiting.get(result.taskId) === result
  }

  private nothingComes(): boolean {
    const { counts, ready, delayed, pausedReason, blockedReason } = this.state
    if (counts.out > 0 || !this.settled()) return false
    if (counts.planned === 0) return true
    // Planned tasks that wait for others, when nobody is about to settle these.
    const held = pausedReason !== null || blockedReason !== null
    if (held || delayed.length > 0 || ready.some((ids) => ids.size > 0)) return false
    return [...this.readers].every((reader) => reader.asks && reader.queue.size === 0)
  }

  private show(taskId: TaskId, phase: TaskPhase, attempt?: number): void {
    const task = this.state.tasks.get(taskId)
    // The state runs ahead: what was decided meanwhile is shown once that is durable, if it needs showing.
    if (task === undefined || task.phase !== phase || (attempt !== undefined && task.attempt !== attempt)) return
    const result = new TaskResult(task, this.settle)
    this.forget(taskId)
    this.waiting.set(taskId, result)
    for (const reader of this.readers) reader.queue.set(taskId, result)
  }

  /** A reader that is slow, while others settle, must not keep what is settled. */
  private forget(taskId: TaskId): void {
    this.waiting.delete(taskId)
    for (const reader of this.readers) reader.queue.delete(taskId)
  }
}
