import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { openRun } from '../src/coordinator/open-run.js'
import { sendCommand } from '../src/coordinator/send-command.js'
import { memoryAdapter } from '../src/memory/memory-adapter.js'
import { MemoryBackend } from '../src/memory/memory-backend.js'
import { SimulatedClock } from '../src/memory/simulated-clock.js'
import { isRepriseError } from '../src/protocol/errors.js'
import type { RunId } from '../src/protocol/ids.js'
import { isoTime } from '../src/protocol/time.js'
import { defineTask } from '../src/worker/define-task.js'
import { startWorker } from '../src/worker/start-worker.js'
import { readHistory } from './log-history.js'
import { snapshotProblem } from './snapshot-of.js'

const runId = 'crashing' as RunId
const count = defineTask('count', { input: z.object({ n: z.number() }), output: z.object({ n: z.number() }) })
const taskIds = ['t1', 't2', 't3', 't4', 't5']

interface Outcome {
  /** Port calls that each life of the coordinator made, before and after counted one by one. */
  readonly calls: number[]
  /** Attempts that a worker saw before their dispatch was durable. */
  readonly early: string[]
  readonly backend: MemoryBackend
}

/** The script that is killed: takes five tasks in, one of them delayed, one behind another, and accepts them. */
async function script(
  backend: MemoryBackend,
  clock: SimulatedClock,
  runtime: ReturnType<SimulatedClock['process']>,
  snapshotEveryEvents: number,
): Promise<void> {
  const adapter = memoryAdapter({ backend, runtime })
  const options = { runId, goal: 'count', tasks: [count], policy: { inFlightMax: 2 }, snapshotEveryEvents }
  const run = await openRun({ adapter, runtime, ...options })
  const notBefore = isoTime(clock.now() + 200)
  await run.dispatch([
    count.task('t1', { n: 1 }),
    count.task('t2', { n: 2 }),
    count.task('t3', { n: 3 }, { after: ['t1'] }),
  ])
  await run.dispatch([count.task('t4', { n: 4 }, { notBefore }), count.task('t5', { n: 5 })])
  for await (const result of run.results()) await result.accept()
  await run.complete('all counted')
  await run.close()
}

/** Plays the whole story, with snapshots or without (0). Life `i` of the coordinator is killed at its port call `deaths[i]`, counted from 1. */
async function story(deaths: readonly number[], snapshotEveryEvents = 0): Promise<Outcome> {
  const [clock, backend] = [new SimulatedClock(), new MemoryBackend()]
  const [calls, early]: [number[], string[]] = [[], []]
  let living = -1
  backend.intercept = ({ pid }) => {
    if (pid !== living) return 'go'
    calls[calls.length - 1]!++
    return calls.at(-1) === deaths[calls.length - 1] ? 'kill' : 'go'
  }
  const working = clock.process()
  const handler = count.handle((input, task) => {
    const durable = backend
      .recordsOf(runId)
      .some(({ text }) => text.includes(`"dispatched"`) && text.includes(task.taskId))
    if (!durable) early.push(`${task.taskId}/${task.attempt}`)
    return input
  })
  const worker = memoryAdapter({ backend, runtime: working })
  await clock.run(
    startWorker({ adapter: worker, runtime: working, handlers: [handler], concurrency: 2, claimTtlMs: 1000 }),
  )
  for (let lives = 0; ; lives++) {
    expect(lives).toBeLessThanOrEqual(deaths.length)
    const runtime = clock.process()
    living = runtime.pid
    calls.push(0)
    let ended = false
    const playing = script(backend, clock, runtime, snapshotEveryEvents).then(
      () => {
        ended = true
      },
      (error: unknown) => {
        throw isRepriseError(error) ? new Error(`life ${lives} ended with ${error.code}: ${error.message}`) : error
      },
    )
    void playing.catch(() => {
      ended = true
    })
    if (lives === 1) await command(backend, clock)
    await clock.runUntil(() => ended || runtime.state === 'dead')
    if (ended) {
      await playing
      return { calls, early, backend }
    }
  }
}

/** Somebody else sends a command while the run is between two lives. */
async function command(backend: MemoryBackend, clock: SimulatedClock): Promise<void> {
  if (backend.recordsOf(runId).length === 0) return
  const runtime = clock.process()
  const sent = sendCommand({
    adapter: memoryAdapter({ backend, runtime }),
    runtime,
    runId,
    command: { type: 'note', text: 'go on' },
  })
  // The run may have ended: then there is nobody to tell.
  await clock.run(sent.catch(() => {}))
}

function expectComplete({ early, backend }: Outcome): void {
  const lines = backend.recordsOf(runId).map(({ text }) => text)
  expect(snapshotProblem(backend.snapshots.get(runId), lines)).toBe(null)
  const { commits, facts, states } = readHistory(lines)
  expect(states.last).toMatchObject({ mode: 'closed', status: 'complete' })
  expect(facts.accepted.map(({ taskId }) => taskId).sort()).toEqual(taskIds)
  expect(early).toEqual([])
  const types = commits.flatMap(({ events }) => events.map(({ type }) => type))
  expect(types.filter((type) => type === 'run-opened')).toHaveLength(1)
}

describe('a coordinator that is killed', () => {
  it('at any single port call, before or after it took effect, is taken up again and every task is accepted once', async () => {
    const snapshotEveryEvents = 8
    const whole = await story([], snapshotEveryEvents)
    expect(whole.backend.snapshots.size).toBe(1)
    expectComplete(whole)
    const [calls] = whole.calls as [number]
    expect(calls).toBeGreaterThan(40)
    for (let call = 1; call <= calls; call++) {
      const outcome = await story([call], snapshotEveryEvents)
      expectComplete(outcome)
      expect(outcome.calls).toHaveLength(2)
    }
  })

  it('at any port call of its recovery, three recoveries deep, is taken up again and every task is accepted once', async () => {
    const middle = 40
    const { calls } = await story([middle])
    for (let call = 1; call <= calls[1]!; call++) {
      expectComplete(await story([middle, call]))
      expectComplete(await story([middle, call, call]))
      expectComplete(await story([middle, call, 1 + (call % 20), 1 + ((call * 7) % 20)]))
    }
  })

  it('at any port call, with three crashes in the recoveries that follow, is taken up again all the same', async () => {
    const { calls } = await story([])
    for (let call = 1; call <= calls[0]!; call++) {
      expectComplete(await story([call, 1 + (call % 24), 1 + ((call * 5) % 24), 1 + ((call * 11) % 24)]))
    }
  })
})

describe('the state before a dispatch', () => {
  it('is durable before a worker is started: the commit has everything that the offer was made from', async () => {
    const { backend } = await story([])
    const { commits } = readHistory(backend.recordsOf(runId).map(({ text }) => text))
    const events = commits.flatMap((commit) => commit.events)
    for (const { offer } of backend.lanes.attempts.values()) {
      const dispatched = events.find((event) => event.type === 'dispatched' && event.data.digest === offer.digest)
      const body = JSON.parse(offer.body) as Record<string, unknown>
      const { taskId, attempt, deadlineAt } = body
      expect(dispatched?.data).toMatchObject({ taskId, attempt, deadlineAt })
      const keys = ['runId', 'taskId', 'attempt', 'epoch', 'kind', 'input', 'deadlineAt', 'parent', 'depth', 'traceId']
      for (const key of [...keys, 'receipt', 'returnTo']) expect(body).toHaveProperty(key)
    }
    expect(events[0]).toMatchObject({ type: 'run-opened', data: { goal: 'count', policy: { inFlightMax: 2 } } })
  })
})
