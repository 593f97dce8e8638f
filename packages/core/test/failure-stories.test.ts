import { describe, expect, it } from 'vitest'
import type { TaskResult } from '../src/coordinator/task-result.js'
import { initialState, reduceCommit } from '../src/flow/reduce-event.js'
import { stateFileBody } from '../src/flow/state-file-text.js'
import { AttemptFailure } from '../src/worker/attempt-failure.js'
import type { TaskHandler } from '../src/worker/define-task.js'
import { startWorker, type WorkerOptions } from '../src/worker/start-worker.js'
import type { TaskContext } from '../src/worker/task-context.js'
import { follow, type Holding, RunStage, request } from './run-stage.js'

const policy = { attemptsMax: 2, deliveriesMax: 2, retryBackoffMs: 100, attemptTimeoutMs: 60_000 }
/** What the log says of every task that nothing happens to. */
const begun = ['dispatched']
const untold = ['run-opened', 'lock-acquired', 'resumed', 'mode-changed']

/** A run whose failures are told by its log alone. */
class Story {
  readonly stage = new RunStage()

  async open(): Promise<Holding> {
    return this.stage.open({ policy })
  }

  /** A worker in a process of its own. */
  async worker(run: (task: TaskContext) => unknown, options: Partial<WorkerOptions> = {}) {
    const process = this.stage.process()
    const handler: TaskHandler = { kind: 'count', prepare: () => ({ run }), outputIssues: () => null }
    const starting = startWorker({ ...process, handlers: [handler], claimTtlMs: 1_000, ...options })
    const worker = await this.stage.clock.run(starting)
    return { ...process, worker }
  }

  /** Types of what the log says since the run was opened, but for its modes. */
  get events(): string[] {
    return this.stage.events.map(({ type }) => type).filter((type) => !untold.includes(type))
  }

  get stateFile(): string {
    return stateFileBody(this.stage.commits.reduce(reduceCommit, initialState()))
  }

  /** The next result, as soon as it is there. */
  async result({ run }: Holding): Promise<TaskResult> {
    const next = follow(run.results().next())
    await this.stage.clock.runUntil(() => next.settled)
    return next.value?.value as TaskResult
  }
}

/** A task and a worker that does with it what `run` does. */
async function play(run: (task: TaskContext) => unknown) {
  const story = new Story()
  const holding = await story.open()
  await story.worker(run)
  await story.stage.clock.run(holding.run.dispatch(request('t1')))
  return { story, holding, result: await story.result(holding) }
}

const done = () => ({ lines: 3 })

