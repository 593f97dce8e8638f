// A worker in a process of its own, to be stopped and killed. What it does with a task is the kind of the task.
import { EventEmitter, once } from 'node:events'
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { closeOnSignals, isRepriseError, startWorker, type TaskContext } from '@reprise/core'
import { openPlace } from '../place.js'
import { failingKinds } from './failing-kinds.js'
import { listen, readOrder, say, type WorkerOrder } from './talk.js'

const { place, ...options } = readOrder<WorkerOrder>()
const adapter = await openPlace(place)
/** Everything that the test says opens one more gate. */
let opened = 0
const gates = new EventEmitter().setMaxListeners(0)

/** Resolves once the test has opened so many gates; rejects when the task is aborted. */
async function gate(count: number, signal: AbortSignal): Promise<void> {
  while (opened < count) await once(gates, 'opened', { signal })
}

/** A task that a test waits for: it has been begun. */
const hold = ({ taskId, attempt, deliveries }: TaskContext): void => say({ holding: taskId, attempt, deliveries })

const kinds: Readonly<Record<string, (input: unknown, task: TaskContext) => unknown>> = {
  ...failingKinds,
  echo: (input) => input,
  /**
   * Takes `ms` of its input, and does not end before the test has opened `gate` gates: what happens before that happens
   * in the middle of the run, on any machine.
   */
  pace: async (input, { signal }) => {
    const { ms, gate: count } = input as { ms: number; gate: number }
    await sleep(ms, null, { signal })
    await gate(count, signal)
    return input
  },
  /** Runs until it is told to end, or that nobody wants the result. */
  hold: async (input, task) => {
    hold(task)
    await gate(1, task.signal).catch(() => {})
    if (task.signal.aborted) {
      say({ aborted: task.signal.reason.code })
      throw task.signal.reason
    }
    return input
  },
  /** Neither ends nor listens to anybody. */
  ignore: (_input, task) => {
    hold(task)
    return new Promise(() => {})
  },
  /** Stands still, and sends its receipt as the first thing after it was woken up. */
  freeze: (input, task) => {
    hold(task)
    process.kill(process.pid, 'SIGSTOP')
    return input
  },
  /** Keeps the event loop busy until the file `until` of its input is there, or the test is gone. */
  block: (input, task) => {
    hold(task)
    const clock = new Int32Array(new SharedArrayBuffer(4))
    const parent = process.ppid
    while (!existsSync((input as { until: string }).until) && process.ppid === parent) Atomics.wait(clock, 0, 0, 10)
    return input
  },
  die: (_input, task) => {
    hold(task)
    process.kill(process.pid, 'SIGKILL')
    return new Promise(() => {})
  },
  /** Stores its input's `text` as an artifact. */
  store: async (input, task) => {
    const { sha256 } = await task.artifact('text.txt', (input as { text: string }).text)
    return { sha256 }
  },
}

const worker = await startWorker({
  adapter,
  ...options,
  handlers: Object.entries(kinds).map(([kind, handler]) => ({
    kind,
    prepare: (input: unknown) => ({ run: (task: TaskContext) => handler(input, task) }),
    outputIssues: () => null,
  })),
})
worker.on('error', (error) => say({ failed: isRepriseError(error) ? error.code : String(error) }))
worker.on('receipt', ({ taskId, status, cause }) => say({ receipt: taskId, status, cause }))
closeOnSignals({
  close: async (closing) => {
    await worker.close(closing)
    await adapter.close()
  },
})
listen(() => {
  opened++
  gates.emit('opened')
})
say({ working: worker.id })
