import type { ContextBasis, Decided, Decision, Refusal } from '../flow/decision.js'
import { type Command, type CommandInput, commandSchema } from '../protocol/commands.js'
import { isRepriseError, RepriseError } from '../protocol/errors.js'
import type { RunId, TaskId } from '../protocol/ids.js'
import { changesMax } from './changes-since.js'
import { issueToken, readToken } from './context-token.js'
import type { CommandOutcome, DispatchReport, RoundReport, Standing } from './outcomes.js'
import { readChanges } from './read-changes.js'
import { prepareRound, type Round, type RoundOptions } from './round.js'
import type { RunCore } from './run-core.js'

/** Commands as data, with or without a context token, and what is said of them. */
export class Commander {
  /** A callback of a round is running. */
  private asking = false

  constructor(private readonly core: RunCore) {}

  async execute(command: CommandInput, token?: string): Promise<CommandOutcome> {
    this.refuseInsideRound(command)
    const parsed = this.parse(command)
    const decision = this.unlessLetGo(await this.submit(parsed, token))
    const standing = await this.standing(decision, token)
    if (decision.ok) return { ok: true, ...standing, report: reportOf(decision) }
    const known = this.knownAfterClosing(parsed)
    if (known !== null) return { ok: true, ...standing, report: known }
    const { code, message, details } = decision.refusal
    return { ok: false, ...standing, code, message, ...(details && { details }) }
  }

  async round(options: RoundOptions): Promise<RoundReport> {
    this.refuseInsideRound({ type: 'round' })
    const { token } = options
    const basis = this.basisOf(token)
    const prepared = basis !== undefined && 'code' in basis ? basis : await this.prepare(options)
    const decision = this.unlessLetGo(
      'code' in prepared ? { ok: false, refusal: prepared } : await this.submit(prepared, token),
    )
    const standing = await this.standing(decision, token)
    if (decision.ok) return { progress: true, ...standing, ...roundOf(decision), report: reportOf(decision) }
    const { code, message, details } = decision.refusal
    return { progress: false, ...standing, code, message, ...(details && { details }) }
  }

  contextToken(): string {
    const { position, state, status } = this.core.pipeline
    const { version, epoch } = status
    return issueToken(this.core.runId, { version, epoch, holder: state.lock?.holder.id ?? null }, position.first ?? '')
  }

  private prepare(options: RoundOptions): Promise<Round | Refusal> {
    const { pipeline } = this.core
    return prepareRound(
      {
        snapshot: async (read) => (await pipeline.snapshot(read)).value,
        context: () => ({ ...pipeline.context(), ...(options.token !== undefined && { evaluateFirst: true }) }),
        ask: (callback) => this.ask(callback),
        parse: (round) => this.parse({ type: 'round', ...round } as CommandInput) as Round,
      },
      options,
    )
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
    const { pipeline, signal } = this.core
    // A run that has ended says so itself.
    if (signal.aborted && pipeline.status.mode !== 'closed') throw signal.reason
    const basis = this.basisOf(token)
    if (basis === undefined) return this.core.command(command)
    return 'code' in basis ? { ok: false, refusal: basis } : this.core.command(command, { basis })
  }

  /** The run as the bearer of a token knows it, or why that is not known. */
  private basisOf(token: string | undefined): ContextBasis | Refusal | undefined {
    if (token === undefined) return undefined
    const { runId } = this.core
    const { position, state } = this.core.pipeline
    const { version, epoch, lock } = state
    try {
      const log = { version, epoch, holder: lock?.holder.id ?? null }
      return readToken(runId, String(token), position.first ?? '', log)
    } catch (error) {
      if (!isRepriseError(error, 'TOKEN_INVALID')) throw error
      return error
    }
  }

  /** Whoever asked while the lock went back must hear why, not that nobody holds it. */
  private unlessLetGo(decision: Decision): Decision {
    const { signal } = this.core
    if (!decision.ok && decision.refusal.code === 'LOCK_LOST' && signal.aborted) throw signal.reason
    return decision
  }

  /**
   * Where the run stands now. To who knows an older version of it: what has happened since, whatever was decided, and a
   * token for who has read that. Without it, the new token would stand for a belief that nobody has.
   */
  private async standing(decision: Decision, token: string | undefined): Promise<Standing> {
    const { log, pipeline, runId } = this.core
    const { position, status } = pipeline
    const basis = this.basisOf(token)
    if (token === undefined || basis === undefined || 'code' in basis) return { status }
    const fresh = this.contextToken()
    const own = decision.ok ? decision.events.length : 0
    if (basis.version + own >= status.version) return { status, token: fresh }
    const head = { commits: position.commits, version: status.version }
    try {
      return { status, token: fresh, changes: await readChanges(log, runId, basis.version, head, changesMax) }
    } catch {
      // What was decided stands even if the log cannot be read, perhaps since the run has ended and the adapter is closed.
      return { status, token }
    }
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
