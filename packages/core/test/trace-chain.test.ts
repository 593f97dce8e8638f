import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type TraceChain, type TraceChainOptions, traceChain } from '../src/coordinator/trace-chain.js'
import { encodeCommit, genesisHash } from '../src/log/commit-record.js'
import { RepriseError } from '../src/protocol/errors.js'
import type { RunId } from '../src/protocol/ids.js'
import { policySchema } from '../src/protocol/policy.js'
import type { TaskRequest } from '../src/protocol/task.js'
import { defineTask } from '../src/worker/define-task.js'
import { startWorker } from '../src/worker/start-worker.js'
import { type Holding, RunStage, request } from './run-stage.js'

const traceId = 'order-7'
const step = defineTask('count', { input: z.object({ path: z.string() }), output: z.object({ lines: z.number() }) })
const traced = (taskId: string, options: Partial<TaskRequest> = {}) => request(taskId, { traceId, ...options })

const traceOf = (stage: RunStage, options: Partial<TraceChainOptions> = {}): Promise<TraceChain> =>
  stage.clock.run(traceChain({ adapter: stage.outside.adapter, traceId, ...options }))

/** Each task as `run/task: outcome or first missing link`. */
const told = ({ tasks }: TraceChain): string[] =>
  tasks.map(({ runId, taskId, outcome, missing }) => `${runId}/${taskId}: ${outcome ?? missing?.link}`)

/** A worker. `fails`: of these tasks, so many attempts do not work out. */
async function work(stage: RunStage, fails: Record<string, number> = {}): Promise<void> {
  const { adapter, runtime } = stage.process()
  const handler = step.handle((_input, task) => {
    if (task.attempt <= (fails[task.taskId] ?? 0)) throw new Error('no luck')
    if (task.taskId === 'mother') {
      task.spawn(step.task('child', { path: 'b' }, { traceId: task.traceId }))
      task.spawn(step.task('stranger', { path: 'c' }))
    }
    return { lines: 1 }
  })
  await stage.clock.run(startWorker({ adapter, runtime, handlers: [handler] }))
}

/** Takes what comes back until the run has nothing left to do, dispatching what was asked for. */
async function acceptAll(stage: RunStage, { run }: Holding): Promise<void> {
  await stage.clock.run(
    (async () => {
      for await (const result of run.results()) {
        if (result.spawnRequests.length > 0) await run.dispatch(result.spawnRequests)
        await result.accept()
      }
    })(),
  )
}

/** Opens a run in which a step of the trace, and something else, goes out. */
async function begin(stage: RunStage, runId: string, tasks = [traced(`${runId}-step`)]): Promise<Holding> {
  const holding = await stage.open({ runId })
  await stage.clock.run(holding.run.dispatch([...tasks, request('else', { lane: 'nobody' })]))
  await stage.clock.advance(1_000)
  return holding
}

const codeOf = (stage: RunStage, options: object) =>
  traceOf(stage, options).then(
    () => null,
    (error: RepriseError) => error.code,
  )

