import { checkRunId, contradiction } from '../coordinator/load-run.js'
import { initialState, reduceEvent } from '../flow/reduce-event.js'
import { TaskHistory, taskIdOf } from '../flow/task-history.js'
import { ChainReader } from '../log/chain-reader.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { Commit, RunEvent } from '../protocol/events.js'
import type { RunId, TaskId } from '../protocol/ids.js'
import type { RunState } from '../protocol/state.js'
import { upcastEvent } from '../protocol/upcast.js'
import { type RunMark, RunMarks } from './run-marks.js'
import { TaskStory } from './task-story.js'

/**
 * A run as its log tells it, with the events that made it so: read once, and then what came since. In memory: the state,
 * the histories of the open tasks, and the story of one task, if one was asked for.
 */
export class RunReading {
  readonly runId: RunId
  readonly marks = new RunMarks()
  readonly histories = new Map<TaskId, TaskHistory>()
  readonly story: TaskStory | null
  readonly #log: CommitLog
  readonly #chain = new ChainReader()
  #state = initialState()

  constructor(log: CommitLog, runId: RunId, taskId: TaskId | null = null) {
    this.#log = log
    this.runId = runId
    this.story = taskId === null ? null : new TaskStory(taskId)
  }

  get state(): RunState {
    return this.#state
  }

  /**
   * Reads up to the newest commit; says whether there were any. `LOG_CORRUPT` at the first bad commit, `LOG_TOO_NEW` at
   * the first unknown event, `RUN_MISMATCH` for the log of another run.
   */
  async readOn(): Promise<boolean> {
    const before = this.#chain.commits
    for await (const lines of this.#log.read(this.runId, before)) {
      for (const line of lines) this.#fold(this.#chain.next(line))
    }
    checkRunId(this.#state.runId, this.runId)
    return this.#chain.commits > before
  }

  #fold({ index, at, actor, events }: Commit): void {
    this.#state.at = at
    try {
      for (const stored of events) {
        const event = upcastEvent(stored)
        this.#state = reduceEvent(this.#state, event)
        const mark = { version: this.#state.version, at, by: event.cause?.sender ?? actor }
        this.marks.fold(event, mark, this.#state)
        this.story?.fold(event, mark)
        this.#follow(event, mark)
      }
    } catch (error) {
      throw contradiction(this.runId, index, error)
    }
  }

  /** Histories of what is open, and of nothing else: whoever is refused may name any task. */
  #follow(event: RunEvent, mark: RunMark): void {
    // What was out when a run was forked is so for every task.
    if (event.type === 'run-forked') for (const history of this.histories.values()) history.fold(event, mark)
    const taskId = taskIdOf(event) as TaskId | undefined
    if (taskId === undefined) return
    let history = this.histories.get(taskId)
    if (!this.#state.tasks.has(taskId)) {
      if (history !== undefined) this.histories.delete(taskId)
      return
    }
    if (history === undefined) {
      history = new TaskHistory(taskId)
      this.histories.set(taskId, history)
    }
    history.fold(event, mark)
  }
}
