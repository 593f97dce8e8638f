import { EventEmitter } from 'eventemitter3'
import { answered } from '../coordinator/answered.js'
import { openRun } from '../coordinator/open-run.js'
import type { Run } from '../coordinator/run.js'
import type { Runtime } from '../ports/runtime.js'
import { isRepriseError, RepriseError } from '../protocol/errors.js'
import type { RunId } from '../protocol/ids.js'
import type { PolicyInput } from '../protocol/policy.js'
import { startWorker, type Worker } from '../worker/start-worker.js'
import { type Incident, incidentTask } from './incident.js'
import { IncidentBook } from './incident-book.js'
import { Lookout } from './lookout.js'
import type { WatchdogEvents } from './watchdog-events.js'
import type { IncidentNotice, ParsedOptions } from './watchdog-options.js'

/** Tells this run from those of other people: a watchdog opens no other. */
const goal = 'Tell every incident of the watched runs once.'
/** Notifications under way at once. What is dispatched has a slot, so that its time does not pass in a queue. */
const notificationsMax = 8
const policyOf = (leaseTtlMs: number): PolicyInput => ({
  inFlightMax: notificationsMax,
  // With a minute between them at last: most of a day.
  attemptsMax: 1_000,
  deliveriesMax: 100,
  tasksMax: 10_000_000,
  retryBackoffMs: 1_000,
  retryBackoffMaxMs: 60_000,
  leaseTtlMs,
})
const drainDefaultMs = 10_000

export interface WatchdogTools {
  readonly runtime: Runtime
  readonly tell: (incident: Incident, notice: IncidentNotice) => Promise<unknown>
}

/** Made by `startWatchdog`. */
export class Watchdog extends EventEmitter<WatchdogEvents> {
  /** Of the run in which incidents are kept. */
  readonly id: string
  readonly #options: ParsedOptions
  readonly #tools: WatchdogTools
  readonly #stop = new AbortController()
  #life: Promise<void> = Promise.resolve()
  #active = false
  #drainMs = drainDefaultMs
  /** Looks at its own lease so far. */
  #waited = 0

  /** @internal */
  constructor(options: ParsedOptions, tools: WatchdogTools) {
    super()
    this.id = options.watchdogId
    this.#options = options
    this.#tools = tools
  }

  /** Whether it watches; if not, another one does, or may. */
  get active(): boolean {
    return this.#active
  }

  /** Stops watching; notifications that run are given `drainMs` (default 10,000) to end. The adapter stays open. */
  async close(options: { readonly drainMs?: number } = {}): Promise<void> {
    if (!this.#stop.signal.aborted) this.#drainMs = options.drainMs ?? drainDefaultMs
    this.#stop.abort()
    await this.#life
  }

  /** @internal */
  async start(signal: AbortSignal | undefined): Promise<void> {
    const onAbort = (): void => void this.close({ drainMs: 0 })
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#stop.signal.addEventListener('abort', () => signal?.removeEventListener('abort', onAbort), { once: true })
    let run: Run | null = null
    try {
      run = await this.#open()
    } catch (error) {
      if (isRepriseError(error, 'ABORTED') || !mayPass(error)) {
        this.#stop.abort()
        throw error
      }
      this.#report('error', error)
    }
    this.#life = this.#live(run)
  }

  /** Watches whenever its turn has come. Never rejects. */
  async #live(first: Run | null): Promise<void> {
    const { signal } = this.#stop
    const { leaseTtlMs, intervalMs } = this.#options
    let run = first
    // Whoever starts it listens only once it has started.
    if (run === null) this.#tools.runtime.defer(() => this.#report('standby'))
    for (;;) {
      if (run !== null) {
        await this.#watch(run)
        if (!signal.aborted) this.#report('standby')
      }
      if (signal.aborted) return
      await this.#tools.runtime.sleep(Math.min(leaseTtlMs / 2, intervalMs), signal)
      if (signal.aborted) return
      run = await this.#open().catch((error: unknown) => this.#failedToOpen(error))
    }
  }

  #failedToOpen(error: unknown): null {
    if (this.#stop.signal.aborted) return null
    if (mayPass(error)) {
      this.#report('error', error)
    } else {
      this.#stop.abort()
      this.#report('stopped', error as RepriseError)
    }
    return null
  }

