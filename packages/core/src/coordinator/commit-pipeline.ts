import { decideCommand, type InternalCommand } from '../flow/decide-command.js'
import { decideRest } from '../flow/decide-lock.js'
import type { ContextBasis, DecideContext, Decided, Decision } from '../flow/decision.js'
import { reduceEvent } from '../flow/reduce-event.js'
import { encodeCommit } from '../log/commit-record.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { Runtime } from '../ports/runtime.js'
import type { Command } from '../protocol/commands.js'
import { isRepriseError, RepriseError } from '../protocol/errors.js'
import type { Cause, RunEvent } from '../protocol/events.js'
import type { RunId } from '../protocol/ids.js'
import type { RunState } from '../protocol/state.js'
import { isoTime } from '../protocol/time.js'
import { type DurableAt, DurableReads, type Snapshot } from './durable-reads.js'
import type { LoadedRun } from './load-run.js'
import { type RunStatus, statusOf } from './run-status.js'
import { eventBytesMax, splitDecision, withCause, withinOneCommit } from './split-decision.js'

/** A commit that is durable, with what follows from it. */
export interface DurableCommit extends Pick<Decided, 'offers' | 'withdrawals'> {
  readonly index: number
  readonly hash: string
  readonly events: readonly RunEvent[]
  readonly status: RunStatus
}

export interface PipelineOptions {
  readonly log: CommitLog
  readonly runId: RunId
  readonly runtime: Runtime
  /** Who decides and signs commits: the holder's id. */
  readonly actor: string
  readonly loaded: LoadedRun
  /** How long a failing append is tried again. Milliseconds. */
  readonly patienceMs: number
  /** Called with each failure of an append that is tried again. Must not throw. */
  readonly onFailed: (error: unknown) => void
  /** Called in order, before those who wait for the commit go on. Must not throw. */
  readonly onDurable: (commit: DurableCommit) => void
  /** Called when everything decided is durable. Must not throw. */
  readonly onIdle: () => void
  /** Called once, when nothing more can be appended. */
  readonly onStopped: (error: RepriseError) => void
}

/** Events that will stand in one commit. */
interface Batch {
  readonly at: string
  readonly events: RunEvent[]
  readonly texts: string[]
  bytes: number
  epoch: number
  readonly offers: Decided['offers']
  readonly withdrawals: Decided['withdrawals']
  /** As the events of this batch leave it; later ones may be folded already. */
  status: RunStatus | null
  readonly durable: Promise<void>
  readonly settle: { resolve: () => void; reject: (error: unknown) => void }
}

/** How a decision came to be asked for. */
export interface SubmitOptions {
  /** The inbox message that it answers. */
  readonly cause?: Cause
  /** The run as whoever asks knows it. */
  readonly basis?: ContextBasis
  readonly projection?: string
}

const appendBackoffMs = 50
const appendBackoffMaxMs = 2_000
/** An append without an answer for so long stops the coordinator: its outcome is not known. Milliseconds. */
const appendTimeoutMs = 30_000
/**
 * Decides commands one after the other and appends what follows, in groups: what is decided while one append is under
 * way goes into the next commit. The state runs ahead of the log by the commits under way; nothing of it is shown
 * before its commit is durable, and a failed append ends this pipeline, never rebases it.
 */
export class CommitPipeline {
  private readonly batches: Batch[] = []
  private readonly loaded: { commits: number; head: string; first: string | null }
  private readonly reads = new DurableReads()
  private version: number
  private flushing = false
  private scheduled = false
  private appendStartedAt: number | null = null
  private stopped: RepriseError | null = null
  private advancing = false
  private catchingUp = true
  private current: Batch | null = null
  /** Ahead of the log by what is under way. Read only. */
  readonly state: LoadedRun['state']
  /** By the newest durable commit. */
  status: RunStatus

  constructor(private readonly options: PipelineOptions) {
    const { state, commits, head, first } = options.loaded
    this.state = state
    this.version = state.version
    this.loaded = { commits, head, first }
    this.status = statusOf(state)
  }

  /** Decides at once; resolves when what follows is durable. A refusal is a value; rejects when the pipeline stopped. */
  async submit(command: Command | InternalCommand, options: SubmitOptions = {}): Promise<Decision> {
    if (this.stopped !== null) throw this.stopped
    const { cause, basis, projection } = options
    const context = { ...this.context(), ...(basis && { basis }), ...(projection && { projection }) }
    let decision = decideCommand(this.state, command, context)
    if (decision.ok && decision.atomic) decision = withinOneCommit(decision, this.options.runId, cause)
    if (!decision.ok || decision.events.length === 0) {
      // It was judged by a state that may not be durable yet: it must not be told before that is.
      await this.drained()
      return decision
    }
    try {
      await this.add(decision, cause).durable
      return decision
    } catch (error) {
      // A broken invariant while folding: the state is not what the log will say, so nothing more may be decided on it.
      if (!(error instanceof RepriseError)) this.stop(unexpected(error, this.options.runId))
      throw error
    }
  }

