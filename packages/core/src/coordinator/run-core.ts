import type { EventEmitter } from 'eventemitter3'
import type { Decision } from '../flow/decision.js'
import type { Adapter } from '../ports/adapter.js'
import type { CommitLog } from '../ports/commit-log.js'
import type { InboxMessage } from '../ports/inbox.js'
import type { Lease } from '../ports/leases.js'
import type { Runtime } from '../ports/runtime.js'
import type { StateFileStore } from '../ports/state-file.js'
import { asksFor, type Command } from '../protocol/commands.js'
import { isRepriseError, RepriseError } from '../protocol/errors.js'
import type { RunId, TaskId } from '../protocol/ids.js'
import { CommitPipeline, type DurableCommit, type SubmitOptions } from './commit-pipeline.js'
import { Deliverer } from './deliverer.js'
import { ExpirySweep } from './expiry-sweep.js'
import { type OutputCheck, takeIn } from './inbox-intake.js'
import { LeaseKeeper } from './lease-keeper.js'
import type { LoadedRun } from './load-run.js'
import { promiseWithResolvers } from './promise-with-resolvers.js'
import { ResultFeed } from './result-feed.js'
import type { RunEvents } from './run-events.js'
import { SnapshotKeeper } from './snapshot-keeper.js'
import { StateFileKeeper } from './state-file-keeper.js'
import { SummaryKeeper } from './summary-keeper.js'

/** How often the append under way is looked at. Milliseconds. */
const watchMs = 1_000
/** What closing waits for an adapter that does not answer. Milliseconds. */
const closeWaitMs = 10_000

export interface RunCoreOptions {
  readonly adapter: Adapter
  readonly runId: RunId
  readonly runtime: Runtime
  readonly actor: string
  readonly loaded: LoadedRun
  /** `null` for a run that has ended: nothing is held. */
  readonly lease: Lease | null
  readonly outputProblem: OutputCheck
  readonly appendPatienceMs: number
  readonly stateFile: StateFileStore | null
  /** 0: none are kept. */
  readonly snapshotEveryEvents: number
}

/** The shell around the flow: one held run, its commit pipeline, and the loops that live as long as it is held. */
export class RunCore {
  readonly runId: RunId
  readonly pipeline: CommitPipeline
  readonly feed: ResultFeed
  readonly stateFile: StateFileKeeper | null
  private readonly snapshots: SnapshotKeeper | null
  private readonly summaries: SummaryKeeper | null
  /** Where events go; set by the object that the user holds. */
  listener: EventEmitter<RunEvents> | null = null
  /** Receipts found in the inbox while gates were checked. */
  pendingReceipts = 0
  /** Why the last messages could not be taken in; the adapter hands them over again. */
  intakeFailure: unknown
  private readonly ending = new AbortController()
  /** Nothing is appended any more. */
  private readonly over = new AbortController()
  private readonly deliverer: Deliverer
  private readonly sweep: ExpirySweep
  private readonly keeper: LeaseKeeper | null
  /** Tasks whose receipts are being checked. */
  private readonly judging = new Set<TaskId>()
  private readonly resumed = promiseWithResolvers<void>()
  private readonly receiptsRecorded = promiseWithResolvers<void>()
  private readonly caughtUp = promiseWithResolvers<void>()
  private intake: Promise<void> = Promise.resolve()
  private readonly loops: Promise<void>[] = []
  private closing: Promise<void> | null = null

  constructor(private readonly options: RunCoreOptions) {
    const { adapter, runId, runtime, actor, loaded, lease } = options
    const { leases } = adapter
    const { signal } = this.ending
    const onFailed = (error: unknown) => this.emitFailure(error)
    this.runId = runId
    this.pipeline = new CommitPipeline({
      log: adapter.log,
      runId,
      runtime,
      actor,
      loaded,
      patienceMs: options.appendPatienceMs,
      onFailed,
      onDurable: (commit) => this.onDurable(commit),
      onIdle: () => this.feed.wakeAll(),
      onStopped: (error) => this.onStopped(error),
    })
    this.stateFile =
      options.stateFile &&
      new StateFileKeeper({
        ...{ store: options.stateFile, runId, runtime, pipeline: this.pipeline },
        onDrift: (drift) => this.emit('state-file-drift', drift),
        // The last write comes when this has ended, and nobody else tells of it.
        onFailed: (error) => this.emit('transport-failed', error),
      })
    this.snapshots = snapshotKeeper(options, this.pipeline, onFailed)
    this.summaries = summaryKeeper(options, this.pipeline, onFailed)
    this.feed = new ResultFeed(
      this.pipeline.state,
      () => this.pipeline.idle,
      async (command) => {
        // Whoever settles while the lock goes back must hear why, not that nobody holds it.
        if (signal.aborted && this.pipeline.state.mode !== 'closed') throw signal.reason
        const decision = await this.pipeline.submit(command)
        if (!decision.ok) throw new RepriseError(decision.refusal.code, decision.refusal.message, decision.refusal)
      },
    )
    this.deliverer = new Deliverer(adapter.queue, runId, runtime, onFailed)
    this.sweep = new ExpirySweep(this.pipeline, runtime, this.judging, signal)
    const checkFence = () => this.pipeline.checkFence()
    this.keeper = lease && new LeaseKeeper({ leases, lease, runtime, signal, checkFence, onFailed })
  }