  /** The watchdog's own run, if nobody else holds it. */
  async #open(): Promise<Run | null> {
    const { adapter, leaseTtlMs } = this.#options
    const { runtime } = this.#tools
    const runId = this.id as RunId
    if (await answered(this.#isHeld(), `Looking who holds run ${runId}`, runtime)) return null
    const isNew = (await answered(adapter.log.head(runId), `Looking for run ${runId}`, runtime)) === null
    try {
      const run = await openRun({
        ...{ adapter, runtime, runId, goal, tasks: [incidentTask], signal: this.#stop.signal },
        ...(isNew && { policy: policyOf(leaseTtlMs) }),
      })
      if (run.status.mode !== 'closed') return run
      throw new RepriseError('RUN_CLOSED', `The run ${runId} of the watchdog was ended. Choose another watchdogId.`)
    } catch (error) {
      if (isRepriseError(error, 'RUN_HELD')) return null
      if (!isRepriseError(error, 'RUN_MISMATCH')) throw error
      // Another watchdog has opened it a moment ago, with another leaseTtlMs: what it said counts.
      if (isNew) return null
      throw notOurs(runId, error)
    }
  }

  /** A look at the lease is cheap, opening reads the whole log. The look may be deceived by clocks, so it is not asked for ever. */
  async #isHeld(): Promise<boolean> {
    const name = `run/${this.id}`
    if (this.#waited++ % looksPerTry === looksPerTry - 1) return false
    for await (const holder of this.#options.adapter.leases.holders(name)) if (holder.name === name) return true
    return false
  }

  async #watch(run: Run): Promise<void> {
    const { adapter, watchdogId, runs, intervalMs, notifyTimeoutMs } = this.#options
    const { runtime } = this.#tools
    const onError = (error: unknown): void => this.#report('error', error)
    run.on('transport-failed', onError)
    const over = AbortSignal.any([this.#stop.signal, run.signal])
    let worker: Worker | null = null
    try {
      worker = await this.#startWorker()
      const book = await IncidentBook.open({
        ...{ run, lane: watchdogId, runtime, notifyTimeoutMs, onError },
        onRaised: (incident) => this.#report('raised', incident),
        onTold: (incident) => this.#report('told', incident),
        onOver: (incident) => this.#report('over', incident),
      })
      this.#active = true
      this.#report('active')
      const lookout = new Lookout({ ...this.#options, runs, adapter, runtime, except: run.id, signal: over, onError })
      while (!over.aborted) {
        const looks = await lookout.look()
        if (over.aborted) break
        await book.enter(looks).catch((error: unknown) => this.#unlessOver(error, run))
        await runtime.sleep(intervalMs, over)
      }
    } catch (error) {
      this.#unlessOver(error, run)
    } finally {
      this.#active = false
      // Another watchdog may go on at once: it takes in what these still send, and does not start them again.
      await worker?.close({ drainMs: this.#drainMs }).catch(onError)
      await run.close()
    }
    const { reason } = run.signal as { reason: unknown }
    if (!isRepriseError(reason, 'CLOSED')) onError(reason)
  }

  #unlessOver(error: unknown, run: Run): void {
    if (!run.signal.aborted) this.#report('error', error)
  }

  async #startWorker(): Promise<Worker> {
    const { adapter, watchdogId, leaseTtlMs } = this.#options
    const { runtime, tell } = this.#tools
    const handler = incidentTask.handle(async (incident, { attempt, signal }) => {
      try {
        await tell(incident, { attempt, signal })
        return null
      } catch (error) {
        this.#report('error', error)
        throw error
      }
    })
    const worker = await startWorker({
      ...{ adapter, runtime, handlers: [handler], lanes: [watchdogId], concurrency: notificationsMax },
      claimTtlMs: leaseTtlMs,
    })
    worker.on('error', (error) => this.#report('error', error))
    return worker
  }

  #report<Name extends keyof WatchdogEvents>(name: Name, ...args: WatchdogEvents[Name]): void {
    const emit = this.emit as (name: keyof WatchdogEvents, ...args: unknown[]) => boolean
    try {
      emit.call(this, name, ...args)
    } catch (error) {
      // A listener's bug must not cost the watch. One in an error listener has nowhere to go.
      if (name !== 'error') this.#report('error', error)
    }
  }
}

/** Every so many looks at the lease, opening is tried whatever it shows. */
const looksPerTry = 10

/** Whether the same may succeed later. What no `RepriseError` says may; an adapter that was closed stays closed. */
const mayPass = (error: unknown): boolean =>
  !isRepriseError(error) || (error.retry !== 'never' && error.code !== 'CLOSED')

const notOurs = (runId: RunId, cause: RepriseError): RepriseError =>
  new RepriseError(
    'RUN_MISMATCH',
    `The run ${runId} is not that of a watchdog, and was not touched. Choose another watchdogId.`,
    { cause, details: { runId } },
  )
