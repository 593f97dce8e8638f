import { type ChildProcess, spawn } from 'node:child_process'
import { RepriseError } from '../protocol/errors.js'
import { oneLine } from '../protocol/one-line.js'

export interface RunProgramOptions {
  /** The program and its arguments: no shell reads them. */
  readonly command: readonly string[]
  /** Written to its standard input. */
  readonly input: string
  /** Added to this process's environment. */
  readonly env: Readonly<Record<string, string>>
  /** Stops it: SIGTERM to it and what it has started, SIGKILL to what is left `killAfterMs` later. */
  readonly signal: AbortSignal
  /** Milliseconds, default 5,000. */
  readonly killAfterMs?: number
}

/** Of what it says, so much of the end is kept, for the message of a failure. Bytes. */
const outputKept = 2_048
/** What it has started may keep its output open for ever. Milliseconds. */
const outputWaitMs = 500

/**
 * Runs a program to its end. Rejects with `PROGRAM_FAILED` if it cannot be started, exits with another code than 0, is
 * ended by a signal, or is stopped by `signal`, whose reason is then the cause. It has ended when this settles.
 */
export async function runProgram(options: RunProgramOptions): Promise<void> {
  const { command, input, env, signal, killAfterMs = 5_000 } = options
  const [program = '', ...args] = command
  if (signal.aborted) throw failed(program, 'was not started', '', signal.reason)
  const child = start(program, args, { ...process.env, ...env })
  const said = keepEnd(child)
  // It may end without reading.
  child.stdin?.on('error', () => {}).end(input)
  const ended = endOf(child)
  let killing: NodeJS.Timeout | undefined
  const stop = (): void => {
    stopGroup(child, 'SIGTERM')
    killing = setTimeout(() => stopGroup(child, 'SIGKILL'), killAfterMs)
  }
  signal.addEventListener('abort', stop, { once: true })
  try {
    const end = await ended
    if (end === 0) return
    const why =
      typeof end === 'number' ? `exited with code ${end}` : typeof end === 'string' ? `was ended by ${end}` : ''
    if (end instanceof Error) throw failed(program, `could not be started: ${end.message}`, '', end)
    throw failed(program, why, said(), signal.aborted ? signal.reason : undefined)
  } finally {
    clearTimeout(killing)
    signal.removeEventListener('abort', stop)
    // What it left behind after it was told to stop.
    if (signal.aborted) stopGroup(child, 'SIGKILL')
  }
}

const isGrouped = process.platform !== 'win32'

function start(program: string, args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  try {
    // A group of its own, so that what it starts can be stopped with it.
    return spawn(program, args, { env, stdio: 'pipe', detached: isGrouped })
  } catch (error) {
    // No name, a zero byte, more than the system takes: thrown at once, not told by the child.
    throw failed(program, `could not be started: ${(error as Error).message}`, '', error)
  }
}

/** Exit code, signal, or why it was not started. */
function endOf(child: ChildProcess): Promise<number | NodeJS.Signals | Error> {
  return new Promise((resolve) => {
    child.on('error', resolve)
    child.on('close', (code, by) => resolve(by ?? code ?? 1))
    child.on('exit', (code, by) => {
      setTimeout(() => {
        child.stdout?.destroy()
        child.stderr?.destroy()
        resolve(by ?? code ?? 1)
      }, outputWaitMs).unref()
    })
  })
}

/** Reads on, so that it never waits for us, and keeps the newest. */
function keepEnd(child: ChildProcess): () => string {
  let kept = Buffer.alloc(0)
  const keep = (chunk: Buffer): void => {
    kept = Buffer.concat([kept, chunk]).subarray(-outputKept)
  }
  child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  return () => kept.toString('utf8').trim()
}

function stopGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    if (isGrouped) process.kill(-child.pid, signal)
    else child.kill(signal)
  } catch (error) {
    // Nothing of it is left, or it is another user's by now, such as sudo: then its own end is waited for.
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ESRCH' && code !== 'EPERM') throw error
  }
}

function failed(program: string, what: string, said: string, cause: unknown): RepriseError {
  const stopped =
    cause instanceof Error && !what.startsWith('could') ? ` after it was told to stop (${cause.message})` : ''
  const words = said === '' ? '' : ` It said: ${oneLine(said, outputKept)}`
  return new RepriseError('PROGRAM_FAILED', `The program ${oneLine(program, 256)} ${what}${stopped}.${words}`, {
    details: { program },
    cause,
  })
}
