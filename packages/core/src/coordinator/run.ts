import { EventEmitter } from 'eventemitter3'
import type { Decided, SpawnRefusal } from '../flow/decision.js'
import type { GateResult } from '../flow/resume-gates.js'
import type { Command, CommandInput } from '../protocol/commands.js'
import { commandSchema } from '../protocol/commands.js'
import { RepriseError } from '../protocol/errors.js'
import type { RunId, TaskId } from '../protocol/ids.js'
import type { TaskRequest } from '../protocol/task.js'
import { readTime, type TimeInput } from '../protocol/time.js'
import type { RunCore } from './run-core.js'
import type { RunEvents } from './run-events.js'
import type { RunStatus } from './run-status.js'
import type { TaskResult } from './task-result.js'

/** What became of a `dispatch`: every task is in one of these. */
export interface DispatchReport {
  readonly dispatched: readonly TaskId[]
  /** Waits for a slot, a time or another task; goes out by itself. */
  readonly planned: readonly TaskId[]
  /** In the log before; nothing to do. */
  readonly known: readonly TaskId[]
  /** Kept out by a limit, on record. */
  readonly refused: readonly SpawnRefusal[]
}

/** `execute`: what a command did, or why it did nothing. */
export type CommandOutcome =
  | { readonly ok: true; readonly status: RunStatus; readonly report: DispatchReport }
  | { readonly ok: false; readonly code: RepriseError['code']; readonly message: string; readonly status: RunStatus }

/**
 * A run that this process coordinates. Every method resolves once what it did is durable, and rejects with a
 * `RepriseError`: the code of a refusal (nothing happened), `LOCK_LOST` or another one that ends this object.
 */
export class Run extends EventEmitter<RunEvents> {
  readonly id: RunId
  /** The resume gates as they were passed when this object was opened, with their evidence. */
  readonly gates: readonly GateResult[]
  /** Aborts when this object has ended: closed, or stopped by an error, which is then the reason. */
  readonly signal: AbortSignal
  readonly #core: RunCore

  /** Use `openRun`. */
  constructor(core: RunCore, gates: readonly GateResult[]) {
    super()
    this.#core = core
    this.id = core.runId
    this.gates = gates
    this.signal = core.signal
    core.listener = this
  }

  /** Where the run stands, by the newest durable commit; names its version. */
  get status(): RunStatus {
    return this.#core.pipeline.status
  }

