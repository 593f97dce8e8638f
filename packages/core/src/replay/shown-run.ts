import { issueToken, readToken } from '../coordinator/context-token.js'
import { loadRun, unknownRun } from '../coordinator/load-run.js'
import type { RunStatus } from '../coordinator/run-status.js'
import type { ContextBasis, Refusal } from '../flow/decision.js'
import { staleRefusal } from '../flow/stale-context.js'
import type { Adapter } from '../ports/adapter.js'
import type { Command } from '../protocol/commands.js'
import type { RunId } from '../protocol/ids.js'
import type { RunState } from '../protocol/state.js'

interface ShownRunOptions {
  readonly adapter: Adapter
  readonly runId: RunId
  readonly token: string
}

interface Looked {
  readonly basis: ContextBasis
  readonly state: RunState
  readonly first: string
}

/**
 * A run as the bearer of a token was shown it, and as its log is before it is taken up for a command. What is stale then
 * stays stale, so such a command takes nothing and sends nothing.
 */
export class ShownRun {
  #looked: Promise<Looked> | null = null

  constructor(private readonly options: ShownRunOptions) {}

  /** Why a command must not be obeyed. Rejects with `TOKEN_INVALID`, `RUN_UNKNOWN`, or what reading the log rejects with. */
  async refuses(command: Command): Promise<Refusal | null> {
    const { state, basis } = await this.look()
    // A run that has ended says so itself.
    return state.mode === 'closed' ? null : staleRefusal(state, command, basis)
  }

  /**
   * The token for a command that this process took the run up for: that alone makes nothing stale. Everything that was
   * recorded since counts, also by the resume itself. If somebody else was there in between, it is the one that was passed.
   */
  async tokenAfterTaking({ epoch }: RunStatus): Promise<string> {
    const { runId, token } = this.options
    const { state, first } = await this.look()
    if (epoch !== state.version + 1) return token
    return issueToken(runId, { version: epoch, epoch }, first)
  }

  /**
   * The token for a dispatch that follows another one, which was decided at that version: under this epoch, if the run was
   * taken up for it. What was recorded behind it counts.
   */
  async tokenBehind(version: number, epoch: number | null): Promise<string> {
    const { basis, first } = await this.look()
    return issueToken(this.options.runId, { version, epoch: epoch ?? basis.epoch }, first)
  }

  private look(): Promise<Looked> {
    this.#looked ??= this.read()
    return this.#looked
  }

  private async read(): Promise<Looked> {
    const { adapter, runId, token } = this.options
    const { state, first } = await loadRun(adapter.log, runId, { snapshots: adapter.snapshots })
    if (first === null) throw unknownRun(runId)
    const { version, epoch, lock } = state
    const basis = readToken(runId, token, first, { version, epoch, holder: lock?.holder.id ?? null })
    return { basis, state, first }
  }
}
