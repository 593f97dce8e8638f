import type { Adapter } from '../ports/adapter.js'
import type { InboxMessage } from '../ports/inbox.js'
import type { Runtime } from '../ports/runtime.js'
import { isRepriseError, RepriseError } from '../protocol/errors.js'
import type { RunId } from '../protocol/ids.js'
import { isoTime } from '../protocol/time.js'
import { AttemptWatch } from './attempt-watch.js'
import { confirmMs, findFacts, type Sight } from './find-facts.js'
import { inParallel } from './in-parallel.js'
import { factKey, type IncidentFact } from './incident.js'
import { LogFollower } from './log-follower.js'
import { PortGuard, PortSkipped } from './port-guard.js'
import { endedRun, type WatchedRun } from './watched-run.js'

/** Looked at, at once. */
const runsAtOnce = 16
/** On their way at once for one run: a worker that stands still costs the adapter a wait. */
const callsPerRunMax = 4
/** Messages of one inbox that are looked at: the oldest may be decided and not acknowledged. */
const peekMax = 16
/** Runs that one listing may have. */
const listedMax = 100_000

export interface LookoutOptions {
  readonly adapter: Adapter
  readonly runtime: Runtime
  /** Which runs; `prefix` of their ids. */
  readonly runs: readonly RunId[] | { readonly prefix: string }
  /** Not looked at: it is ours. */
  readonly except: RunId
  readonly intervalMs: number
  readonly stalledAfterMs: number
  readonly runsPerLookMax: number
  readonly attemptsPerLookMax: number
  readonly callTimeoutMs: number
  /** Ends a look in its middle. */
  readonly signal: AbortSignal
  readonly onError: (error: unknown) => void
}

/** What one look at one run came to: facts that have lasted, and what it was found by. */
export interface Look {
  readonly sight: Sight
  readonly facts: readonly IncidentFact[]
}

interface Watched {
  readonly runId: RunId
  readonly log: LogFollower
  readonly attempts: AttemptWatch
  /** Since when each fact holds, by the time that the watchdog has waited. */
  suspected: Map<string, number>
  /** The failure that was told last, until a look succeeds. */
  told: string | null
}

/** Looks at runs from outside. Reads only: logs, who is alive, where attempts are, what waits in inboxes. */
export class Lookout {
  readonly #watched = new Map<RunId, Watched>()
  /** Ended runs that are still listed. */
  readonly #ended = new Set<RunId>()
  readonly #guard: PortGuard
  #cursor = 0
  #lastMs: number | null = null
  /** Time that the watchdog itself has waited: clock steps and sleeps of the machine are not in it. */
  #observedMs = 0
  readonly #toldPorts = new Map<string, string>()

  constructor(private readonly options: LookoutOptions) {
    this.#guard = new PortGuard(options.runtime, options.callTimeoutMs, options.signal)
  }