  /**
   * Takes tasks in. A task id that is in the log already is not dispatched again, so the same call after a restart
   * is harmless. What has no slot yet, must wait for a time or for another task is planned and goes out by itself.
   * Rejects with `SPAWN_REFUSED` if a limit kept tasks out (`details.refused`); the others are in.
   */
  async dispatch(tasks: TaskRequest | readonly TaskRequest[]): Promise<DispatchReport> {
    const report = await this.#verb({
      type: 'dispatch',
      tasks: Array.isArray(tasks) ? [...tasks] : [tasks as TaskRequest],
    })
    const [first] = report.refused
    if (first === undefined) return report
    throw new RepriseError(
      'SPAWN_REFUSED',
      `${report.refused.length} tasks were kept out of run ${this.id}, the first ${first.taskId}: ${first.rule} is ${first.limit}, the run stands at ${first.value}. The others were taken in.`,
      { details: { refused: report.refused, report } },
    )
  }

  /**
   * What comes back, one by one, those that wait from an earlier life of the run first. Settle each before asking
   * for the next; one that is settled otherwise meanwhile is left out. Ends when everything was handed over and
   * nothing can come by itself: nothing is out, and what is planned, if anything, waits for tasks that were handed over
   * and are not accepted, while the run is neither paused nor blocked. Ends with the run too; rejects when this object
   * stops before that, with `CLOSED` if it was closed.
   */
  async *results(options: { signal?: AbortSignal } = {}): AsyncGenerator<TaskResult, void> {
    const { feed } = this.#core
    for await (const batch of feed.read(options.signal)) {
      for (const result of batch) if (feed.isWaiting(result)) yield result
    }
  }

  /** As `results`, in groups as they became durable: settling a group at once shares one commit. */
  resultBatches(options: { signal?: AbortSignal } = {}): AsyncGenerator<TaskResult[], void> {
    return this.#core.feed.read(options.signal)
  }

  async accept(taskId: string): Promise<void> {
    await this.#verb({ type: 'accept', taskId })
  }

  async reject(taskId: string, reason: string): Promise<void> {
    await this.#verb({ type: 'reject', taskId, reason })
  }

  async retry(taskId: string, reason: string): Promise<void> {
    await this.#verb({ type: 'retry', taskId, reason })
  }

  /** Settles a task that is not wanted any more; its worker's signal aborts. Tasks that wait for it are cancelled too. */
  async cancel(taskId: string, reason: string): Promise<void> {
    await this.#verb({ type: 'cancel', taskId, reason })
  }

  /** Settles a task that cannot be done. Tasks that wait for it are cancelled. */
  async abandon(taskId: string, reason: string): Promise<void> {
    await this.#verb({ type: 'abandon', taskId, reason })
  }

  /** Nothing more goes out; what is out comes back and can be settled. */
  async pause(reason: string): Promise<void> {
    await this.#verb({ type: 'pause', reason })
  }

  async unpause(reason: string): Promise<void> {
    await this.#verb({ type: 'unpause', reason })
  }

  /** As `pause`, for something outside that must be mended first. */
  async block(reason: string): Promise<void> {
    await this.#verb({ type: 'block', reason })
  }

  async unblock(reason: string): Promise<void> {
    await this.#verb({ type: 'unblock', reason })
  }

  /** When somebody should look at this run next. */
  async setCheckpoint(dueAt: TimeInput, note: string): Promise<void> {
    const time = readTime(dueAt)
    if (time === null) {
      throw new RepriseError(
        'INVALID_INPUT',
        `The checkpoint for run ${this.id} has no valid time. Pass a Date, or an ISO 8601 string with its zone such as 2030-01-31T09:00:00Z.`,
        { details: { runId: this.id } },
      )
    }
    await this.#verb({ type: 'set-checkpoint', dueAt: time, note })
  }

  async note(text: string): Promise<void> {
    await this.#verb({ type: 'note', text })
  }

  async closeRound(summary: string): Promise<void> {
    await this.#verb({ type: 'close-round', summary })
  }

  /** Ends the run. Rejects with `UNSETTLED` while a task is. A run that is complete already stays as it is. */
  async complete(summary: string): Promise<void> {
    if (this.status.status === 'complete') return
    await this.#verb({ type: 'complete', summary })
  }

  /** Ends the run without success; what is out is withdrawn. */
  async fail(reason: string): Promise<void> {
    await this.#verb({ type: 'fail', reason })
  }

  /** Any command, as data. A refusal is a value here. */
  async execute(command: CommandInput): Promise<CommandOutcome> {
    const parsed = commandSchema.safeParse(command)
    if (!parsed.success) throw invalidCommand(this.id, command, parsed.error.issues)
    // A run that has ended says so itself.
    if (this.signal.aborted && this.status.mode !== 'closed') throw this.signal.reason
    const decision = await this.#core.pipeline.submit(parsed.data)
    const { status } = this
    if (decision.ok) return { ok: true, status, report: reportOf(decision) }
    const known = this.#knownAfterClosing(parsed.data)
    if (known !== null) return { ok: true, status, report: known }
    return { ok: false, code: decision.refusal.code, message: decision.refusal.message, status }
  }

  /**
   * Lets the run go: what was decided becomes durable, the lock is released. The run itself stays open for the next
   * `openRun`. Closing twice is harmless.
   */
  close(): Promise<void> {
    return this.#core.close('closed by its coordinator')
  }

  async #verb(command: CommandInput): Promise<DispatchReport> {
    const outcome = await this.execute(command)
    if (outcome.ok) return outcome.report
    throw new RepriseError(outcome.code, outcome.message, { details: { runId: this.id, command: command.type } })
  }

  /** A script that runs once more after its run has ended dispatches what is settled: that is no error. */
  #knownAfterClosing(command: Command): DispatchReport | null {
    const { state } = this.#core.pipeline
    if (state.mode !== 'closed' || command.type !== 'dispatch') return null
    const known = command.tasks.map((task) => task.taskId)
    const isKnown = (taskId: TaskId) => state.settled.has(taskId) || state.tasks.has(taskId)
    return known.every(isKnown) ? { dispatched: [], planned: [], known, refused: [] } : null
  }
}

function reportOf({ events, known, refused }: Decided): DispatchReport {
  const dispatched: TaskId[] = []
  const planned: TaskId[] = []
  for (const event of events) {
    if (event.type === 'dispatched') dispatched.push(event.data.taskId)
    else if (event.type === 'planned') planned.push(event.data.taskId)
  }
  return { dispatched, planned, known, refused }
}

function invalidCommand(
  runId: RunId,
  command: CommandInput,
  issues: readonly { path: PropertyKey[]; message: string }[],
) {
  const [issue] = issues
  const where = issue?.path.join('.') || 'its top'
  return new RepriseError(
    'INVALID_INPUT',
    `The command ${String((command as { type?: unknown } | null | undefined)?.type)} for run ${runId} is invalid at ${where}: ${issue?.message}. Nothing was recorded.`,
    { details: { runId, path: issue?.path.map(String) } },
  )
}
