import type { RunEvent } from '../protocol/events.js'
import type { RunId, TaskId } from '../protocol/ids.js'
import type { Outcome } from '../protocol/state.js'
import type { LogMark } from './task-history.js'

/** A task that carries a trace id, as far as the log alone tells of it. */
export interface TracedFacts {
  readonly taskId: TaskId
  readonly kind: string
  readonly parent: TaskId | null
  /** The event that brought it into its run. */
  readonly begun: LogMark
  attempt: number
  outcome: Outcome | null
}

/** The tasks of one run that carry a trace id, folded event by event. Of all others nothing is kept. */
export class TracedTasks {
  readonly #runId: RunId
  readonly #traceId: string
  readonly #tasks = new Map<TaskId, TracedFacts>()

  constructor(runId: RunId, traceId: string) {
    this.#runId = runId
    this.#traceId = traceId
  }

  get size(): number {
    return this.#tasks.size
  }

  /** In the order in which they came into the run. */
  get all(): readonly TracedFacts[] {
    return [...this.#tasks.values()]
  }

  fold(event: RunEvent, mark: LogMark): void {
    switch (event.type) {
      case 'planned':
      case 'dispatched': {
        const { taskId, attempt, task } = event.data
        const known = this.#tasks.get(taskId)
        if (known !== undefined) known.attempt = attempt
        else if (task !== undefined && (task.traceId ?? this.#runId) === this.#traceId) {
          const { kind, parent = null } = task
          this.#tasks.set(taskId, { taskId, kind, parent, begun: mark, attempt, outcome: null })
        }
        return
      }
      case 'task-accepted':
        this.#settle(event.data.taskId, 'accepted')
        return
      case 'task-cancelled':
        this.#settle(event.data.taskId, 'cancelled')
        return
      case 'task-abandoned':
        this.#settle(event.data.taskId, 'abandoned')
        return
    }
  }

  #settle(taskId: TaskId, outcome: Outcome): void {
    const known = this.#tasks.get(taskId)
    if (known !== undefined) known.outcome = outcome
  }
}
