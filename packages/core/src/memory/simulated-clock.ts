import { RepriseError } from '../protocol/errors.js'
import { isoTime } from '../protocol/time.js'
import { nextTurn } from '../runtime/next-turn.js'
import { seededRandom } from './seeded-random.js'
import { SimulatedProcess, type SimulatedTime } from './simulated-process.js'

export interface SimulationOptions {
  /** Everything random comes from here: the same seed gives the same run. */
  readonly seed?: number
  /** Milliseconds since the Unix epoch. */
  readonly startAt?: number
}

export interface ProcessOptions {
  readonly host?: string
  /** Default: 1001, 1002, … in the order of creation. */
  readonly pid?: number
}

interface Timer {
  readonly process: SimulatedProcess
  readonly dueAt: number
  readonly wake: () => void
}

interface Deferred {
  readonly process: SimulatedProcess
  readonly task: () => void
}

/** The first of January 2030, UTC. */
const startAtDefault = 1_893_456_000_000
const limitDefaultMs = 3_600_000
// A deferred task that defers itself for ever must fail the test, not hang it.
const deferredMax = 1_000_000

/**
 * Virtual time for several processes. It stands still while anything is ready to run, then jumps to the next
 * timer; timers fire one at a time, in order of due time, then of creation. Somebody must drive it: time moves only
 * inside `advance`, `runUntil` and `run`, deferred tasks run there and in `settle`.
 */
export class SimulatedClock implements SimulatedTime {
  /** Numbers in [0, 1) for the test itself; the processes draw from streams of their own. */
  readonly random: () => number
  readonly #seed: number
  #now: number
  #processes = 0
  #timers: Timer[] = []
  #deferred: Deferred[] = []

  constructor(options: SimulationOptions = {}) {
    this.#seed = options.seed ?? 1
    this.#now = options.startAt ?? startAtDefault
    this.random = seededRandom(this.#seed)
  }

  now(): number {
    return this.#now
  }

  /** Moves the wall clock alone, backwards too: timers keep the time they have left. */
  step(ms: number): void {
    this.#now += ms
    this.#timers = this.#timers.map((timer) => ({ ...timer, dueAt: timer.dueAt + ms }))
  }

  process(options: ProcessOptions = {}): SimulatedProcess {
    this.#processes++
    const pid = options.pid ?? 1000 + this.#processes
    return new SimulatedProcess(this, options.host ?? 'host-1', pid, seededRandom(this.#seed, this.#processes))
  }

  sleep(process: SimulatedProcess, ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (process.state === 'dead') return
      if (signal?.aborted) return resolve()
      const abort = (): void => {
        this.#timers = this.#timers.filter((other) => other !== timer)
        if (process.state !== 'dead') resolve()
      }
      const wake = (): void => {
        signal?.removeEventListener('abort', abort)
        resolve()
      }
      // Whole milliseconds, as real clocks tell them.
      const timer: Timer = { process, dueAt: this.#now + Math.max(0, Math.ceil(ms)), wake }
      const later = this.#timers.findIndex((other) => other.dueAt > timer.dueAt)
      this.#timers.splice(later === -1 ? this.#timers.length : later, 0, timer)
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  defer(process: SimulatedProcess, task: () => void): void {
    if (process.state !== 'dead') this.#deferred.push({ process, task })
  }

  forget(process: SimulatedProcess): void {
    this.#timers = this.#timers.filter((timer) => timer.process !== process)
    this.#deferred = this.#deferred.filter((deferred) => deferred.process !== process)
  }

  /** Runs everything that is ready now, and what that makes ready. Time stands still. */
  async settle(): Promise<void> {
    for (let done = 0; done < deferredMax; done++) {
      await nextTurn()
      const next = this.#deferred.findIndex(({ process }) => process.state === 'running')
      if (next === -1) return
      for (const { task } of this.#deferred.splice(next, 1)) task()
    }
    throw this.#stuck(`${deferredMax} deferred tasks ran and there are still more: one of them defers itself for ever`)
  }

  /** Lets `ms` milliseconds pass. */
  async advance(ms: number): Promise<void> {
    await this.settle()
    const until = this.#now + ms
    for (let timer = this.#next(until); timer !== undefined; timer = this.#next(until)) await this.#fire(timer)
    this.#now = until
  }

  /** Lets time pass until `condition` holds. `TIMEOUT` after `limitMs`, or when nothing is left that could happen. */
  async runUntil(condition: () => boolean, limitMs: number = limitDefaultMs): Promise<void> {
    await this.settle()
    const until = this.#now + limitMs
    while (!condition()) {
      const timer = this.#next(until)
      if (timer === undefined) throw this.#stuck(`the condition does not hold within ${limitMs} ms`)
      await this.#fire(timer)
    }
  }

  /** Lets time pass until `promise` settles, and settles the same way. `TIMEOUT` as `runUntil`. */
  async run<T>(promise: Promise<T>, limitMs: number = limitDefaultMs): Promise<T> {
    let settled = false
    const settle = (): void => {
      settled = true
    }
    promise.then(settle, settle)
    await this.runUntil(() => settled, limitMs)
    return promise
  }

  #next(until: number): Timer | undefined {
    const timer = this.#timers.find(({ process }) => process.state === 'running')
    return timer !== undefined && timer.dueAt <= until ? timer : undefined
  }

  async #fire(timer: Timer): Promise<void> {
    this.#timers = this.#timers.filter((other) => other !== timer)
    // A timer that fell due while its process was paused is late.
    this.#now = Math.max(this.#now, timer.dueAt)
    timer.wake()
    await this.settle()
  }

  #stuck(what: string): RepriseError {
    const waiting = this.#timers.map(
      ({ process, dueAt }) => `${process.host}:${process.pid} in ${dueAt - this.#now} ms`,
    )
    return new RepriseError(
      'TIMEOUT',
      `The simulation (seed ${this.#seed}) is stuck at ${isoTime(this.#now)}: ${what}. Timers: ${waiting.slice(0, 8).join(', ') || 'none'}.`,
      { details: { seed: this.#seed, now: this.#now, timers: waiting.length } },
    )
  }
}
