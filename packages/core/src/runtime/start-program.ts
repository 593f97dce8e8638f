import { type ChildProcess, spawn } from 'node:child_process'
import { livesInGroup } from './process-group.js'

export interface ProgramStart {
  /** The program and its arguments: no shell reads them. */
  readonly command: readonly string[]
  /** Its whole environment. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  /** Written to its standard input. */
  readonly input: string
  /** Stops it: SIGTERM to it and what it has started, SIGKILL to what is left `killAfterMs` later. */
  readonly signal: AbortSignal
  /** Milliseconds. */
  readonly killAfterMs: number
  /** Gets what it says. Returns at once: what is said is read on, whoever listens. */
  readonly onOutput: (stream: 'stdout' | 'stderr', chunk: Buffer) => void
  /** Knows which groups of processes must not outlive this process. */
  readonly guard?: ProgramGuard
  /** Whether what it has started and left behind is killed when it has ended by itself. */
  readonly killsLeftovers?: boolean
}

/** Told of a group before its program runs: the program waits until `add` has resolved. */
export interface ProgramGuard {
  add(group: number): Promise<void>
  delete(group: number): void
}

export type ProgramEnd =
  | { readonly by: 'exit'; readonly code: number }
  | { readonly by: 'signal'; readonly signal: NodeJS.Signals }
  /** It was not started. */
  | { readonly by: 'error'; readonly error: Error }

/** What it has started may keep its output open for ever. Milliseconds. */
const outputWaitMs = 500
/** How often it is looked whether a group that was told to stop is gone: at first, and at last. Milliseconds. */
const lookMs = 20
const lookMsMax = 500

export const isGrouped = process.platform !== 'win32'

/**
 * Runs a program to its end, in a group of its own, so that what it starts can be stopped with it. Resolves when it has
 * ended, and after `signal` aborted: when nothing of its group is left, or was killed.
 */
export async function startProgram(start: ProgramStart): Promise<ProgramEnd> {
  const { input, signal, killAfterMs, guard, onOutput } = start
  const child = spawned(start)
  if (child instanceof Error) return { by: 'error', error: child }
  for (const name of ['stdout', 'stderr'] as const) child[name]?.on('data', (chunk: Buffer) => onOutput(name, chunk))
  // It may end without reading.
  child.stdin?.on('error', () => {}).end(input)
  const ended = endOf(child)
  const kill = new AbortController()
  let killing: NodeJS.Timeout | undefined
  const stop = (): void => {
    signalGroup(child, 'SIGTERM')
    killing = setTimeout(() => {
      signalGroup(child, 'SIGKILL')
      kill.abort()
    }, killAfterMs)
  }
  if (signal.aborted) stop()
  else signal.addEventListener('abort', stop, { once: true })
  try {
    if (guard !== undefined) await letGo(child, guard)
    const end = await ended
    if (signal.aborted) await groupGone(child, kill.signal)
    return end
  } finally {
    clearTimeout(killing)
    signal.removeEventListener('abort', stop)
    // What it left behind.
    if (signal.aborted || start.killsLeftovers) signalGroup(child, 'SIGKILL')
    if (child.pid !== undefined) guard?.delete(child.pid)
  }
}

// Waits for a line before it becomes the program. If we are gone by then, it ends without having run.
const gate = ['/bin/sh', '-c', 'read -r _ <&3 && exec 3<&- && exec "$@"', 'reprise']

function spawned({ command, env, cwd, guard }: ProgramStart): ChildProcess | Error {
  const isGated = guard !== undefined && isGrouped
  const [program = '', ...args] = isGated ? [...gate, ...command] : command
  const pipes = ['pipe', 'pipe', 'pipe', ...(isGated ? (['pipe'] as const) : [])] as const
  try {
    return spawn(program, args, {
      env: { ...env },
      ...(cwd !== undefined && { cwd }),
      stdio: [...pipes],
      detached: isGrouped,
    })
  } catch (error) {
    // No name, a zero byte, more than the system takes: thrown at once, not told by the child.
    return error as Error
  }
}

async function letGo(child: ChildProcess, guard: ProgramGuard): Promise<void> {
  // Where no file can be opened any more, there are no pipes either.
  if (child.pid === undefined) return
  const line = child.stdio[3]
  if (line === undefined || line === null || !('end' in line)) return
  // It may have been stopped before.
  line.on('error', () => {})
  try {
    await guard.add(child.pid)
  } catch (error) {
    line.destroy()
    throw error
  }
  line.end('go\n')
}

function endOf(child: ChildProcess): Promise<ProgramEnd> {
  return new Promise((resolve) => {
    const onEnd = (code: number | null, signal: NodeJS.Signals | null): void =>
      resolve(signal === null ? { by: 'exit', code: code ?? 1 } : { by: 'signal', signal })
    child.on('error', (error) => resolve({ by: 'error', error }))
    child.on('close', onEnd)
    child.on('exit', (code, signal) => {
      const close = (): void => {
        child.stdout?.destroy()
        child.stderr?.destroy()
        onEnd(code, signal)
      }
      // What it had said by then is read before, however late this machine is.
      setTimeout(() => setImmediate(close), outputWaitMs).unref()
    })
  })
}

/** Whoever was told to stop may need a moment for it, also when the one that started it is gone. */
async function groupGone(child: ChildProcess, killed: AbortSignal): Promise<void> {
  let waitMs = lookMs
  while (!killed.aborted && signalGroup(child, 0) && livesInGroup(child.pid ?? 0)) {
    await new Promise((resolve) => setTimeout(resolve, waitMs))
    waitMs = Math.min(2 * waitMs, lookMsMax)
  }
}

/** Whether there was anything of it that could be told. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals | 0): boolean {
  if (child.pid === undefined) return false
  try {
    return isGrouped ? process.kill(-child.pid, signal) : child.kill(signal)
  } catch (error) {
    // Nothing of it is left, or it is another user's by now, such as sudo: then its own end is waited for.
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ESRCH' && code !== 'EPERM') throw error
    return false
  }
}