  /** Looks whether planned tasks can go out now, and appends what follows. */
  poke(): void {
    if (this.scheduled || this.flushing || this.stopped !== null) return
    this.scheduled = true
    this.options.runtime.defer(() => {
      this.scheduled = false
      if (!this.flushing) void this.flush()
    })
  }

  /** Everything that had come back is recorded: what is asked for now may go out. Before, it is planned. */
  caughtUp(): void {
    this.catchingUp = false
  }

  /** From now on planned tasks go out as slots become free. */
  letOut(): void {
    this.catchingUp = false
    this.advancing = true
    this.poke()
  }

  /** Resolves once everything decided so far is durable. Rejects when the pipeline stopped. */
  async drained(): Promise<void> {
    await (this.batches.at(-1) ?? this.current)?.durable
    if (this.stopped !== null) throw this.stopped
  }

  /**
   * What `read` makes of the state that a durable commit leaves, with where that is in the log. Nothing of what is under
   * way is seen: `read` runs at once if nothing is, else with the next commit that the state does not run ahead of.
   */
  snapshot<T>(read: (state: RunState) => T): Promise<Snapshot<T>> {
    if (this.stopped !== null) return Promise.reject(this.stopped)
    const reading = this.reads.ask(() => read(this.state))
    if (this.idle) {
      this.reads.take()
      this.reads.show(this.durableAt)
    }
    return reading
  }

  /** Position of the newest durable commit; `first` is the hash of the first one. */
  get position(): { readonly commits: number; readonly head: string; readonly first: string | null } {
    return this.loaded
  }

  /** Nothing decided waits for its commit. */
  get idle(): boolean {
    return !this.flushing && this.batches.length === 0
  }

  /** Stops when the append under way has had no answer for too long. Called now and then: no timer per append. */
  checkDeadline(): void {
    if (this.appendStartedAt === null || this.options.runtime.now() - this.appendStartedAt < appendTimeoutMs) return
    this.stop(
      new RepriseError(
        'ADAPTER_UNAVAILABLE',
        `Appending commit ${this.loaded.commits} to run ${this.options.runId} had no answer for ${appendTimeoutMs} ms. Whether it stands is not known; open the run again to go on from what the log says.`,
      ),
    )
  }

  /** Stops if somebody else has appended. Nothing depends on asking: the next append would find out as well. */
  async checkFence(): Promise<void> {
    const { log, runId } = this.options
    const head = await log.head(runId)
    if (this.flushing || head === null || head.index < this.loaded.commits) return
    this.stop(lockLost(runId, this.loaded.commits))
  }

  /** Nothing is appended any more; whoever waits is told `error`. */
  stop(error: RepriseError): void {
    if (this.stopped !== null) return
    this.stopped = error
    // The one under way too: its append may never answer.
    this.current?.settle.reject(error)
    for (const batch of this.batches.splice(0)) batch.settle.reject(error)
    this.reads.reject(error)
    this.options.onStopped(error)
  }

  private get durableAt(): DurableAt {
    const { head: hash, commits, first } = this.loaded
    return { version: this.version, hash, commits, first }
  }

  context(): DecideContext {
    const nowMs = this.options.runtime.now()
    const always = { nowMs, now: isoTime(nowMs), holderId: this.options.actor }
    return this.catchingUp ? { ...always, isCatchingUp: true } : always
  }

  /** A decision that fits into one commit stands in one: a crash leaves all of it or nothing. */
  private add(decision: Decided, cause?: Cause): Batch {
    const events = cause === undefined ? decision.events : withCause(decision.events, cause)
    const texts: string[] = []
    let bytes = 0
    for (const event of events) {
      const text = decision.texts.get(event) ?? JSON.stringify(event)
      texts.push(text)
      bytes += Buffer.byteLength(text) + 1
    }
    const parts = bytes <= eventBytesMax ? [{ end: texts.length, bytes }] : splitDecision(events, texts, eventBytesMax)
    const open = this.batches.at(-1)
    let batch = open !== undefined && open.bytes + bytes <= eventBytesMax ? open : this.begin()
    let next = 0
    for (const part of parts) {
      if (next > 0) batch = this.begin()
      // The time of the commit is part of the state: it must be the one that a replay will see.
      this.state.at = batch.at
      for (; next < part.end; next++) {
        const event = events[next] as RunEvent
        reduceEvent(this.state, event)
        batch.events.push(event)
        batch.texts.push(texts[next] as string)
      }
      batch.bytes += part.bytes
      batch.epoch = this.state.epoch
    }
    for (const offer of decision.offers) batch.offers.push(offer)
    for (const withdrawal of decision.withdrawals) batch.withdrawals.push(withdrawal)
    this.poke()
    return batch
  }

