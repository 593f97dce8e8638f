import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'

export interface Child {
  /** Its standard input ends with this process at the latest. */
  readonly process: ChildProcessByStdio<Writable, Readable, Readable>
  /** Lines it has written so far. */
  readonly lines: string[]
  /** Resolves with the lines once it has ended by itself; rejects with what it complained about if it failed. */
  readonly ended: Promise<string[]>
  /** Resolves once it has written `line`. */
  saw(line: string): Promise<void>
}

/** Runs a script of this folder as a process of its own, in front of it `wrapper` if given (`strace …`, `sh -c …`). */
export function startChild(script: string, args: readonly string[], wrapper: readonly string[] = []): Child {
  const path = fileURLToPath(new URL(script, import.meta.url))
  const [command = process.execPath, ...rest] = [...wrapper, process.execPath, path, ...args]
  const child = spawn(command, rest, {
    stdio: ['pipe', 'pipe', 'pipe'],
    // One thread for the disk, so that the n-th call of a kind is the same one each time.
    env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
  })
  const lines: string[] = []
  const waiting = new Map<string, () => void>()
  let complaints = ''
  child.stderr.on('data', (data: Buffer) => {
    complaints += data.toString()
  })
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    waiting.get(line)?.()
  })
  const ended = new Promise<string[]>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0) resolve(lines)
      else reject(new Error(`${script} ended with ${code ?? signal}: ${complaints}`))
    })
  })
  ended.catch(() => {})
  const saw = (line: string) =>
    Promise.race([
      ended.then(() => {}),
      new Promise<void>((resolve) => {
        waiting.set(line, resolve)
        if (lines.includes(line)) resolve()
      }),
    ])
  return { process: child, lines, ended, saw }
}