  get log(): CommitLog {
    return this.options.adapter.log
  }

  get signal(): AbortSignal {
    return this.ending.signal
  }

  /**
   * Decides what somebody asks for. A run is only called complete while its state file says what the log says; whoever
   * is told of a round, or of the end, finds it in the file as well.
   */
  async command(command: Command, options: SubmitOptions = {}): Promise<Decision> {
    const { stateFile } = this
    if (stateFile === null || !asksFor(command, ['complete', 'fail', 'round']))
      return this.pipeline.submit(command, options)
    try {
      const projection = asksFor(command, ['complete']) ? await stateFile.sync() : undefined
      const decision = await this.pipeline.submit(command, { ...options, ...(projection && { projection }) })
      if (decision.ok) await stateFile.flush()
      return decision
    } catch (error) {
      if (!isRepriseError(error, 'STATE_FILE_FAILED')) throw error
      // It may just have been found out that the run is somebody else's.
      if (this.signal.aborted) throw this.signal.reason
      return { ok: false, refusal: error }
    }
  }

  /** The lock is about to be taken: what an earlier coordinator left is shown, appends are watched, the lease is kept. */
  hold(): void {
    this.feed.seed()
    void this.watchAppends()
    if (this.keeper !== null) this.loops.push(this.keeper.run())
  }

  /** Begins to take the inbox in. Resolves when the receipts that were there are recorded, as gates ask for. */
  receivePending(): Promise<void> {
    this.intake = this.receive()
    return this.receiptsRecorded.promise
  }

  /** Everything that came while nobody was home has been decided. Rejects if this ends before. */
  get inboxCaughtUp(): Promise<void> {
    return this.caughtUp.promise
  }

  /** The gates have passed: commands are looked at. */
  begin(): void {
    this.resumed.resolve()
    this.snapshots?.begin()
    this.summaries?.begin()
    this.loops.push(this.goOn())
  }

  /** What is in the inbox comes first: a receipt may be there for an attempt that looks overdue, or a `pause`. */
  private async goOn(): Promise<void> {
    await this.caughtUp.promise.catch(() => {})
    if (this.signal.aborted) return
    this.pipeline.letOut()
    await this.sweep.run()
  }

  private async receive(): Promise<void> {
    const { adapter, outputProblem } = this.options
    const intake = {
      pipeline: this.pipeline,
      command: (command: Command, options: SubmitOptions) => this.command(command, options),
      artifacts: adapter.artifacts,
      outputProblem,
      judging: this.judging,
      resumed: this.resumed.promise,
      runtime: this.options.runtime,
      onReceiptsRecorded: (count: number, done: boolean) => {
        this.pendingReceipts += count
        if (done) this.receiptsRecorded.resolve()
      },
    }
    const handler = async (messages: readonly InboxMessage[], caughtUp: boolean) => {
      try {
        await takeIn(messages, caughtUp, intake)
      } catch (error) {
        this.intakeFailure = error
        this.emitFailure(error)
        throw error
      }
      if (caughtUp) this.caughtUp.resolve()
    }
    try {
      await adapter.inbox.receive(this.runId, handler, this.signal)
      if (!this.signal.aborted) this.pipeline.stop(adapterClosed(this.runId))
    } catch (error) {
      if (!this.signal.aborted) this.pipeline.stop(asStopped(error, this.runId))
    }
  }

  close(reason: string): Promise<void> {
    this.closing ??= this.end(reason)
    return this.closing
  }

  private async end(reason: string): Promise<void> {
    const { state } = this.pipeline
    if (!this.signal.aborted) {
      this.ending.abort(new RepriseError('CLOSED', `Run ${this.runId} was closed here. Open it again to go on.`))
    }
    const ended = this.signal.reason as RepriseError
    let failure: Error | null = null
    let keep: (() => Promise<unknown>) | null = null
    this.resumed.reject(ended)
    if (state.mode === 'closed') this.caughtUp.resolve()
    else this.caughtUp.reject(ended)
    await this.atMost(Promise.all([this.intake, ...this.loops]))
    try {
      // Nobody to tell if it cannot be released: the next coordinator takes the lock over anyway.
      if (state.mode !== 'closed' && state.lock?.holder.id === this.options.actor) {
        await this.pipeline.submit({ type: 'release', reason })
      }
      await this.pipeline.drained()
      const last = await Promise.all([this.snapshots?.last(), this.summaries?.last()])
      keep = () => Promise.all(last.map((keepIt) => keepIt?.()))
      if (this.stateFile !== null) await this.atMost(this.stateFile.close())
    } catch (error) {
      failure = error as Error
    }
    // A run that has ended says so itself to whoever asks for more.
    if (state.mode !== 'closed') this.pipeline.stop(ended)
    this.over.abort()
    // What the log says is out should be, although the next coordinator would see to it.
    await this.atMost(this.deliverer.idle())
    this.deliverer.stop()
    if (this.keeper !== null) await this.atMost(this.keeper.release())
    // Nobody has to wait for it to go on with the run.
    if (keep !== null) await this.atMost(keep())
    this.snapshots?.stop()
    this.summaries?.stop()
    // A reader that is still waiting must not take this for the end of the work. It is told last: a script that
    // ends with this error must not end before the run is let go.
    this.feed.close(state.mode === 'closed' ? failure : ended)
  }

