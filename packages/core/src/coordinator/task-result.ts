import type { Command } from '../protocol/commands.js'
import type { TaskId } from '../protocol/ids.js'
import type { JsonValue } from '../protocol/json.js'
import type { Receipt } from '../protocol/receipt.js'
import type { OpenTask } from '../protocol/state.js'
import type { TaskRequest } from '../protocol/task.js'

/** Issues a command and throws if it is refused. */
export type Settle = (command: Extract<Command, { taskId: TaskId }>) => Promise<void>

/**
 * What came back of a task and is not settled yet. `completed` and `partial`: the receipt has passed every gate and
 * waits for `accept`, `reject` or `retry`. `stopped`: no attempt is left, or none would help; `retry`, `abandon` or
 * `cancel` it.
 */
export class TaskResult {
  readonly taskId: TaskId
  readonly kind: string
  readonly attempt: number
  readonly status: 'completed' | 'partial' | 'stopped'
  /** The receipt; `null` if the attempt stopped without one. */
  readonly receipt: Receipt | null
  /** `stopped`: why. */
  readonly reason: string | null
  readonly #settle: Settle

  constructor(task: OpenTask, settle: Settle) {
    this.taskId = task.spec.taskId
    this.kind = task.spec.kind
    this.attempt = task.attempt
    this.receipt = task.receipt
    const answer = task.phase === 'received' ? task.receipt?.status : undefined
    this.status = answer === 'completed' || answer === 'partial' ? answer : 'stopped'
    this.reason = task.stopReason ?? task.receipt?.error?.message ?? null
    this.#settle = settle
  }

  /** What the worker returned; `null` without a receipt. Its kind's schema has checked it. */
  get output(): JsonValue {
    return this.receipt?.output ?? null
  }

  /** Tasks that the worker asks for, ready for `run.dispatch`: this task is their parent, so `depthMax` holds. */
  get spawnRequests(): TaskRequest[] {
    return (this.receipt?.spawnRequests ?? []).map((request) => ({ ...request, parent: this.taskId }))
  }

  /** Settles the task with this receipt. Resolves once that is durable. */
  accept(): Promise<void> {
    return this.#settle({ type: 'accept', taskId: this.taskId, attempt: this.attempt })
  }

  /** Refuses the receipt: the task stops, for `retry`, `abandon` or `cancel` later. */
  reject(reason: string): Promise<void> {
    return this.#settle({ type: 'reject', taskId: this.taskId, attempt: this.attempt, reason })
  }

  /** Refuses the receipt and plans one more attempt. Rejects with `ATTEMPTS_EXHAUSTED` if there is none left. */
  retry(reason: string): Promise<void> {
    return this.#settle({ type: 'retry', taskId: this.taskId, attempt: this.attempt, reason })
  }

  /** Settles the task without a result; those that wait for it are cancelled. */
  abandon(reason: string): Promise<void> {
    return this.#settle({ type: 'abandon', taskId: this.taskId, attempt: this.attempt, reason })
  }
}