describe('a chain over several runs', () => {
  it('lists the tasks of a trace in the order of time, and names the first missing link where a coordinator died', async () => {
    const stage = new RunStage()
    // The names are not in the order of time.
    const first = await begin(stage, 'z-intake')
    await work(stage)
    await stage.clock.settle()
    await stage.clock.run(first.run.accept('z-intake-step'))
    const second = await stage.open({ runId: 'm-build' })
    stage.spoil('queue.offer', 'kill')
    void second.run.dispatch(traced('m-build-step'))
    await stage.clock.advance(1_000)
    const third = await stage.open({ runId: 'a-ship' })
    await stage.clock.run(third.run.dispatch(traced('a-ship-step', { notBefore: '2031-01-01T00:00:00.000Z' })))

    const before = stage.backend.recordsOf('m-build' as RunId).length
    const trace = await traceOf(stage)
    expect(told(trace)).toEqual([
      'z-intake/z-intake-step: accepted',
      'm-build/m-build-step: offered',
      'a-ship/a-ship-step: dispatched',
    ])
    expect(trace).toMatchObject({ format: 'reprise-trace-chain-v1', traceId, runs: 3, unreadable: [] })
    expect(trace.firstMissing).toMatchObject({ runId: 'm-build', taskId: 'm-build-step', link: 'offered' })
    expect(trace.firstMissing?.text).toMatch(/if it is gone, open the run/)
    expect(trace.tasks[1]).toMatchObject({
      kind: 'count',
      parent: null,
      attempt: 1,
      at: expect.stringMatching(/^2030-/),
    })
    expect(JSON.parse(JSON.stringify(trace))).toEqual(trace)
    expect(await traceOf(stage)).toEqual(trace)
    expect(stage.backend.recordsOf('m-build' as RunId)).toHaveLength(before)

    const heir = await stage.open({ runId: 'm-build', takeover: 'now' })
    await stage.clock.settle()
    expect((await traceOf(stage)).firstMissing).toMatchObject({ runId: 'm-build', link: 'settled' })
    await stage.clock.run(heir.run.accept('m-build-step'))
    expect((await traceOf(stage)).firstMissing).toMatchObject({ runId: 'a-ship', link: 'dispatched' })
    await stage.clock.run(third.run.cancel('a-ship-step', 'not wanted'))
    const whole = await traceOf(stage)
    expect(whole.firstMissing).toBe(null)
    expect(told(whole).at(-1)).toBe('a-ship/a-ship-step: cancelled')
    expect(whole.tasks.map(({ missing }) => missing)).toEqual([null, null, null])
  })

  it('has what was tried again once, with its newest attempt, and what was asked for with its parent', async () => {
    const stage = new RunStage()
    const policy = { retryBackoffMs: 1_000 }
    const two = await stage.open({ runId: 'two', policy })
    const one = await stage.open({ runId: 'one', policy })
    await stage.clock.run(two.run.dispatch(traced('again')))
    await stage.clock.run(one.run.dispatch([traced('mother'), traced('clumsy')]))
    await work(stage, { clumsy: 1, again: 9 })
    await stage.clock.advance(500)
    const early = await traceOf(stage)
    expect(early.tasks.find(({ taskId }) => taskId === 'clumsy')).toMatchObject({
      attempt: 2,
      missing: { link: 'dispatched' },
    })
    await stage.clock.advance(600_000)
    await acceptAll(stage, one)
    const trace = await traceOf(stage)
    expect(new Set(trace.tasks.slice(0, 3).map(({ at }) => at)).size).toBe(1)
    // `stranger` was asked for without the trace id: it carries that of its run.
    expect(told(trace)).toEqual([
      'one/mother: accepted',
      'one/clumsy: accepted',
      'two/again: settled',
      'one/child: accepted',
    ])
    expect(trace.tasks.map(({ attempt, parent }) => [attempt, parent])).toEqual([
      [1, null],
      [2, null],
      [3, null],
      [1, 'mother'],
    ])
    expect(trace.firstMissing?.text).toMatch(/attempt 3 has stopped .* waits for a decision/)
    expect(told(await traceOf(stage, { traceId: 'one' }))).toEqual(['one/stranger: accepted'])
  })

  it('says of a step of a run that has failed that nothing follows', async () => {
    const stage = new RunStage()
    const { run } = await begin(stage, 'doomed')
    await stage.clock.run(run.fail('no money'))
    const { firstMissing } = await traceOf(stage)
    expect(firstMissing).toMatchObject({ runId: 'doomed', text: 'nothing follows: the run is failed' })
  })

  it('looks only into the runs that are named, each once, and is empty where no task has the trace id', async () => {
    const stage = new RunStage()
    for (const runId of ['one', 'two', 'three']) await begin(stage, runId)
    stage.calls.length = 0
    const some = await traceOf(stage, { runIds: ['two', 'one', 'two'] })
    expect([some.runs, told(some)]).toEqual([2, ['one/one-step: claimed', 'two/two-step: claimed']])
    expect(stage.calls).not.toContain('log.list')
    const none = await traceOf(stage, { traceId: 'unheard-of' })
    expect(none).toMatchObject({ runs: 3, tasks: [], firstMissing: null, unreadable: [] })
  })

  it('reads a log once, and once more for all that is open, however many tasks that is', async () => {
    const stage = new RunStage()
    const many = Array.from({ length: 50 }, (_, i) => traced(`t${i}`))
    await begin(stage, 'many', many)
    const settled = await stage.open({ runId: 'settled' })
    await stage.clock.run(settled.run.dispatch(traced('t0')))
    await stage.clock.run(settled.run.cancel('t0', 'not wanted'))
    const reads: number[] = []
    const peeks: RunId[] = []
    const { adapter } = stage.outside
    const counting = {
      ...adapter,
      log: {
        ...adapter.log,
        read: (runId: RunId, from = 0) => {
          if (from === 0) reads.push(runId === 'many' ? 1 : 2)
          return adapter.log.read(runId, from)
        },
      },
      inbox: {
        ...adapter.inbox,
        peek: (runId: RunId, max: number) => {
          peeks.push(runId)
          return adapter.inbox.peek(runId, max)
        },
      },
    }
    expect((await traceOf(stage, { adapter: counting })).tasks).toHaveLength(51)
    expect([reads.sort(), peeks]).toEqual([[1, 1, 2], ['many']])
  })
})

