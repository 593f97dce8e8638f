import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** One line that a process said. */
export type Line = Readonly<Record<string, unknown>>

export interface StartOptions {
  /** Put in front of node: strace and its options, for instance. */
  readonly through?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

const deadlineDefaultMs = 20_000

/** A process of a test, with what it has said so far. */
export class FleetProcess {
  readonly lines: Line[] = []
  /** Set once it has ended: its exit code, or the signal that ended it. */
  ended: number | NodeJS.Signals | null = null
  readonly #child: ChildProcess
  readonly #onChange = new Set<() => void>()
  #rest = ''
  #errors = ''

  constructor(child: ChildProcess) {
    this.#child = child
    child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#hear(text))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text
    })
    child.stdin?.on('error', () => {}) // It may have ended before it read what it was told.
    child.on('close', (code, signal) => {
      this.ended = signal ?? code
      this.#changed()
    })
  }

  /** What it wrote to standard error. */
  get errors(): string {
    return this.#errors
  }

  /** Values of `key` in the lines that have it. */
  said(key: string): unknown[] {
    return this.lines.filter((line) => key in line).map((line) => line[key])
  }

  /** The first line with `key`, as soon as it is there. */
  async line(key: string, deadlineMs = deadlineDefaultMs): Promise<Line> {
    const find = () => this.lines.find((line) => key in line)
    await this.#until(`it said "${key}"`, () => find() !== undefined, deadlineMs)
    return find() as Line
  }

  /** The line behind the first `count`, as soon as it is there. */
  async lineAfter(count: number, deadlineMs = deadlineDefaultMs): Promise<Line> {
    await this.#until(`it said ${count + 1} lines`, () => this.lines.length > count, deadlineMs)
    return this.lines[count] as Line
  }

  /** Exit code or signal, as soon as it has ended. */
  async end(deadlineMs = deadlineDefaultMs): Promise<number | NodeJS.Signals> {
    await this.#until('it ended', () => this.ended !== null, deadlineMs)
    return this.ended as number | NodeJS.Signals
  }

  tell(order: object): void {
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`)
  }

  /** Signals the process and those that it was started through. */
  signal(signal: NodeJS.Signals): void {
    if (this.ended === null && this.#child.pid !== undefined) process.kill(-this.#child.pid, signal)
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.end()
  }

  #hear(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    this.lines.push(...lines.map((line) => JSON.parse(line) as Line))
    this.#changed()
  }

  #changed(): void {
    for (const look of this.#onChange) look()
  }

  async #until(what: string, holds: () => boolean, deadlineMs: number): Promise<void> {
    if (holds()) return
    let timer: NodeJS.Timeout | undefined
    let look = (): void => {}
    try {
      await new Promise<void>((resolve, reject) => {
        const story = () => `It said: ${JSON.stringify(this.lines)}\n${this.#errors}`
        timer = setTimeout(() => reject(new Error(`Not within ${deadlineMs} ms: ${what}. ${story()}`)), deadlineMs)
        look = () => {
          if (holds()) resolve()
          else if (this.ended !== null) reject(new Error(`It ended (${this.ended}) before ${what}. ${story()}`))
        }
        this.#onChange.add(look)
      })
    } finally {
      clearTimeout(timer)
      this.#onChange.delete(look)
    }
  }
}

/** The processes that one test file starts, and has to end. */
export class ProcessFleet {
  readonly #processes = new Set<FleetProcess>()

  /** Starts `fixtures/<script>.mjs` with these options, in a process group of its own. */
  start(script: string, options: object, { through = [], env = {} }: StartOptions = {}): FleetProcess {
    const path = fileURLToPath(new URL(`./fixtures/${script}.mjs`, import.meta.url))
    const [program = '', ...args] = [...through, process.execPath, path, JSON.stringify(options)]
    const child = spawn(program, args, { detached: true, stdio: 'pipe', env: { ...process.env, ...env } })
    const started = new FleetProcess(child)
    child.on('error', (error) => child.stderr?.emit('data', String(error)))
    this.#processes.add(started)
    return started
  }

  /** Ends what still runs, stopped processes included. For `afterEach`. */
  async endAll(): Promise<void> {
    await Promise.all([...this.#processes].map((one) => one.kill()))
    this.#processes.clear()
  }
}
