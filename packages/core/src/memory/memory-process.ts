import { setMaxListeners } from 'node:events'
import type { Runtime } from '../ports/runtime.js'
import { RepriseError } from '../protocol/errors.js'
import type { RunId } from '../protocol/ids.js'
import type { Intercept, PortCall } from './memory-faults.js'

/** A runtime whose process can be stopped and killed: a `SimulatedProcess`. Others live until the test ends. */
export interface MortalRuntime extends Runtime {
  running?(): Promise<void>
  kill?(): void
}

const never = <T>(): Promise<T> => new Promise<T>(() => {})

/** One adapter over a memory backend: as far as the backend can tell, one process. */
export class MemoryProcess {
  readonly runtime: MortalRuntime
  readonly #intercept: Intercept
  readonly #onDeath: () => void
  readonly #closing = new AbortController()
  #state: 'open' | 'closed' | 'dead' = 'open'
  #knownGone = false
  readonly #ends: (() => Promise<void>)[] = []

  constructor(runtime: MortalRuntime, intercept: Intercept, onDeath: () => void) {
    this.runtime = runtime
    this.#intercept = intercept
    this.#onDeath = onDeath
    // Every watch and receiver listens.
    setMaxListeners(0, this.#closing.signal)
  }

  /** Aborts when the adapter is closed; not when its process dies, for the dead notice nothing. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /** Dead, and the others can tell without waiting for a lease to run out. */
  get knownGone(): boolean {
    return this.#knownGone
  }

  /** `end` runs when the adapter is closed, before `close` resolves. */
  beforeClosing(end: () => Promise<void>): void {
    this.#ends.push(end)
  }

  async close(): Promise<void> {
    await this.alive()
    this.#state = 'closed'
    this.#closing.abort()
    await Promise.all(this.#ends.splice(0).map((end) => end()))
  }

  die(noticed: boolean): void {
    this.#state = 'dead'
    this.#knownGone ||= noticed
    this.runtime.kill?.()
    this.#onDeath()
  }

  /** Runs one call against the backend, with whatever the interceptor has in mind for it. */
  async call<T>(port: PortCall['port'], method: string, runId: RunId | null, work: () => T | Promise<T>): Promise<T> {
    await this.pass(port, method, 'before', runId)
    const result = await work()
    await this.pass(port, method, 'after', runId)
    return result
  }

  async pass(port: PortCall['port'], method: string, phase: 'before' | 'after', runId: RunId | null): Promise<void> {
    if (phase === 'before' && this.#state === 'closed') throw closed(port, method)
    const { host, pid } = this.runtime
    const verdict = await this.#intercept({ port, method, phase, runId, host, pid })
    if (verdict === 'kill') this.die(true)
    await this.alive()
    if (verdict === 'fail') throw unavailable(port, method, phase, runId)
  }

  /** Resolves while the process runs; never after its death. */
  async alive(): Promise<void> {
    await this.runtime.running?.()
    if (this.#state === 'dead') await never()
  }
}

const closed = (port: string, method: string): RepriseError =>
  new RepriseError(
    'CLOSED',
    `${port}.${method} was called on a memory adapter that is closed. Open another one over the same backend.`,
    { details: { port, method } },
  )

const unavailable = (port: string, method: string, phase: string, runId: RunId | null): RepriseError =>
  new RepriseError(
    'ADAPTER_UNAVAILABLE',
    `${port}.${method}${runId === null ? '' : ` for run "${runId}"`} failed on purpose, ${phase} it took effect. Call again.`,
    { details: { port, method, phase, runId } },
  )
