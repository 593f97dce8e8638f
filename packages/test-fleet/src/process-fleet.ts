import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { FleetProcess } from './fleet-process.js'

/** What can be started: see the file of that name in `processes`. */
export type FleetScript = 'coordinator' | 'rounds' | 'worker' | 'double-start' | 'patterns' | 'watchdog'

export interface StartOptions {
  /** Put in front of node: strace and its options, for instance. */
  readonly through?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Starts the program somewhere else than here: in a network namespace, for instance. Like `spawn`. */
  readonly spawnWith?: (command: string, args: readonly string[], options: SpawnOptions) => ChildProcess
}

/** The processes that one test file starts, and has to end. */
export class ProcessFleet {
  readonly #processes = new Set<FleetProcess>()

  /** Starts a script with these options, in a process group of its own. */
  start(script: FleetScript, options: object, { through = [], env = {}, spawnWith = spawn }: StartOptions = {}) {
    const path = fileURLToPath(new URL(`./processes/${script}.js`, import.meta.url))
    const [program = '', ...args] = [...through, process.execPath, path, JSON.stringify(options)]
    const child = spawnWith(program, args, { detached: true, stdio: 'pipe', env: { ...process.env, ...env } })
    const started = new FleetProcess(child)
    this.#processes.add(started)
    return started
  }

  /** Ends what still runs, stopped processes included. For `afterEach`. */
  async endAll(): Promise<void> {
    await Promise.all([...this.#processes].map((one) => one.kill()))
    this.#processes.clear()
  }
}
