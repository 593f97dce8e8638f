import { initialState, reduceEvent } from '../flow/reduce-event.js'
import { TaskHistory } from '../flow/task-history.js'
import { ChainReader } from '../log/chain-reader.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { RunId, TaskId } from '../protocol/ids.js'
import type { RunState } from '../protocol/state.js'
import { upcastEvent } from '../protocol/upcast.js'
import { checkRunId } from './load-run.js'

/** A run as its log tells it, and what it says of one task: read once, and then what came since. */
export class TaskReading {
  readonly history: TaskHistory
  readonly #log: CommitLog
  readonly #runId: RunId
  readonly #chain = new ChainReader()
  #state = initialState()

  constructor(log: CommitLog, runId: RunId, taskId: TaskId) {
    this.history = new TaskHistory(taskId)
    this.#log = log
    this.#runId = runId
  }

  get state(): RunState {
    return this.#state
  }

  /**
   * Reads up to the newest commit. `isNews`: there was something about the task. `LOG_CORRUPT` at the first bad commit,
   * `LOG_TOO_NEW` at the first unknown event, `RUN_MISMATCH` for the log of another run.
   */
  async readOn(): Promise<{ isNews: boolean }> {
    const before = this.history.events
    for await (const lines of this.#log.read(this.#runId, this.#chain.commits)) {
      for (const line of lines) this.#fold(line)
    }
    checkRunId(this.#state.runId, this.#runId)
    return { isNews: this.history.events > before }
  }

  #fold(line: string): void {
    const { at, events } = this.#chain.next(line)
    this.#state.at = at
    for (const stored of events) {
      const event = upcastEvent(stored)
      this.#state = reduceEvent(this.#state, event)
      this.history.fold(event, { version: this.#state.version, at })
    }
  }
}