describe('the log of a task', () => {
  it('whose attempt failed has the failure, its rejection by the policy, and the next attempt', async () => {
    const { story, result } = await play(({ attempt }) => {
      if (attempt === 1) throw new Error('not this time')
      return done()
    })
    await story.stage.clock.run(result.accept())
    const again = ['receipt-received', 'task-rejected', 'planned', 'dispatched']
    expect(story.events).toEqual([...begun, ...again, 'receipt-received', 'task-accepted'])
    expect(story.stage.of('task-rejected')).toEqual([
      { taskId: 't1', attempt: 1, reason: 'attempt 1 failed: not this time', by: 'policy' },
    ])
    expect(story.stage.of('planned')).toMatchObject([{ taskId: 't1', attempt: 2, why: 'retry' }])
  })

  it('whose attempts are used up ends with the rejection of the last, and the task stops', async () => {
    const { story, result } = await play(() => {
      throw new Error('no luck')
    })
    const again = ['receipt-received', 'task-rejected', 'planned', 'dispatched']
    expect(story.events).toEqual([...begun, ...again, 'receipt-received', 'task-rejected'])
    expect(result).toMatchObject({ status: 'stopped', attempt: 2, reason: 'attempt 2 failed: no luck' })
    await expect(story.stage.clock.run(result.retry('once more'))).rejects.toMatchObject({ code: 'ATTEMPTS_EXHAUSTED' })
  })

  it('that its worker calls unrecoverable has one attempt, also after a crash and an hour, and says where and how to go on', async () => {
    const { story, holding, result } = await play(() => {
      throw new AttemptFailure('the bridge is down', {
        ...{ code: 'NO_BRIDGE', retryable: false },
        ...{ stoppedAt: 'mile 7', resumeInstructions: 'start at mile 7 once the bridge stands' },
      })
    })
    const events = [...begun, 'receipt-received', 'task-rejected']
    expect(story.events).toEqual(events)
    const error = {
      ...{ message: 'the bridge is down', code: 'NO_BRIDGE', retryable: false },
      ...{ stoppedAt: 'mile 7', resumeInstructions: 'start at mile 7 once the bridge stands' },
    }
    expect(story.stage.of('receipt-received')).toMatchObject([{ receipt: { status: 'failed', error } }])
    expect(result).toMatchObject({ status: 'stopped', receipt: { error } })
    const line =
      '- `t1` after attempt 1: attempt 1 failed: the bridge is down; stopped at: mile 7; to go on: start at mile 7 once the bridge stands'
    expect(story.stateFile).toContain(line)

    holding.adapter.kill()
    const next = await story.open()
    await story.stage.clock.advance(3_600_000)
    expect(story.events).toEqual(events)
    expect(await story.result(next)).toMatchObject({ status: 'stopped', receipt: { error } })
    const { briefing } = await story.stage.clock.run(next.run.briefing())
    expect(briefing.stopped.items).toMatchObject([
      { taskId: 't1', stoppedAt: 'mile 7', resumeInstructions: 'start at mile 7 once the bridge stands' },
    ])
  })

  it('that was done by half has the partial receipt, and what was decided about it', async () => {
    const half = ({ attempt, partial }: TaskContext) =>
      attempt > 1 ? done() : partial({ lines: 1 }, { message: 'half is done', stoppedAt: 'page 12' })
    const taken = await play(half)
    expect(taken.result).toMatchObject({ status: 'partial', output: { lines: 1 }, reason: 'half is done' })
    await taken.story.stage.clock.run(taken.result.accept())
    expect(taken.story.events).toEqual([...begun, 'receipt-received', 'task-accepted'])

    const { story, holding, result } = await play(half)
    await story.stage.clock.run(result.retry('the other half, please'))
    const whole = await story.result(holding)
    expect(whole).toMatchObject({ status: 'completed', attempt: 2 })
    await story.stage.clock.run(whole.accept())
    const again = ['receipt-received', 'task-rejected', 'planned', 'dispatched']
    expect(story.events).toEqual([...begun, ...again, 'receipt-received', 'task-accepted'])
    expect(story.stage.of('task-rejected')).toMatchObject([{ by: 'evaluator', reason: 'the other half, please' }])
  })

  it('that a worker has no handler for has the refusals, and the task stops', async () => {
    const story = new Story()
    const holding = await story.open()
    await story.worker(done)
    await story.stage.clock.run(holding.run.dispatch(request('t1', { kind: 'unheard-of' })))
    const result = await story.result(holding)
    expect(story.stage.of('receipt-received').map(({ receipt }) => receipt.status)).toEqual(['refused', 'refused'])
    expect(result).toMatchObject({ status: 'stopped', attempt: 2, receipt: { error: { code: 'UNKNOWN_KIND' } } })
  })

  it('whose worker died has one attempt, and the receipt of another worker', async () => {
    const story = new Story()
    const holding = await story.open()
    const dying = await story.worker(() => new Promise(() => {}), { workerId: 'dying' })
    await story.stage.clock.run(holding.run.dispatch(request('t1')))
    await story.stage.clock.settle()
    dying.adapter.kill()
    await story.worker(done, { workerId: 'heir' })
    const result = await story.result(holding)
    await story.stage.clock.run(result.accept())
    expect(story.events).toEqual([...begun, 'receipt-received', 'task-accepted'])
    expect(result.receipt?.worker.id).toBe('heir')
  })

  it('that kills every worker has one attempt, and the receipt of a worker that did not begin it: how often, and whose', async () => {
    const story = new Story()
    const holding = await story.open()
    await story.stage.clock.run(holding.run.dispatch([request('t1'), request('t2')]))
    for (const workerId of ['poisoned-1', 'poisoned-2']) {
      const { adapter } = await story.worker(({ taskId }) => (taskId === 't1' ? new Promise(() => {}) : done()), {
        workerId,
      })
      await story.stage.clock.settle()
      adapter.kill()
    }
    await story.worker(done, { workerId: 'heir', concurrency: 2 })
    await story.stage.clock.runUntil(() => story.stage.of('receipt-received').length === 2)
    const message =
      'the attempt was handed out 3 times, 2 are allowed: its workers died or gave it back (poisoned-1, poisoned-2)'
    const poisoned = story.stage.of('receipt-received').find(({ receipt }) => receipt.taskId === 't1')
    expect(poisoned?.receipt).toMatchObject({
      worker: { id: 'heir' },
      error: { code: 'POISON', message, retryable: false },
    })
    expect(story.stage.of('task-rejected')).toMatchObject([{ taskId: 't1', reason: `attempt 1 failed: ${message}` }])
    expect(story.stage.of('dispatched').map(({ attempt }) => attempt)).toEqual([1, 1])
    expect(story.stateFile).toContain('poisoned-1, poisoned-2')
  })

  it('whose worker is alive and gets nowhere ends the attempt at its deadline, once, and has another', async () => {
    const story = new Story()
    const holding = await story.open()
    await story.worker(({ attempt }) => (attempt === 1 ? new Promise(() => {}) : done()), { concurrency: 2 })
    const dispatchedAt = story.stage.clock.now()
    await story.stage.clock.run(holding.run.dispatch(request('t1')))
    const result = await story.result(holding)
    expect(story.stage.clock.now() - dispatchedAt).toBeGreaterThanOrEqual(policy.attemptTimeoutMs)
    expect(result).toMatchObject({ status: 'completed', attempt: 2 })
    await story.stage.clock.run(result.accept())
    // Coordinator and worker look at the same deadline: here the worker is first.
    expect(story.stage.of('receipt-received')).toMatchObject([{ receipt: { error: { code: 'DEADLINE' } } }, {}])
    const again = ['receipt-received', 'task-rejected', 'planned', 'dispatched']
    expect(story.events).toEqual([...begun, ...again, 'receipt-received', 'task-accepted'])
  })

  it('whose worker stood still past the deadline has the next attempt accepted, and the late receipt refused', async () => {
    const story = new Story()
    const holding = await story.open()
    const frozen = await story.worker(async () => {
      await frozen.runtime.sleep(1)
      return done()
    })
    await story.stage.clock.run(holding.run.dispatch(request('t1')))
    await story.stage.clock.settle()
    frozen.runtime.pause()
    await story.stage.clock.runUntil(() => story.stage.of('attempt-expired').length === 1)
    await story.worker(done, { workerId: 'heir' })
    await story.stage.clock.run((await story.result(holding)).accept())
    await story.stage.send('receipt', story.stage.receipt(firstOffer(story)))
    expect(story.stage.of('receipt-rejected')).toMatchObject([{ gate: 'current-attempt', attempt: 1 }])
    expect(story.stage.of('task-accepted')).toEqual([{ taskId: 't1', attempt: 2 }])
    expect(story.events).toEqual([
      ...[...begun, 'attempt-expired', 'planned', 'dispatched'],
      ...['receipt-received', 'task-accepted', 'receipt-rejected'],
    ])
  })
})

const firstOffer = ({ stage }: Story) => [...stage.backend.lanes.attempts.values()][0]!.offer
