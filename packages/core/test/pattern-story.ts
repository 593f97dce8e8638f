import { expect } from 'vitest'
import { z } from 'zod'
import { openRun } from '../src/coordinator/open-run.js'
import type { Run } from '../src/coordinator/run.js'
import { memoryAdapter } from '../src/memory/memory-adapter.js'
import { MemoryBackend } from '../src/memory/memory-backend.js'
import { seededRandom } from '../src/memory/seeded-random.js'
import { SimulatedClock } from '../src/memory/simulated-clock.js'
import { isRepriseError } from '../src/protocol/errors.js'
import type { RunId } from '../src/protocol/ids.js'
import { AttemptFailure } from '../src/worker/attempt-failure.js'
import { defineTask } from '../src/worker/define-task.js'
import { startWorker } from '../src/worker/start-worker.js'
import { type History, readHistory } from './log-history.js'

const runId = 'pattern' as RunId

/** Takes `waitMs` and gives back `n`; fails for good if it is to. */
export const work = defineTask('work', {
  input: z.object({ n: z.number(), waitMs: z.number().default(1), fails: z.boolean().default(false) }),
  output: z.object({ n: z.number() }),
})

/** A run's script, up to its end: `complete` and `close` follow. */
export type Script<T> = (run: Run, clock: SimulatedClock) => Promise<T>

export interface Story<T> {
  /** Port calls that each life of the coordinator made, before and after counted one by one. */
  readonly calls: number[]
  /** What the script of the last life came to. */
  readonly result: T
  /** Attempts as they were begun, as `t1/1`. */
  readonly begun: string[]
  readonly history: History
}

/** Calls that an open run makes again when they fail. */
const repeated = new Set(['append', 'offer', 'withdraw', 'renew', 'ack'])

/**
 * Plays a script against workers until it ends. Life `i` of the coordinator is killed at its port call `deaths[i]`,
 * counted from 1; the next life runs the same script. With a seed, what may come in any order does, and calls that are
 * made again fail now and then.
 */
export async function playScript<T>(
  script: Script<T>,
  deaths: readonly number[] = [],
  seed: number | null = null,
): Promise<Story<T>> {
  const [clock, backend] = [new SimulatedClock(), new MemoryBackend()]
  const [calls, begun]: [number[], string[]] = [[], []]
  const random = seed === null ? () => 1 : seededRandom(seed)
  let living = -1
  if (seed !== null) backend.choose = (count) => Math.floor(random() * count)
  backend.intercept = ({ pid, method }) => {
    if (pid !== living) return 'go'
    calls[calls.length - 1]!++
    if (calls.at(-1) === deaths[calls.length - 1]) return 'kill'
    return repeated.has(method) && random() < 0.1 ? 'fail' : 'go'
  }
  await startWorking(clock, backend, begun)
  for (let lives = 0; ; lives++) {
    expect(lives).toBeLessThanOrEqual(deaths.length)
    const runtime = clock.process()
    living = runtime.pid
    calls.push(0)
    const life: { result?: T; error?: unknown; ended: boolean } = { ended: false }
    const playing = (async () => {
      const adapter = memoryAdapter({ backend, runtime })
      const run = await openRun({
        adapter,
        runtime,
        runId,
        goal: 'show a pattern',
        tasks: [work],
        policy: { inFlightMax: 4 },
      })
      life.result = await script(run, clock)
      await run.complete('all done')
      await run.close()
    })()
    playing
      .catch((error: unknown) => {
        life.error = isRepriseError(error) ? new Error(`life ${lives}: ${error.code}: ${error.message}`) : error
      })
      .finally(() => {
        life.ended = true
      })
    await clock.runUntil(() => life.ended || runtime.state === 'dead')
    if (!life.ended) continue
    if (life.error !== undefined) throw life.error
    const history = readHistory(backend.recordsOf(runId).map(({ text }) => text))
    return { calls, result: life.result as T, begun, history }
  }
}

async function startWorking(clock: SimulatedClock, backend: MemoryBackend, begun: string[]): Promise<void> {
  const runtime = clock.process()
  const handler = work.handle(async ({ n, waitMs, fails }, task) => {
    begun.push(`${task.taskId}/${task.attempt}`)
    await runtime.sleep(waitMs, task.signal)
    if (fails) throw new AttemptFailure('it cannot be done', { retryable: false })
    return { n }
  })
  const adapter = memoryAdapter({ backend, runtime })
  await clock.run(startWorker({ adapter, runtime, handlers: [handler], concurrency: 4, claimTtlMs: 1000 }))
}

/** Kills the first life at every `step`-th port call, and now and then two lives more. */
export async function sweep<T>(script: Script<T>, check: (story: Story<T>) => void, step = 1): Promise<number> {
  const whole = await playScript(script)
  check(whole)
  const [calls] = whole.calls as [number]
  for (let call = 1; call <= calls; call += step) {
    check(await playScript(script, [call]))
    if (call % 5 === 0) check(await playScript(script, [call, 1 + (call % 24), 1 + ((call * 5) % 24)]))
  }
  return calls
}

/** What holds for every pattern: nothing was dispatched twice or begun without, and each task was accepted at most once. */
export function expectOnce({ history, begun }: Story<unknown>): void {
  const { facts, states } = history
  expect(states.last).toMatchObject({ mode: 'closed', status: 'complete' })
  const attempts = facts.dispatches.map(({ taskId, attempt }) => `${taskId}/${attempt}`)
  expect(new Set(attempts).size).toBe(attempts.length)
  expect(attempts).toEqual(expect.arrayContaining(begun))
  expect(new Set(begun).size).toBe(begun.length)
  const accepted = facts.accepted.map(({ taskId }) => taskId)
  expect(new Set(accepted).size).toBe(accepted.length)
}
