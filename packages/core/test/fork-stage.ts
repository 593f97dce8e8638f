import { z } from 'zod'
import { loadRun } from '../src/coordinator/load-run.js'
import { openRun } from '../src/coordinator/open-run.js'
import type { Run } from '../src/coordinator/run.js'
import { initialState, reduceEvent } from '../src/flow/reduce-event.js'
import { readCommit } from '../src/log/commit-record.js'
import { memoryAdapter } from '../src/memory/memory-adapter.js'
import { SimulatedClock } from '../src/memory/simulated-clock.js'
import type { RunId } from '../src/protocol/ids.js'
import type { RunState } from '../src/protocol/state.js'
import { forkRun } from '../src/replay/fork-run.js'
import { defineTask } from '../src/worker/define-task.js'
import { startWorker } from '../src/worker/start-worker.js'
import type { GivenRun } from './given-run.js'
import { backendWith } from './snapshot-of.js'

export const original = 'run-1' as RunId
export const fork = 'fork-1' as RunId

const work = defineTask('work', { input: z.unknown(), output: z.unknown() })

/** A backend that holds the log of a run, years later. */
export class ForkStage {
  readonly clock = new SimulatedClock()
  readonly backend
  readonly here = this.clock.process()
  readonly adapter

  constructor(run: GivenRun) {
    this.backend = backendWith(original, run.lines)
    this.adapter = memoryAdapter({ backend: this.backend, runtime: this.here })
  }

  fork(version: number, to: string = fork, from: RunId = original) {
    return this.clock.run(forkRun(this.adapter.log, from, { version }, to, { runtime: this.here }))
  }

  open(runId: RunId): Promise<Run> {
    return this.clock.run(openRun({ adapter: this.adapter, runtime: this.here, runId }))
  }

  async load(runId: RunId): Promise<RunState> {
    return (await loadRun(this.adapter.log, runId)).state
  }

  linesOf(runId: RunId): string[] {
    return this.backend.recordsOf(runId).map(({ text }) => text)
  }

  /** Does every task of every run. */
  async worker() {
    const runtime = this.clock.process()
    const adapter = memoryAdapter({ backend: this.backend, runtime })
    return await this.clock.run(startWorker({ adapter, runtime, handlers: [work.handle(() => ({ lines: 3 }))] }))
  }

  /** Opens a run and brings it to its end, whatever state it is in. */
  async finish(runId: RunId): Promise<RunState> {
    const run = await this.open(runId)
    await this.clock.run(
      (async () => {
        const { pausedReason, blockedReason } = await this.load(runId)
        if (pausedReason !== null) await run.unpause('go on')
        if (blockedReason !== null) await run.unblock('go on')
        for (;;) {
          const { received, stopped, out, planned, criteria } = await run.view()
          for (const { taskId, status } of received) {
            if (status === 'completed') await run.accept(taskId)
            else await run.abandon(taskId, 'no result')
          }
          for (const { taskId } of stopped) await run.abandon(taskId, 'no result')
          if (received.length + stopped.length + out.length + planned.length > 0) await this.here.sleep(1_000)
          else {
            for (const { number } of criteria) await run.meetCriterion(number, 'seen')
            await run.complete('finished')
            return
          }
        }
      })(),
    )
    await this.clock.run(run.close())
    return this.load(runId)
  }
}

/** What the first so many events of a log fold to, with the time of the commit in which each stands. */
export function stateAt(lines: readonly string[], version: number): RunState {
  let state = initialState()
  for (const [index, line] of lines.entries()) {
    const { at, events } = readCommit(line, index)
    for (const event of events) {
      if (state.version === version) return state
      state.at = at
      state = reduceEvent(state, event)
    }
  }
  return state
}