  private begin(): Batch {
    const sealed = this.batches.at(-1)
    if (sealed !== undefined) sealed.status = statusOf(this.state)
    let settle: Batch['settle'] | undefined
    const durable = new Promise<void>((resolve, reject) => {
      settle = { resolve, reject }
    })
    durable.catch(() => {}) // Told to those who wait; nobody has to.
    const batch: Batch = {
      at: isoTime(this.options.runtime.now()),
      events: [],
      texts: [],
      bytes: 0,
      epoch: this.state.epoch,
      offers: [],
      withdrawals: [],
      status: null,
      durable,
      settle: settle as Batch['settle'],
    }
    this.batches.push(batch)
    return batch
  }

  private async flush(): Promise<void> {
    this.flushing = true
    try {
      for (;;) {
        // Once per commit, not per command: fill the slots, then leave the mode that the next reader finds.
        if (this.batches.length <= 1 && this.stopped === null) this.finish()
        const batch = this.batches.shift()
        if (batch === undefined) {
          this.reads.take()
          this.reads.show(this.durableAt)
          return
        }
        await this.commit(batch)
      }
    } catch (error) {
      this.stop(error instanceof RepriseError ? error : unexpected(error, this.options.runId))
    } finally {
      this.flushing = false
      this.current = null
      this.appendStartedAt = null
      this.options.onIdle()
    }
  }

  private finish(): void {
    if (this.state.mode === 'recovering' || this.state.mode === 'closed' || this.state.version === 0) return
    if (this.state.lock?.holder.id !== this.options.actor) return
    if (this.advancing) {
      const advance = decideCommand(this.state, { type: 'advance' }, this.context())
      if (advance.ok && advance.events.length > 0) this.add(advance)
    }
    const rest = decideRest(this.state)
    if (rest.ok && rest.events.length > 0) this.add(rest)
  }

  private async commit(batch: Batch): Promise<void> {
    const { commits: index, head: prev } = this.loaded
    const version = this.version + batch.events.length
    const header = { index, version, epoch: batch.epoch, at: batch.at, actor: this.options.actor, prev }
    const record = encodeCommit(header, batch.texts)
    const status = batch.status ?? statusOf(this.state)
    // Later decisions may be folded while this one is being written; now they are not.
    if (batch.status === null) this.reads.take()
    this.current = batch
    await this.append(record)
    if (this.stopped !== null) return
    this.loaded.commits = index + 1
    this.loaded.head = record.hash
    this.loaded.first ??= record.hash
    this.version = version
    this.status = status
    this.options.onDurable({
      index,
      hash: record.hash,
      events: batch.events,
      offers: batch.offers,
      withdrawals: batch.withdrawals,
      status,
    })
    batch.settle.resolve()
    this.reads.show(this.durableAt)
  }

  private async append(record: ReturnType<typeof encodeCommit>): Promise<void> {
    const { log, runId, runtime, patienceMs, onFailed } = this.options
    const giveUpAt = runtime.now() + patienceMs
    for (let waitMs = appendBackoffMs; ; waitMs = Math.min(waitMs * 2, appendBackoffMaxMs)) {
      this.appendStartedAt = runtime.now()
      try {
        return await log.append(runId, record)
      } catch (error) {
        if (isRepriseError(error, 'VERSION_CONFLICT')) {
          throw lockLost(runId, record.index, error)
        }
        // Appending is idempotent by hash: the same record again is right whether or not the first one stands.
        if (!isRepriseError(error, 'ADAPTER_UNAVAILABLE') || this.stopped !== null) throw error
        if (runtime.now() + waitMs > giveUpAt) throw error
        onFailed(error)
        await runtime.sleep(waitMs)
        // Stopped meanwhile: those who waited were told that it did not happen.
        if (this.stopped !== null) throw this.stopped
      }
    }
  }
}

const lockLost = (runId: RunId, index: number, cause?: unknown): RepriseError =>
  new RepriseError(
    'LOCK_LOST',
    `Run ${runId} was taken over by another coordinator: commit ${index} in its log is not ours. This one has stopped; what it had not yet reported did not happen. Open the run again to hold it.`,
    { cause },
  )

const unexpected = (cause: unknown, runId: RunId): RepriseError =>
  new RepriseError(
    'ADAPTER_UNAVAILABLE',
    `Appending to run ${runId} failed: ${(cause as Error)?.message ?? cause}. Open the run again.`,
    {
      cause,
    },
  )
