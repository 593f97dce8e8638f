import type { ChildProcess } from 'node:child_process'

/** One line that a process said. */
export type Line = Readonly<Record<string, unknown>>

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
    child.on('error', (error) => {
      this.#errors += String(error)
    })
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

  /** Resolves once `count` lines have `key`. */
  async times(key: string, count: number, deadlineMs = deadlineDefaultMs): Promise<void> {
    await this.#until(`it said "${key}" ${count} times`, () => this.said(key).length >= count, deadlineMs)
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
    if (this.ended !== null || this.#child.pid === undefined) return
    try {
      process.kill(-this.#child.pid, signal)
    } catch (error) {
      // Gone, and its end not yet heard of.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
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
        const story = () => `It said: ${lastOf(this.lines)}\n${this.#errors}`
        timer = setTimeout(() => reject(new Error(`Not within ${deadlineMs} ms: ${what}. ${story()}`)), deadlineMs)
        look = () => {
          if (holds()) resolve()
          else if (this.ended !== null) reject(new Error(`It ended (${this.ended}) before ${what}. ${story()}`))
        }
        this.#onChange.add(look)
        look()
      })
    } finally {
      clearTimeout(timer)
      this.#onChange.delete(look)
    }
  }
}

/** Enough to see what went wrong, and no more: some processes say hundreds of lines. */
const lastOf = (lines: readonly Line[]): string =>
  `${lines.length > 40 ? `(${lines.length - 40} lines) … ` : ''}${JSON.stringify(lines.slice(-40))}`
