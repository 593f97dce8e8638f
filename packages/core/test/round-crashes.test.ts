import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { openRun } from '../src/coordinator/open-run.js'
import type { Run } from '../src/coordinator/run.js'
import type { RunView } from '../src/flow/run-view.js'
import { memoryAdapter } from '../src/memory/memory-adapter.js'
import { MemoryBackend } from '../src/memory/memory-backend.js'
import { SimulatedClock } from '../src/memory/simulated-clock.js'
import type { RoundCommand } from '../src/protocol/commands.js'
import { isRepriseError } from '../src/protocol/errors.js'
import type { RunId } from '../src/protocol/ids.js'
import { AttemptFailure } from '../src/worker/attempt-failure.js'
import { defineTask } from '../src/worker/define-task.js'
import { startWorker } from '../src/worker/start-worker.js'
import { readHistory } from './log-history.js'

const runId = 'rounds' as RunId
const step = defineTask('step', { input: z.object({ n: z.number() }), output: z.object({ n: z.number() }) })
const steps = 5

/** The n-th step is two tasks; the second task of the second step fails for good. */
const stepTasks = (n: number) => [step.task(`s${n}/a`, { n }), step.task(`s${n}/b`, { n })]

function decideNext({ received, out, planned, counts }: RunView): readonly RoundCommand[] {
  const accepts = received.map(({ taskId }): RoundCommand => ({ type: 'accept', taskId }))
  if (out.length + planned.length > 0) return accepts
  const done = counts.tasks / 2
  if (done < steps) return [...accepts, { type: 'dispatch', tasks: stepTasks(done + 1) }]
  return [...accepts, { type: 'complete', summary: 'every step was taken' }]
}

/** Resolves when something came back, or stopped, or never will. */
async function somethingBack(run: Run): Promise<void> {
  for await (const _batch of run.resultBatches()) return
}

/** The script that is killed: rounds until the run is complete. */
async function script(backend: MemoryBackend, runtime: ReturnType<SimulatedClock['process']>): Promise<void> {
  const adapter = memoryAdapter({ backend, runtime })
  const run = await openRun({ adapter, runtime, runId, goal: 'take every step', tasks: [step] })
  while (run.status.mode !== 'closed') {
    const report = await run.round({
      recover: ({ stopped }) =>
        stopped.map(({ taskId, reason }) => ({ type: 'abandon' as const, taskId, reason: `given up: ${reason}` })),
      decide: decideNext,
    })
    if (!report.progress && report.code !== 'NO_PROGRESS') throw new Error(`${report.code}: ${report.message}`)
    await somethingBack(run)
  }
  await run.close()
}

interface Outcome {
  /** Port calls that each life of the coordinator made. */
  readonly calls: number[]
  readonly backend: MemoryBackend
}

/** Plays the whole story. Life `i` of the coordinator is killed at its port call `deaths[i]`, counted from 1. */
async function story(deaths: readonly number[]): Promise<Outcome> {
  const [clock, backend] = [new SimulatedClock(), new MemoryBackend()]
  const calls: number[] = []
  let living = -1
  backend.intercept = ({ pid }) => {
    if (pid !== living) return 'go'
    calls[calls.length - 1]!++
    return calls.at(-1) === deaths[calls.length - 1] ? 'kill' : 'go'
  }
  const working = clock.process()
  const handler = step.handle((input, { taskId }) => {
    if (taskId === 's2/b') throw new AttemptFailure('no way on', { retryable: false, stoppedAt: 'the river' })
    return input
  })
  const adapter = memoryAdapter({ backend, runtime: working })
  await clock.run(startWorker({ adapter, runtime: working, handlers: [handler], concurrency: 2 }))
  for (let lives = 0; ; lives++) {
    expect(lives).toBeLessThanOrEqual(deaths.length)
    const runtime = clock.process()
    living = runtime.pid
    calls.push(0)
    let ended = false
    const playing = script(backend, runtime).then(
      () => {
        ended = true
      },
      (error: unknown) => {
        ended = true
        throw isRepriseError(error) ? new Error(`life ${lives} ended with ${error.code}: ${error.message}`) : error
      },
    )
    playing.catch(() => {})
    await clock.runUntil(() => ended || runtime.state === 'dead')
    if (!ended) continue
    await playing
    return { calls, backend }
  }
}

/** What a round decides stands in one commit with its closing, or nowhere. */
function expectWholeRounds({ backend }: Outcome): void {
  const { commits, states } = readHistory(backend.recordsOf(runId).map(({ text }) => text))
  expect(states.last).toMatchObject({ mode: 'closed', status: 'complete' })
  expect(states.last.counts).toMatchObject({ accepted: 9, abandoned: 1, attempts: 10, retries: 0 })
  const decided = ['task-accepted', 'task-abandoned', 'dispatched', 'planned', 'run-completed']
  let rounds = 0
  for (const { events, index } of commits) {
    const types = events.map(({ type }) => type as string)
    const closed = events.filter((event) => event.type === 'round-closed')
    expect(closed.length, `commit ${index}`).toBeLessThanOrEqual(1)
    if (closed.length === 1) expect(closed[0]?.data).toMatchObject({ round: ++rounds })
    else
      expect(
        types.filter((type) => decided.includes(type)),
        `commit ${index}`,
      ).toEqual([])
    const dispatched = events.flatMap((event) => (event.type === 'dispatched' ? [event.data.taskId as string] : []))
    if (dispatched.length > 0) expect(dispatched).toEqual(stepTasks(Number(dispatched[0]?.[1])).map((t) => t.taskId))
  }
}

describe('a coordinator that works in rounds and is killed', () => {
  it('at any port call has each round whole in the log, in one commit, or not at all', async () => {
    const whole = await story([])
    expectWholeRounds(whole)
    const [calls] = whole.calls as [number]
    expect(calls).toBeGreaterThan(40)
    for (let call = 1; call <= calls; call++) {
      const outcome = await story([call])
      expectWholeRounds(outcome)
      expect(outcome.calls).toHaveLength(2)
    }
  })

  it('at any port call, and twice more while it is taken up again, has each round whole in the log', async () => {
    const { calls } = await story([])
    for (let call = 1; call <= calls[0]!; call++) {
      expectWholeRounds(await story([call, 1 + (call % 24), 1 + ((call * 7) % 24)]))
    }
  })
})
