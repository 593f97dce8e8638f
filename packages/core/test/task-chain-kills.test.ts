import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type TaskChain, taskChain } from '../src/coordinator/task-chain.js'
import type { ChainLinkName } from '../src/flow/chain-links.js'
import { isRepriseError } from '../src/protocol/errors.js'
import { defineTask } from '../src/worker/define-task.js'
import { startWorker } from '../src/worker/start-worker.js'
import { RunStage, runId } from './run-stage.js'

const count = defineTask('count', { input: z.object({ path: z.string() }), output: z.object({ lines: z.number() }) })

/** The first link that is missing by what the backend really holds; `null`: none. */
function firstMissing(stage: RunStage): ChainLinkName | 'the task' | null {
  const types = new Set(stage.events.map(({ type }) => type))
  if (!types.has('dispatched')) return 'the task'
  const [attempt] = stage.backend.lanes.attempts.values()
  const recorded = types.has('receipt-received')
  const messages = stage.backend.messagesOf(runId)
  const sent = recorded || messages.length > 0
  const claimed = sent || attempt?.claim != null
  if (!claimed && (attempt === undefined || attempt.done)) return 'offered'
  if (!claimed) return 'claimed'
  if (!sent) return 'receipt-sent'
  if (!recorded) return 'recorded'
  if (messages.length > 0) return 'acknowledged'
  return types.has('task-accepted') ? null : 'settled'
}

async function coordinate(stage: RunStage, process = stage.process()): Promise<void> {
  const { run } = await stage.opening({ takeover: 'now', tasks: [count] }, process)
  await run.dispatch(count.task('t1', { path: 'a' }))
  for await (const result of run.results()) await result.accept()
  await run.close()
}

async function work(stage: RunStage, { adapter, runtime } = stage.process()): Promise<void> {
  const handler = count.handle(async () => {
    await runtime.sleep(500)
    return { lines: 1 }
  })
  await startWorker({ adapter, runtime, handlers: [handler], claimTtlMs: 1_000 })
}

async function chainOf(stage: RunStage): Promise<TaskChain | 'the task'> {
  try {
    return await stage.clock.run(taskChain({ ...stage.outside, runId, taskId: 't1' }))
  } catch (error) {
    if (isRepriseError(error, 'RUN_UNKNOWN') || isRepriseError(error, 'TASK_UNKNOWN')) return 'the task'
    throw error
  }
}

/** A coordinator and a worker, of which the one that makes port call number `call` is killed at it. `false`: none made it. */
async function killedAt(call: number, missing: Set<string | null>): Promise<boolean> {
  const stage = new RunStage()
  const [coordinator, worker] = [stage.process(), stage.process()]
  const pids = [coordinator.runtime.pid, worker.runtime.pid]
  let calls = 0
  stage.intercept(({ pid }) => (pids.includes(pid) && ++calls === call ? 'kill' : 'go'))
  // Neither settles once its process is dead.
  void coordinate(stage, coordinator)
  void work(stage, worker)
  for (let waitedMs = 0; waitedMs < 2_000 && calls < call; waitedMs += 100) await stage.clock.advance(100)
  await stage.clock.settle()

  const truth = firstMissing(stage)
  const chain = await chainOf(stage)
  expect({ call, missing: chain === 'the task' ? chain : (chain.firstMissing?.link ?? null) }).toEqual({
    call,
    missing: truth,
  })
  missing.add(truth)
  // Both, so that nobody is left to be taken over.
  coordinator.adapter.kill()
  worker.adapter.kill()
  await Promise.all([stage.clock.run(coordinate(stage)), work(stage)])
  await stage.clock.runUntil(() => stage.backend.messagesOf(runId).length === 0)
  expect(await chainOf(stage)).toMatchObject({ phase: 'accepted', firstMissing: null })
  return calls >= call
}

describe('a coordinator or worker that is killed', () => {
  it('at any port call, before or after it took effect, leaves a chain whose first missing link is the true one', async () => {
    const missing = new Set<string | null>()
    let call = 1
    while (await killedAt(call, missing)) call++
    expect(call).toBeGreaterThan(40)
    const possible = ['the task', 'offered', 'claimed', 'receipt-sent', 'recorded', 'acknowledged', 'settled', null]
    expect([...missing].sort()).toEqual(possible.sort())
  })
})