/** The log of a run that says whatever is wanted, its hashes right. */
function forge(stage: RunStage, runId: string, ...commits: readonly unknown[]): void {
  let prev = genesisHash
  let version = 0
  const records = commits.map((events, index) => {
    const texts = (Array.isArray(events) ? events : [events]).map((event) => JSON.stringify(event))
    version += texts.length
    const header = { index, version, epoch: 1, at: '2029-12-31T00:00:00.000Z', actor: 'forger', prev }
    const record = encodeCommit(header, texts)
    prev = record.hash
    return record
  })
  stage.backend.runs.records.set(runId as RunId, records)
}

describe('a run that cannot be read', () => {
  const opened = (runId: string) => ({
    ...{ type: 'run-opened', v: 1 },
    data: { runId, goal: 'g', successCriteria: [], policy: policySchema.parse({}) },
  })
  const spec = { ...traced('forged'), lane: 'default', priority: 5, after: [], depth: 0 }
  const planned = { type: 'planned', v: 1, data: { taskId: 'forged', attempt: 1, why: 'no-slot', task: spec } }

  it.each([
    ['is that of another run', 'RUN_MISMATCH', [opened('good')], /that of run good/],
    ['has events that nobody knows', 'LOG_TOO_NEW', [opened('bad'), { ...planned, type: 'x\n## Done' }], /x\\n## Done/],
    [
      'has an event without data',
      'LOG_CORRUPT',
      [opened('bad'), { ...planned, data: null }],
      /Commit 1 of run bad is intact/,
    ],
    [
      'has a task of which nothing is known',
      'LOG_CORRUPT',
      [opened('bad'), planned, { ...planned, type: 'task-rejected', data: { taskId: 'x' } }],
      /Commit 2 of run bad is intact, and its events contradict/,
    ],
    ['has null for an event', 'LOG_CORRUPT', [opened('bad'), null], /Commit 1 of run bad is intact/],
  ])('because its log %s is reported, and the others are listed', async (_what, code, commits, message) => {
    const stage = new RunStage()
    await begin(stage, 'good')
    forge(stage, 'bad', ...commits)
    const trace = await traceOf(stage, { runIds: ['good', 'bad'] })
    expect(trace.unreadable).toEqual([{ runId: 'bad', code, message: expect.stringMatching(message) }])
    expect([trace.runs, told(trace)]).toEqual([1, ['good/good-step: claimed']])
    expect(await traceOf(stage)).toEqual(trace)
  })

  it('because its bytes were changed is reported, at whatever commit, and none of its tasks is listed', async () => {
    const stage = new RunStage()
    const { run } = await begin(stage, 'bad')
    await begin(stage, 'good')
    await stage.clock.run(run.cancel('bad-step', 'not wanted'))
    const records = stage.backend.recordsOf('bad' as RunId)
    for (const [index, record] of records.entries()) {
      const changed = { ...record, text: record.text.replace('"index":', '"index": ') }
      stage.backend.runs.records.set('bad' as RunId, records.with(index, changed))
      const trace = await traceOf(stage)
      expect(trace.unreadable).toMatchObject([{ runId: 'bad', code: 'LOG_CORRUPT' }])
      expect(told(trace)).toEqual(['good/good-step: claimed'])
    }
  })

  it.each([
    [1, 'for the first time'],
    [2, 'again, for what is open'],
  ])('because the backend does not answer is reported, be it when it is read %s', async (failing) => {
    const stage = new RunStage()
    for (const runId of ['bad', 'good']) await begin(stage, runId)
    const { adapter } = stage.outside
    let reads = 0
    const read: typeof adapter.log.read = (runId, from) => {
      if (runId === 'bad' && ++reads === failing) throw new RepriseError('ADAPTER_UNAVAILABLE', 'no answer')
      return adapter.log.read(runId, from)
    }
    const trace = await traceOf(stage, { adapter: { ...adapter, log: { ...adapter.log, read } } })
    expect(trace.unreadable).toEqual([{ runId: 'bad', code: 'ADAPTER_UNAVAILABLE', message: 'no answer' }])
    expect([trace.runs, told(trace)]).toEqual([1, ['good/good-step: claimed']])
  })

  it('because something fails that is no error of this library is reported without a code', async () => {
    const stage = new RunStage()
    await begin(stage, 'bad')
    const { adapter } = stage.outside
    const locate = async () => {
      throw new TypeError('no function')
    }
    const trace = await traceOf(stage, { adapter: { ...adapter, queue: { ...adapter.queue, locate } } })
    expect(trace.unreadable).toEqual([{ runId: 'bad', code: null, message: 'no function' }])
  })
})

describe('what is settled or removed while a trace is read', () => {
  it('is told as it is in the end', async () => {
    const stage = new RunStage()
    const { run } = await begin(stage, 'moving', [traced('a'), traced('b')])
    const gone = await begin(stage, 'removed')
    await stage.clock.run(gone.run.fail('no money'))
    const { adapter } = stage.outside
    let reads = 0
    async function* read(runId: RunId, from = 0): AsyncGenerator<string[]> {
      // Between the first reading and the second.
      if (runId === 'moving' && from === 0 && ++reads === 2) {
        await run.cancel('a', 'not wanted')
        await adapter.log.remove('removed' as RunId)
      }
      yield* adapter.log.read(runId, from)
    }
    const trace = await traceOf(stage, { adapter: { ...adapter, log: { ...adapter.log, read } } })
    expect(told(trace)).toEqual(['moving/a: cancelled', 'moving/b: claimed'])
    expect(trace.firstMissing).toMatchObject({ taskId: 'b' })
    expect(trace.unreadable).toMatchObject([{ runId: 'removed', code: 'RUN_UNKNOWN' }])
  })
})

describe('a trace', () => {
  it('is refused for what is no trace id, no run id, and a run that does not exist', async () => {
    const stage = new RunStage()
    await begin(stage, 'one')
    for (const options of [{ traceId: '' }, { traceId: 'a b' }, { traceId: 'x'.repeat(129) }]) {
      expect(await codeOf(stage, options)).toBe('INVALID_INPUT')
    }
    for (const options of [
      { runIds: [] },
      { runIds: ['../etc'] },
      { runIds: 'one' },
      { adapter: {} },
      { runs: ['one'] },
    ]) {
      expect(await codeOf(stage, options)).toBe('INVALID_INPUT')
    }
    expect(await codeOf(stage, { runIds: ['one', 'two'] })).toBe('RUN_UNKNOWN')
    expect(await codeOf(stage, { runIds: ['one'] })).toBe(null)
    await stage.outside.adapter.close()
    expect([await codeOf(stage, {}), await codeOf(stage, { runIds: ['one'] })]).toEqual(['CLOSED', 'CLOSED'])
  })

  it('is refused for more than 10,000 runs, before one of them is read', async () => {
    const stage = new RunStage()
    const { adapter } = stage.outside
    const runIds = Array.from({ length: 10_001 }, (_, i) => `run-${i}`)
    const endless = async function* (): AsyncGenerator<RunId> {
      for (let i = 0; ; i++) yield `run-${i}` as RunId
    }
    stage.calls.length = 0
    expect(await codeOf(stage, { adapter: { ...adapter, log: { ...adapter.log, list: endless } } })).toBe('TOO_LARGE')
    expect(await codeOf(stage, { runIds })).toBe('TOO_LARGE')
    expect(stage.calls).toEqual([])
  })

  it('is refused for more than 10,000 tasks, of all runs together', async () => {
    const stage = new RunStage()
    const event = (taskId: string) => {
      const task = { ...traced(taskId), lane: 'default', priority: 5, after: [], depth: 0 }
      return [
        { type: 'planned', v: 1, data: { taskId, attempt: 1, why: 'no-slot', task } },
        { type: 'task-cancelled', v: 1, data: { taskId, reason: 'not wanted' } },
      ]
    }
    const tasks = (count: number) => Array.from({ length: count }, (_, i) => event(`t${i}`)).flat()
    forge(stage, 'large', tasks(6_000))
    forge(stage, 'small', tasks(4_000))
    expect((await traceOf(stage)).tasks).toHaveLength(10_000)
    forge(stage, 'small', tasks(4_001))
    expect(await codeOf(stage, {})).toBe('TOO_LARGE')
    expect((await traceOf(stage, { runIds: ['small'] })).tasks).toHaveLength(4_001)
  })
})
