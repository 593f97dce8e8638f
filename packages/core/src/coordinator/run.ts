import { EventEmitter } from 'eventemitter3'
import { frozenCopy } from '../flow/frozen-copy.js'
import type { GateResult } from '../flow/resume-gates.js'
import { type RunView, viewOf } from '../flow/run-view.js'
import type { CommandInput } from '../protocol/commands.js'
import { RepriseError } from '../protocol/errors.js'
import type { RunId, TaskId } from '../protocol/ids.js'
import { type Outcome, settledOutcome } from '../protocol/state.js'
import type { TaskRequest } from '../protocol/task.js'
import { readTime, type TimeInput } from '../protocol/time.js'
import { type BriefingOptions, finishBriefing, type RunBriefing, wholeBriefing } from './brief-run.js'
import { Commander } from './commander.js'
import type { CommandOutcome, CompletionReport, DispatchReport, RoundReport } from './outcomes.js'
import type { RoundOptions } from './round.js'
import type { RunCore } from './run-core.js'
import type { RunEvents } from './run-events.js'
import type { RunStatus } from './run-status.js'
import { readSettlements, type Settlement } from './settlements.js'
import type { TaskResult } from './task-result.js'

type Evidence = readonly NonNullable<Extract<CommandInput, { type: 'complete' }>['evidence']>[number][]

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
  readonly #commander: Commander

  /** Use `openRun`. */
  constructor(core: RunCore, gates: readonly GateResult[]) {
    super()
    this.#core = core
    this.#commander = new Commander(core)
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

  /** Evidence for a success criterion, by its number or text. `tasks`: accepted ones that show it. */
  async meetCriterion(criterion: number | string, evidence: string, tasks: readonly string[] = []): Promise<void> {
    await this.#verb({ type: 'meet-criterion', criterion, evidence, tasks: [...tasks] })
  }

  /** Takes evidence back that has turned out wrong. */
  async reopenCriterion(criterion: number | string, reason: string): Promise<void> {
    await this.#verb({ type: 'reopen-criterion', criterion, reason })
  }

  /**
   * Ends the run, and says what was checked. Rejects with `UNSETTLED` while a task is, with `EVIDENCE_MISSING` while a
   * success criterion has none, with `STATE_FILE_FAILED` if the state file cannot be made equal to the log. `evidence`
   * is for criteria that have none yet. A run that is complete already stays as it is.
   */
  async complete(summary: string, options: { readonly evidence?: Evidence } = {}): Promise<CompletionReport> {
    if (this.status.status !== 'complete') {
      await this.#verb({ type: 'complete', summary, evidence: [...(options.evidence ?? [])] })
    }
    const { closing, checklist } = this.#core.pipeline.state
    return { summary: closing ?? '', checklist: checklist ?? [], status: this.status }
  }

  /** Ends the run without success; what is out is withdrawn. */
  async fail(reason: string): Promise<void> {
    await this.#verb({ type: 'fail', reason })
  }

  /**
   * Any command, as data. A refusal is a value here. With a `token` it is refused if what it depends on has changed since
   * that was issued, and nothing is dispatched before all returned work is settled; obeyed or not, `changes` is what its
   * bearer has not been shown.
   */
  execute(command: CommandInput, options: { readonly token?: string } = {}): Promise<CommandOutcome> {
    return this.#commander.execute(command, options.token)
  }

  /**
   * One round: READ the run, RECOVER it, DECIDE what is next, PERSIST both as one commit, REPORT what the log then says.
   * The callbacks get a frozen copy of the run and return commands. One that is refused refuses the whole round, which is then
   * no progress, as is one that would change nothing (`NO_PROGRESS`): nothing of it is recorded, and the report says why.
   */
  round(options: RoundOptions): Promise<RoundReport> {
    return this.#commander.round(options)
  }

  /**
   * Says which version of this run somebody was shown, for `execute` and `sendCommand`: signed, so that it cannot be made
   * up, but no permission.
   */
  contextToken(): string {
    return this.#commander.contextToken()
  }

  /**
   * Tells somebody who knows nothing any more where the run stands, what came back, what may be done and what would be
   * refused, from the log alone, within a budget of tokens. The same log gives the same text.
   */
  async briefing(options: BriefingOptions = {}): Promise<RunBriefing> {
    const { value } = await this.#core.pipeline.snapshot(wholeBriefing)
    return finishBriefing(value, this.#core.pipeline.position.first ?? '', options)
  }

  /** How each of these tasks was settled, by the newest durable commit; those that are open or unknown are left out. */
  async outcomes(taskIds: Iterable<string>): Promise<Map<TaskId, Outcome>> {
    const { value } = await this.#core.pipeline.snapshot(({ settled }) => {
      const outcomes = new Map<TaskId, Outcome>()
      for (const taskId of taskIds as Iterable<TaskId>) {
        const packed = settled.get(taskId)
        if (packed !== undefined) outcomes.set(taskId, settledOutcome(packed))
      }
      return outcomes
    })
    return value
  }

  /** @internal Those of these tasks that have stopped and wait for a decision, by the newest durable commit. */
  async stoppedAmong(taskIds: readonly string[]): Promise<ReadonlySet<string>> {
    const { value } = await this.#core.pipeline.snapshot(({ stopped }) =>
      taskIds.filter((taskId) => stopped.has(taskId as TaskId)),
    )
    return new Set(value)
  }

  /**
   * How these tasks were settled, with receipts and reasons, in that order, as the log tells it. Reads the whole log once.
   * `taskIds` may grow meanwhile: a task counts if it is in there when its receipt came.
   */
  settlements(taskIds: ReadonlySet<string>): AsyncGenerator<Settlement, void> {
    return readSettlements(this.#core.log, this.id, taskIds)
  }

  /** A frozen copy of the run as the newest durable commit leaves it. */
  async view(): Promise<RunView> {
    return (await this.#core.pipeline.snapshot((state) => frozenCopy(viewOf(state)))).value
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
    throw new RepriseError(outcome.code, outcome.message, {
      details: { ...outcome.details, runId: this.id, command: command.type },
    })
  }
}
