import type { Decided, Decision, Refusal } from '../flow/decision.js'
import { type Command, type CommandInput, commandSchema } from '../protocol/commands.js'
import { isRepriseError, RepriseError } from '../protocol/errors.js'
import type { RunId, TaskId } from '../protocol/ids.js'
import { changesMax } from './changes-since.js'
import { issueToken, readToken } from './context-token.js'
import type { CommandOutcome, DispatchReport, RoundReport } from './outcomes.js'
import { readChanges } from './read-changes.js'
import { prepareRound, type Round, type RoundOptions } from './round.js'
import type { RunCore } from './run-core.js'
import type { RunStatus } from './run-status.js'

/** Commands as data, with or without a context token, and what is said of them. */
export class Commander {
  /** A callback of a round is running. */
  private asking = false

  constructor(private readonly core: RunCore) {}

  async execute(command: CommandInput, token?: string): Promise<CommandOutcome> {
    this.refuseInsideRound(command)
    const parsed = this.parse(command)
    const decision = this.unlessLetGo(await this.submit(parsed, token))
    const standing = this.standing(token)
    if (decision.ok) return { ok: true, ...standing, report: reportOf(decision) }
    const known = this.knownAfterClosing(parsed)
    if (known !== null) return { ok: true, ...standing, report: known }
    return { ok: false, ...standing, ...(await this.refused(decision.refusal, token)) }
  }

  async round(options: RoundOptions): Promise<RoundReport> {
    this.refuseInsideRound({ type: 'round' })
    const { token } = options
    const { pipeline } = this.core
    const prepared = await prepareRound(
      {
        snapshot: async (read) => (await pipeline.snapshot(read)).value,
        context: () => ({ ...pipeline.context(), ...(token !== undefined && { evaluateFirst: true }) }),
        ask: (callback) => this.ask(callback),
        parse: (round) => this.parse({ type: 'round', ...round } as CommandInput) as Round,
      },
      options,
    )
    const decision = this.unlessLetGo(
      'code' in prepared ? { ok: false, refusal: prepared } : await this.submit(prepared, token),
    )
    const standing = this.standing(token)
    if (!decision.ok) return { progress: false, ...standing, ...(await this.refused(decision.refusal, token)) }
    return { progress: true, ...standing, ...roundOf(decision), report: reportOf(decision) }
  }

  contextToken(): string {
    const { position, status } = this.core.pipeline
    return issueToken(this.core.runId, status, position.first ?? '')
  }

  /** Until it returns, which is until it first waits: nothing else can run meanwhile. */
  private ask<T>(callback: () => T): T {
    this.asking = true
    try {
      return callback()
    } finally {
      this.asking = false
    }
  }

  private refuseInsideRound(command: Pick<CommandInput, 'type'>): void {
    if (!this.asking) return
    throw new RepriseError(
      'INVALID_INPUT',
      `A callback of a round of run ${this.core.runId} called a method of the run (${command?.type}). Nothing was recorded. Return it as a command: what a round does stands in one commit, or not at all.`,
      { details: { runId: this.core.runId, command: command?.type } },
    )
  }

  private parse(command: CommandInput): Command {
    const parsed = commandSchema.safeParse(command)
    if (!parsed.success) throw invalidCommand(this.core.runId, command, parsed.error.issues)
    return parsed.data
  }

  private async submit(command: Command, token?: string): Promise<Decision> {
    const { pipeline, signal, runId } = this.core
    // A run that has ended says so itself.
    if (signal.aborted && pipeline.status.mode !== 'closed') throw signal.reason
    if (token === undefined) return this.core.command(command)
    try {
      const basis = readToken(runId, token, pipeline.position.first ?? '', pipeline.state.version)
      return await this.core.command(command, { basis })
    } catch (error) {
      if (!isRepriseError(error, 'TOKEN_INVALID')) throw error
      return { ok: false, refusal: error }
    }
  }

  /** Whoever asked while the lock went back must hear why, not that nobody holds it. */
  private unlessLetGo(decision: Decision): Decision {
    const { signal } = this.core
    if (!decision.ok && decision.refusal.code === 'LOCK_LOST' && signal.aborted) throw signal.reason
    return decision
  }

  private standing(token: string | undefined): { status: RunStatus; token?: string } {
    return { status: this.core.pipeline.status, ...(token !== undefined && { token: this.contextToken() }) }
  }

  /** To who knows an older version of the run: what has happened since, whatever the refusal is. */
  private async refused({ code, message }: Refusal, token: string | undefined) {
    const { log, pipeline, runId } = this.core
    const { position, state, status } = pipeline
    if (token === undefined || code === 'TOKEN_INVALID') return { code, message }
    const { version } = readToken(runId, token, position.first ?? '', state.version)
    if (version >= status.version) return { code, message }
    const head = { commits: position.commits, version: status.version }
    // The refusal stands even if the log cannot be read, perhaps since the run has ended and the adapter is closed.
    const changes = await readChanges(log, runId, version, head, changesMax).catch(() => undefined)
    return { code, message, ...(changes && { changes }) }
  }

  /** A script that runs once more after its run has ended dispatches what is settled: that is no error. */
  private knownAfterClosing(command: Command): DispatchReport | null {
    const { state } = this.core.pipeline
    if (state.mode !== 'closed' || command.type !== 'dispatch') return null
    const known = command.tasks.map((task) => task.taskId)
    const isKnown = (taskId: TaskId) => state.settled.has(taskId) || state.tasks.has(taskId)
    return known.every(isKnown) ? { dispatched: [], planned: [], known, refused: [] } : null
  }
}

function roundOf({ events }: Decided): { round: number; summary: string; settled: TaskId[] } {
  const settled: TaskId[] = []
  let closed = { round: 0, summary: '' }
  for (const event of events) {
    if (event.type === 'round-closed') closed = event.data
    if (event.type === 'task-accepted' || event.type === 'task-cancelled' || event.type === 'task-abandoned') {
      settled.push(event.data.taskId)
    }
  }
  return { ...closed, settled }
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
