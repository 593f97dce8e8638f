import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import type { Guard } from './guard.js'
import type { ServerBinary } from './server-binary.js'

const orderlyStopMs = 5_000
const logTailLines = 12

/** One run of a server program, writing what it says to `logFile`. */
export interface ServerProcess {
  readonly pid: number | undefined
  /** How it ended, or null while it runs. */
  readonly end: string | null
  /** The last lines of its log, for messages. */
  logTail(): string
  /** Sends a signal, unless it has ended. */
  signal(signal: NodeJS.Signals): void
  /** SIGKILL. Resolves once it has ended. */
  kill(): Promise<void>
  /** SIGTERM, and SIGKILL if that takes longer than 5 s. Resolves once it has ended. */
  stop(): Promise<void>
}

/** Starts the program and tells the guard. Nothing about it keeps this process alive, except while its end is awaited. */
export function startProcess(
  { command, env }: ServerBinary,
  args: readonly string[],
  folder: string,
  logFile: string,
  guard: Guard,
): ServerProcess {
  const log = openSync(logFile, 'w')
  let child: ChildProcess
  try {
    child = spawn(command, args, {
      cwd: folder,
      stdio: ['ignore', log, log],
      // Its own session: an interrupt from the terminal is for the tests, which then stop it in order.
      detached: true,
      env: { ...process.env, ...env },
    })
  } finally {
    closeSync(log)
  }
  if (child.pid !== undefined) guard.tell(`pid ${child.pid}`)
  let end: string | null = null
  const ended = new Promise<void>((resolve) => {
    const settle = (how: string) => {
      end ??= how
      guard.tell('gone')
      resolve()
    }
    child.once('error', (error) => settle(`could not be started: ${error.message}`))
    child.once('exit', (code, signal) => settle(`ended with ${signal ?? `code ${code}`}`))
  })
  child.unref()
  const signal = (name: NodeJS.Signals) => {
    if (end === null) child.kill(name)
  }
  const untilEnded = async () => {
    child.ref()
    await ended
  }
  return {
    pid: child.pid,
    get end() {
      return end
    },
    logTail: () => readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-logTailLines).join('\n'),
    signal,
    kill: async () => {
      signal('SIGKILL')
      await untilEnded()
    },
    stop: async () => {
      signal('SIGTERM')
      // A paused server could not receive it.
      signal('SIGCONT')
      const timer = setTimeout(() => signal('SIGKILL'), orderlyStopMs)
      await untilEnded()
      clearTimeout(timer)
    },
  }
}