  /** One look at as many runs as fit, the next ones next time. Never rejects: what fails is told, and left out. */
  async look(): Promise<Look[]> {
    const { intervalMs, callTimeoutMs } = this.options
    this.#guard.renew()
    this.#passTime(2 * intervalMs)
    await this.#list()
    this.#passTime(callTimeoutMs)
    const batch = this.#nextBatch()
    const read: { watched: Watched; run: WatchedRun }[] = []
    await inParallel(batch, runsAtOnce, async (watched) => {
      await this.#telling(watched, async () => {
        const run = await watched.log.catchUp()
        if (run === null) this.#watched.delete(watched.runId)
        else if (run.ended) this.#drop(watched.runId)
        // Removed since it was listed: whatever was found about it is over.
        read.push({ watched, run: run ?? endedRun() })
      })
    })
    this.#passTime(callTimeoutMs)
    // After the logs: whoever has the lock of a log had its lease before.
    const holders = await this.#holders()
    this.#passTime(callTimeoutMs)
    const looks: Look[] = []
    await inParallel(read, runsAtOnce, async ({ watched, run }) => {
      const { runId } = watched
      const held = holders === null ? null : holders.has(`run/${runId}`)
      const sight = await this.#see(watched, run, held)
      looks.push({ sight, facts: this.#confirmed(watched, sight) })
    })
    this.#passTime(callTimeoutMs)
    return looks
  }

  /** Counts only what has surely passed since it was called last: at most `maxMs`, and nothing when the clock went back. */
  #passTime(maxMs: number): void {
    const now = this.options.runtime.now()
    if (this.#lastMs !== null) this.#observedMs += Math.min(Math.max(0, now - this.#lastMs), maxMs)
    this.#lastMs = now
  }

  async #list(): Promise<void> {
    const { runs, adapter, except } = this.options
    const listed = new Set<RunId>()
    if ('prefix' in runs) {
      const isListed = await this.#tellingPort('log', async () => {
        const ids = () => adapter.log.list(runs.prefix)
        for await (const runId of this.#guard.each('log', 'Listing runs', ids)) {
          if (listed.size === listedMax) throw tooMany()
          listed.add(runId)
        }
      })
      // Half a listing says nothing about the other half.
      if (!isListed) for (const runId of [...this.#watched.keys(), ...this.#ended]) listed.add(runId)
    } else {
      for (const runId of runs) listed.add(runId)
    }
    listed.delete(except)
    for (const runId of this.#watched.keys()) if (!listed.has(runId)) this.#watched.delete(runId)
    for (const runId of this.#ended) if (!listed.has(runId)) this.#ended.delete(runId)
    for (const runId of listed) if (!this.#ended.has(runId)) this.#watch(runId)
  }

  #watch(runId: RunId): void {
    if (this.#watched.has(runId)) return
    const { adapter, stalledAfterMs } = this.options
    this.#watched.set(runId, {
      runId,
      log: new LogFollower(adapter.log, runId, this.#guard),
      attempts: new AttemptWatch(stalledAfterMs),
      suspected: new Map(),
      told: null,
    })
  }

  #drop(runId: RunId): void {
    this.#watched.delete(runId)
    this.#ended.add(runId)
  }

  #nextBatch(): Watched[] {
    const all = [...this.#watched.values()]
    const count = Math.min(all.length, this.options.runsPerLookMax)
    const from = all.length === 0 ? 0 : this.#cursor % all.length
    this.#cursor = from + count
    return [...all, ...all].slice(from, from + count)
  }

  /** Names of leases that are held; `null` if that cannot be learnt. */
  async #holders(): Promise<Set<string> | null> {
    const { adapter } = this.options
    const names = new Set<string>()
    const isKnown = await this.#tellingPort('leases', async () => {
      const holders = () => adapter.leases.holders('run/')
      for await (const { name } of this.#guard.each('leases', 'Listing who holds runs', holders)) names.add(name)
    })
    if (!isKnown) return null
    // Its id was removed and is in use again.
    for (const runId of this.#ended) if (names.has(`run/${runId}`)) this.#ended.delete(runId)
    return names
  }

  async #see(watched: Watched, run: WatchedRun, held: boolean | null): Promise<Sight> {
    const { adapter, runtime, attemptsPerLookMax } = this.options
    const { runId, attempts } = watched
    const observedMs = this.#observedMs
    attempts.follow(run.out, observedMs)
    let inbox: readonly InboxMessage[] | null = null
    const steps: (() => Promise<void>)[] = []
    if (held === false && !run.ended) {
      steps.push(async () => {
        const peek = () => adapter.inbox.peek(runId, peekMax)
        inbox = await this.#guard.call('inbox', `Looking into the inbox of run ${runId}`, peek)
      })
    }
    for (const { taskId, attempt } of attempts.due(observedMs, attemptsPerLookMax)) {
      steps.push(async () => {
        const locate = () => adapter.queue.locate(runId, taskId, attempt)
        const what = `Locating attempt ${attempt} of task ${taskId} of run ${runId}`
        attempts.note(taskId, await this.#guard.call('queue', what, locate), observedMs)
      })
    }
    let succeeded = 0
    await inParallel(steps, callsPerRunMax, async (step) => {
      if (await this.#telling(watched, step)) succeeded++
    })
    if (succeeded === steps.length) watched.told = null
    const { alive, moving } = attempts
    return { runId, run, now: isoTime(runtime.now()), held, inbox, stalls: attempts.stalls(), alive, moving }
  }

  /** What was seen in the look before too, and has lasted long enough since. */
  #confirmed(watched: Watched, sight: Sight): IncidentFact[] {
    const before = watched.suspected
    watched.suspected = new Map()
    return findFacts(sight).filter((fact) => {
      const key = factKey(fact)
      const sinceMs = before.get(key)
      watched.suspected.set(key, sinceMs ?? this.#observedMs)
      return sinceMs !== undefined && this.#observedMs - sinceMs >= confirmMs(fact, sight.run)
    })
  }

  /** A failure of one run is told once, until it can be looked at again. */
  async #telling(watched: Watched, work: () => Promise<void>): Promise<boolean> {
    try {
      await work()
      return true
    } catch (error) {
      const message = textOf(error)
      if (!(error instanceof PortSkipped) && watched.told !== message) {
        watched.told = message
        this.options.onError(notLookedAt(`Run ${watched.runId}`, error, { runId: watched.runId }))
      }
      return false
    }
  }

  async #tellingPort(port: string, work: () => Promise<void>): Promise<boolean> {
    try {
      await work()
      this.#toldPorts.delete(port)
      return true
    } catch (error) {
      const message = textOf(error)
      if (!(error instanceof PortSkipped) && this.#toldPorts.get(port) !== message) {
        this.#toldPorts.set(port, message)
        this.options.onError(notLookedAt(`The ${port} port`, error, { port }))
      }
      return false
    }
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const notLookedAt = (what: string, cause: unknown, details: object): RepriseError =>
  new RepriseError(
    isRepriseError(cause) ? cause.code : 'ADAPTER_UNAVAILABLE',
    `${what} could not be looked at: ${textOf(cause)} The watchdog goes on with the others and tries again.`,
    { cause, details: { ...details } },
  )

const tooMany = (): RepriseError =>
  new RepriseError(
    'TOO_LARGE',
    `More than ${listedMax} runs are listed. Remove ended runs, or watch them by prefix with several watchdogs.`,
  )
