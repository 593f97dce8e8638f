import type { Runtime } from '../ports/runtime.js'

/** The shared clock, as its processes see it. */
export interface SimulatedTime {
  now(): number
  sleep(process: SimulatedProcess, ms: number, signal?: AbortSignal): Promise<void>
  defer(process: SimulatedProcess, task: () => void): void
  /** Drops the timers and deferred tasks of a process that died. */
  forget(process: SimulatedProcess): void
}

const idAlphabet = 'abcdefghijklmnopqrstuvwxyz0123456789'
const idLength = 20

/** One process of a simulation: a `Runtime` on the shared clock that can be stopped, continued and killed. */
export class SimulatedProcess implements Runtime {
  readonly host: string
  readonly pid: number
  readonly #time: SimulatedTime
  readonly #random: () => number
  #state: 'running' | 'paused' | 'dead' = 'running'
  #waiting: (() => void)[] = []

  constructor(time: SimulatedTime, host: string, pid: number, random: () => number) {
    this.#time = time
    this.host = host
    this.pid = pid
    this.#random = random
  }

  get state(): 'running' | 'paused' | 'dead' {
    return this.#state
  }

  now(): number {
    return this.#time.now()
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#time.sleep(this, ms, signal)
  }

  randomId(): string {
    let id = ''
    while (id.length < idLength) id += idAlphabet[Math.floor(this.#random() * idAlphabet.length)]
    return id
  }

  defer(task: () => void): void {
    this.#time.defer(this, task)
  }

  /** As SIGSTOP: no timer or deferred task of this process runs, and no port call of its adapter goes on. */
  pause(): void {
    if (this.#state === 'running') this.#state = 'paused'
  }

  /** As SIGCONT: what fell due meanwhile runs now. */
  resume(): void {
    if (this.#state !== 'paused') return
    this.#state = 'running'
    const waiting = this.#waiting
    this.#waiting = []
    for (const wake of waiting) wake()
  }

  /** As SIGKILL: nothing of this process runs ever again; its promises stay pending. */
  kill(): void {
    this.#state = 'dead'
    this.#waiting = []
    this.#time.forget(this)
  }

  /** Resolves while the process runs, or once it is continued; never after its death. */
  running(): Promise<void> {
    return this.#state === 'running'
      ? Promise.resolve()
      : new Promise((resolve) => {
          if (this.#state === 'paused') this.#waiting.push(resolve)
        })
  }
}
