import { initialState, reduceEvent } from '../flow/reduce-event.js'
import { TaskHistory, taskIdOf } from '../flow/task-history.js'
import { ChainReader } from '../log/chain-reader.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { Commit } from '../protocol/events.js'
import type { RunId, TaskId } from '../protocol/ids.js'
import type { RunState } from '../protocol/state.js'
import { upcastEvent } from '../protocol/upcast.js'
import { checkRunId, contradiction } from './load-run.js'

/** A run as its log tells it, and what it says of some of its tasks: read once, and then what came since. */
export class TaskReading {
  readonly runId: RunId
  /** One for each task that was asked for, in that order, whether the run has it or not. */
  readonly histories: readonly TaskHistory[]
  readonly #byId: ReadonlyMap<string | undefined, TaskHistory>
  readonly #log: CommitLog
  readonly #chain = new ChainReader()
  #state = initialState()

  constructor(log: CommitLog, runId: RunId, taskIds: readonly TaskId[]) {
    this.histories = taskIds.map((taskId) => new TaskHistory(taskId))
    this.#byId = new Map(this.histories.map((history) => [history.taskId, history]))
    this.#log = log
    this.runId = runId
  }

  get state(): RunState {
    return this.#state
  }

  /**
   * Reads up to the newest commit. `LOG_CORRUPT` at the first bad commit, `LOG_TOO_NEW` at the first unknown event,
   * `RUN_MISMATCH` for the log of another run.
   */
  async readOn(): Promise<void> {
    for await (const lines of this.#log.read(this.runId, this.#chain.commits)) {
      for (const line of lines) this.#fold(this.#chain.next(line))
    }
    checkRunId(this.#state.runId, this.runId)
  }

  #fold({ index, at, events: stored }: Commit): void {
    const events = stored.map((event) => upcastEvent(event))
    this.#state.at = at
    try {
      for (const event of events) {
        this.#state = reduceEvent(this.#state, event)
        const mark = { version: this.#state.version, at }
        // What was out when a run was forked is so for every task.
        if (event.type === 'run-forked') for (const history of this.histories) history.fold(event, mark)
        else this.#byId.get(taskIdOf(event))?.fold(event, mark)
      }
    } catch (error) {
      throw contradiction(this.runId, index, error)
    }
  }
}