  /** An adapter that does not answer must not keep us: whatever it still does is harmless, the log is the fence. */
  private async atMost(work: Promise<unknown>): Promise<void> {
    const done = new AbortController()
    await Promise.race([work, this.options.runtime.sleep(closeWaitMs, done.signal)])
    done.abort()
  }

  private onDurable(commit: DurableCommit): void {
    this.deliverer.deliver(commit.offers, commit.withdrawals)
    this.feed.follow(commit.events)
    this.stateFile?.follow()
    this.snapshots?.follow(commit.status.version)
    this.summaries?.follow()
    this.emit('commit', { index: commit.index, hash: commit.hash, events: commit.events, status: commit.status })
    for (const event of commit.events) {
      this.sweep.follow(event)
      if (event.type === 'dispatched') this.emit('dispatched', event.data)
      else if (event.type === 'receipt-received') this.emit('receipt', event.data)
      else if (event.type === 'receipt-rejected') this.emit('receipt-rejected', event.data)
      else if (event.type === 'attempt-expired') this.emit('attempt-expired', event.data)
      else if (event.type === 'spawn-refused') this.emit('spawn-refused', event.data)
      else if (event.type === 'mode-changed') this.emit('mode-changed', event.data)
    }
    if (commit.status.mode === 'closed') void this.close('the run has ended')
  }

  private onStopped(error: RepriseError): void {
    // Closing this object ends it quietly; an adapter that somebody closed under it does not.
    if (error === this.signal.reason) return
    this.ending.abort(error)
    this.over.abort()
    this.snapshots?.stop()
    this.summaries?.stop()
    this.resumed.reject(error)
    this.receiptsRecorded.reject(error)
    this.caughtUp.reject(error)
    this.deliverer.stop()
    this.stateFile?.stop()
    this.feed.close(error)
    if (error.code === 'LOCK_LOST') this.emit('lock-lost', error)
    this.emit('stopped', error)
    void this.keeper?.release()
  }

  /** One timer for all appends, until the last one when closing. */
  private async watchAppends(): Promise<void> {
    while (!this.over.signal.aborted) {
      this.pipeline.checkDeadline()
      await this.options.runtime.sleep(watchMs, this.over.signal)
    }
  }

  private emitFailure(error: unknown): void {
    if (!this.signal.aborted) this.emit('transport-failed', error)
  }

  /** A listener that throws must not stop the pipeline: its error is thrown where nothing else runs. */
  private emit<E extends keyof RunEvents>(name: E, ...args: RunEvents[E]): void {
    try {
      ;(this.listener as EventEmitter | null)?.emit(name, ...args)
    } catch (error) {
      this.options.runtime.defer(() => {
        throw error
      })
    }
  }
}

function snapshotKeeper(
  { adapter, runId, runtime, lease, loaded, snapshotEveryEvents: everyEvents }: RunCoreOptions,
  pipeline: CommitPipeline,
  onFailed: (error: unknown) => void,
): SnapshotKeeper | null {
  const { snapshots: store } = adapter
  if (store === undefined || lease === null || everyEvents === 0) return null
  return new SnapshotKeeper({ ...{ store, runId, runtime, pipeline, everyEvents, onFailed }, loaded })
}

function summaryKeeper(
  { adapter, runId, runtime, lease }: RunCoreOptions,
  pipeline: CommitPipeline,
  onFailed: (error: unknown) => void,
): SummaryKeeper | null {
  const { summaries } = adapter
  return summaries === undefined || lease === null
    ? null
    : new SummaryKeeper({ summaries, runId, runtime, pipeline, onFailed })
}

const adapterClosed = (runId: RunId): RepriseError =>
  new RepriseError(
    'CLOSED',
    `The adapter was closed under run ${runId}: close the run first. Open both again to go on.`,
    { details: { runId } },
  )

const asStopped = (cause: unknown, runId: RunId): RepriseError =>
  new RepriseError(
    'ADAPTER_UNAVAILABLE',
    `Receiving the inbox of run ${runId} failed for good: ${(cause as Error)?.message ?? cause}. Open the run again.`,
    {
      cause,
    },
  )
