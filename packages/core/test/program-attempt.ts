import { existsSync, readFileSync } from 'node:fs'
import { readCommits } from '../src/coordinator/load-run.js'
import { openRun } from '../src/coordinator/open-run.js'
import { memoryAdapter } from '../src/memory/memory-adapter.js'
import type { RunId } from '../src/protocol/ids.js'
import type { JsonValue } from '../src/protocol/json.js'
import type { Receipt } from '../src/protocol/receipt.js'
import { type ProgramOptions, programHandler } from '../src/worker/program-handler.js'
import { startWorker } from '../src/worker/start-worker.js'

export const shell = (text: string): string[] => ['/bin/sh', '-c', text]

interface AttemptOptions extends Partial<ProgramOptions> {
  readonly input?: JsonValue
  readonly timeoutOfTaskMs?: number
  readonly artifactBytesMax?: number
}

/** A run of one task, and a worker that runs a program for it. Real time, real processes. */
export async function startAttempt(command: readonly string[], options: AttemptOptions = {}) {
  const { input = null, timeoutOfTaskMs, artifactBytesMax, ...program } = options
  const adapter = memoryAdapter()
  const runId = 'programs' as RunId
  const policy = { attemptsMax: 1, ...(artifactBytesMax !== undefined && { artifactBytesMax }) }
  const run = await openRun({ adapter, runId, goal: 'programs end well', successCriteria: [], policy })
  const worker = await startWorker({ adapter, handlers: [programHandler('it', { ...program, command })] })
  await run.dispatch([
    { taskId: 'task "1"', kind: 'it', input, ...(timeoutOfTaskMs !== undefined && { timeoutMs: timeoutOfTaskMs }) },
  ])
  return {
    ...{ adapter, run, runId, worker },
    /** Where the attempt is, as others see it. */
    where: () => adapter.queue.locate(runId, 'task "1"' as never, 1),
    /** The receipt of the attempt, once it is in the log. */
    async receipt(): Promise<Receipt> {
      for await (const { receipt } of run.results()) {
        if (receipt !== null) return receipt
        break
      }
      for await (const commit of readCommits(adapter.log, runId)) {
        for (const event of commit.events) if (event.type === 'receipt-received') return event.data.receipt
      }
      throw new Error('there is no receipt')
    },
    async bytesOf(receipt: Receipt, name: string): Promise<string> {
      const artifact = receipt.artifacts.find((one) => one.name === name)
      if (artifact === undefined) throw new Error(`no artifact ${name}`)
      const chunks: Uint8Array[] = []
      for await (const chunk of adapter.artifacts.read(artifact)) chunks.push(chunk)
      return Buffer.concat(chunks).toString()
    },
    async close(): Promise<void> {
      await worker.close({ drainMs: 0 })
      await run.close()
      await adapter.close()
    },
  }
}

/** Resolves when it holds. Bounded by the time of the test. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** What was written into a file by a program that renames it into its place. */
export async function written(path: string): Promise<string> {
  await until(() => existsSync(path))
  return readFileSync(path, 'utf8')
}

/** One that was killed and not waited for by its parent is there until then, and counts as gone. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** The command line of a process; empty if it has ended. */
export function commandOf(pid: string | number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}
