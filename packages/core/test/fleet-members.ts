import { z } from 'zod'
import { openRun } from '../src/coordinator/open-run.js'
import type { Run } from '../src/coordinator/run.js'
import type { TaskResult } from '../src/coordinator/task-result.js'
import { isRepriseError } from '../src/protocol/errors.js'
import { AttemptFailure } from '../src/worker/attempt-failure.js'
import { defineTask } from '../src/worker/define-task.js'
import { startWorker } from '../src/worker/start-worker.js'
import type { Behaviour } from './fleet-plan.js'
import { type FleetSimulation, type Member, runId } from './fleet-simulation.js'

/** Work that goes as its input says, attempt by attempt; beyond that, well. */
export const work = defineTask('work', {
  input: z.object({ behaviours: z.array(z.string()) }),
  output: z.object({ attempt: z.number() }),
})

/** A script as a user writes it: opens the run, settles what comes as chance will have it, until it cannot any more. */
export async function coordinate(fleet: FleetSimulation, member: Member, takeover: 'when-dead' | 'now'): Promise<void> {
  const { runtime, adapter, random } = member
  const { policy } = fleet.plan
  const kept = { snapshotEveryEvents: 5 }
  const options = {
    runId,
    goal: 'work',
    adapter,
    runtime,
    takeover,
    tasks: [work],
    policy: { ...policy, ...pace },
    ...kept,
  }
  const run = await fleet.expect(member, 'openRun', openRun(options))
  if (run === null) return
  hold(fleet, member, run)
  while (!run.signal.aborted) {
    await readResults(fleet, run, undefined, async (result) => {
      // Some are left lying, for whoever comes next.
      if (random() < 0.2) return
      await fleet.expect(member, 'settle', settle(result, random()))
    })
    await runtime.sleep(300, run.signal)
  }
}

/** Pace of a simulated run: short enough for deadlines to pass within a plan. */
const pace = { attemptTimeoutMs: 5_000, retryBackoffMs: 200, leaseTtlMs: 3_000, tasksMax: 10, depthMax: 1 }

export function hold(fleet: FleetSimulation, member: Member, run: Run): void {
  member.run = run
  fleet.tell(run.status)
  run.on('commit', ({ status }) => fleet.tell(status))
}

/** Ends with the run, whatever that was ended by. */
export async function readResults(
  fleet: FleetSimulation,
  run: Run,
  signal: AbortSignal | undefined,
  each: (result: TaskResult) => Promise<void>,
): Promise<void> {
  try {
    for await (const result of run.results(signal === undefined ? {} : { signal })) await each(result)
  } catch (error) {
    if (!isRepriseError(error)) fleet.problems.push(`results ended with ${error}`)
    else if (!run.signal.aborted) fleet.problems.push(`results ended with ${error.code}, the run did not`)
  }
}

function settle(result: TaskResult, chance: number): Promise<void> {
  if (result.status === 'stopped') return chance < 0.5 ? result.retry('once more') : result.abandon('in vain')
  if (chance < 0.7) return result.accept()
  return chance < 0.85 ? result.retry('not good enough') : result.reject('not good enough')
}

/** Settles everything and completes the run; takes it over as often as that needs. */
export async function finish(fleet: FleetSimulation): Promise<void> {
  for (;;) {
    const member = fleet.join('coordinator')
    const { runtime, adapter } = member
    const run = await fleet.expect(
      member,
      'openRun',
      openRun({ runId, goal: 'work', adapter, runtime, takeover: 'now' }),
    )
    if (run === null) continue
    hold(fleet, member, run)
    await runtime.sleep(1)
    fleet.expectOffered(run)
    while (!run.signal.aborted && run.status.mode !== 'closed') {
      const { status } = run.status
      if (status === 'paused') await fleet.expect(member, 'unpause', run.unpause('the end'))
      if (status === 'blocked') await fleet.expect(member, 'unblock', run.unblock('the end'))
      const over = new AbortController()
      void runtime.sleep(1_000).then(() => over.abort())
      await readResults(fleet, run, over.signal, async (result) => {
        await fleet.expect(member, 'settle', result.status === 'stopped' ? result.abandon('the end') : result.accept())
      })
      await fleet.expect(member, 'complete', run.complete('the end'))
    }
    if (run.status.mode === 'closed') return
  }
}

export async function employ(fleet: FleetSimulation, member: Member): Promise<void> {
  const { runtime, adapter } = member
  const handler = work.handle(async ({ behaviours }, task) => {
    if (!fleet.isDispatched({ digest: digestOf(fleet, task) })) {
      fleet.problems.push(`a worker saw ${task.taskId}/${task.attempt}, whose dispatch is not durable`)
    }
    await behave(member, (behaviours[task.attempt - 1] ?? 'ok') as Behaviour, task.signal)
    const output = { attempt: task.attempt }
    return behaviours[task.attempt - 1] === 'partial' ? task.partial(output, { message: 'half of it' }) : output
  })
  const options = { adapter, runtime, handlers: [handler], concurrency: 2, claimTtlMs: 2_000 }
  const worker = await fleet.expect(member, 'startWorker', startWorker(options))
  if (worker !== null) member.worker = worker
}

async function behave({ runtime, random }: Member, behaviour: Behaviour, signal: AbortSignal) {
  switch (behaviour) {
    case 'ok':
    case 'partial':
      return runtime.sleep(random() * 100, signal)
    case 'late':
      return runtime.sleep(3_000, signal)
    case 'slow':
      return runtime.sleep(20_000)
    case 'fail':
      throw new Error('it went wrong')
    case 'vain':
      throw new AttemptFailure('it cannot be done', { retryable: false })
  }
}

function digestOf(fleet: FleetSimulation, task: { taskId: string; attempt: number }): string {
  for (const { offer } of fleet.backend.lanes.attempts.values()) {
    if (offer.taskId === task.taskId && offer.attempt === task.attempt) return offer.digest
  }
  return 'none'
}
