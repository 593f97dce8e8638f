import { z } from 'zod'
import { loadRun } from '../src/coordinator/load-run.js'
import { encodeCommit, genesisHash, readCommit } from '../src/log/commit-record.js'
import type { MemoryAdapter } from '../src/memory/memory-adapter.js'
import type { SimulatedProcess } from '../src/memory/simulated-process.js'
import type { EventType, RunEvent } from '../src/protocol/events.js'
import type { RunId } from '../src/protocol/ids.js'
import { policySchema } from '../src/protocol/policy.js'
import { isoTime } from '../src/protocol/time.js'
import type { Incident } from '../src/watchdog/incident.js'
import { startWatchdog } from '../src/watchdog/start-watchdog.js'
import type { Watchdog } from '../src/watchdog/watchdog.js'
import type { WatchdogOptions } from '../src/watchdog/watchdog-options.js'
import { defineTask } from '../src/worker/define-task.js'
import { startWorker } from '../src/worker/start-worker.js'
import type { TaskContext } from '../src/worker/task-context.js'
import { RunStage } from './run-stage.js'

export const intervalMs = 10_000
export const stalledAfterMs = 60_000
export const hourMs = 3_600_000

/** A watchdog's process, and what it has told. */
export interface Watching {
  readonly watchdog: Watchdog
  readonly adapter: MemoryAdapter
  readonly runtime: SimulatedProcess
  readonly told: Incident[]
  readonly errors: unknown[]
}

/** Runs, workers and watchdogs on one backend and one clock. */
export class WatchStage extends RunStage {
  async watch(options: Partial<WatchdogOptions> = {}, process = this.process()): Promise<Watching> {
    const told: Incident[] = []
    const errors: unknown[] = []
    const onIncident = (incident: Incident) => void told.push(incident)
    const by = options.command === undefined ? { onIncident } : {}
    const watchdog = await this.clock.run(
      startWatchdog({
        ...{ ...process, intervalMs, stalledAfterMs, ...by, onError: (error) => errors.push(error) },
        ...options,
      }),
    )
    return { watchdog, ...process, told, errors }
  }

  /** A worker whose handler for tasks of kind `count` is `handler`. */
  async worker(handler: (task: TaskContext, process: SimulatedProcess) => Promise<unknown>) {
    const process = this.process()
    const count = defineTask('count', { input: z.unknown(), output: z.unknown() })
    const handlers = [count.handle((_input, task) => handler(task, process.runtime))]
    return { worker: await this.clock.run(startWorker({ ...process, handlers })), ...process }
  }

  /** The log of a run that was opened, and let go or not, by somebody who is gone: quicker than opening it. */
  plant(runId: string, letGo: boolean): void {
    const holder = { id: 'planter', host: 'host-9', pid: 9 }
    const opened = { runId, goal: 'grow', successCriteria: [], policy: policySchema.parse({}) }
    const events = [
      { type: 'run-opened', v: 1, data: opened },
      { type: 'lock-acquired', v: 1, data: { holder, reason: 'opened' } },
      ...(letGo ? [{ type: 'lock-released', v: 1, data: { reason: 'later' } }] : []),
    ]
    const at = isoTime(this.clock.now())
    const header = { index: 0, version: events.length, epoch: 2, at, actor: holder.id, prev: genesisHash }
    const texts = events.map((event) => JSON.stringify(event))
    this.backend.runs.records.set(runId as RunId, [encodeCommit(header, texts)])
  }

  /** What the log of any run says. */
  eventsOf(runId: string): RunEvent[] {
    return this.backend.recordsOf(runId as RunId).flatMap(({ text }, index) => readCommit(text, index).events)
  }

  dataOf<T extends EventType>(runId: string, type: T): Extract<RunEvent, { type: T }>['data'][] {
    return this.eventsOf(runId)
      .filter((event) => event.type === type)
      .map((event) => event.data) as never
  }

  /** Keys of the incidents that the watchdog's log calls told, each time. */
  get recorded(): string[] {
    return this.dataOf('watchdog', 'task-accepted').map(({ taskId }) => taskId)
  }

  async version(runId: string): Promise<number> {
    return (await this.clock.run(loadRun(this.outside.adapter.log, runId as RunId))).state.version
  }
}

export const kinds = (incidents: readonly Incident[]): string[] => incidents.map(({ kind }) => kind)
export const keys = (incidents: readonly Incident[]): string[] => incidents.map(({ key }) => key)
