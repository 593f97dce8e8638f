import { describe, expect, it } from 'vitest'
import type { TaskId } from '../src/protocol/ids.js'
import { settledOutcome } from '../src/protocol/state.js'
import { type ListTasksOptions, listTasks, type TaskRow, taskRowSchema } from '../src/replay/list-tasks.js'
import { runOverview, runOverviewSchema } from '../src/replay/run-overview.js'
import { histories, runOf } from './any-history.js'
import { checkProperty } from './property-run.js'
import { RunStage, request, runId } from './run-stage.js'
import { stageOf } from './why-stage.js'

const broken = { status: 'failed', output: null, error: { message: 'no\ndisk' } } as const

/** Of each place one task, of two kinds and two lanes. */
async function mixedRun() {
  const stage = new RunStage()
  const policy = { attemptsMax: 2, retryBackoffMs: 1, inFlightMax: 10 }
  const { run } = await stage.open({ policy, successCriteria: ['all is read', 'it adds up'] })
  const gpu = { lane: 'gpu', kind: 'train' }
  await stage.clock.run(run.dispatch(['ok', 'bad', 'lost'].map((id) => request(id))))
  await stage.clock.run(run.dispatch([request('back', gpu), request('away', gpu), request('next', { after: ['bad'] })]))
  await stage.answer('ok')
  await stage.clock.run(run.execute({ type: 'accept', taskId: 'ok' }))
  for (const id of ['bad', 'lost', 'bad', 'lost']) {
    await stage.answer(id, broken)
    await stage.clock.advance(10)
  }
  await stage.clock.run(run.execute({ type: 'abandon', taskId: 'lost', reason: 'cannot be done' }))
  await stage.answer('back')
  return { stage, run }
}

const list = async (stage: RunStage, options: Partial<ListTasksOptions> = {}): Promise<TaskRow[]> => {
  const rows: TaskRow[] = []
  const reading = async () => {
    for await (const row of listTasks({ adapter: stage.outside.adapter, runId, ...options }))
      rows.push(taskRowSchema.parse(row))
  }
  await stage.clock.run(reading())
  return rows
}
const idsOf = (rows: readonly TaskRow[]): string[] => rows.map(({ taskId }) => taskId)

const always = 'are the same from the state and from the log, of any run'

describe('the tasks of a run', () => {
  it('are listed with their place, the settled ones first', async () => {
    const { stage } = await mixedRun()
    const rows = await list(stage)
    expect(rows.map(({ taskId, place }) => [taskId, place])).toEqual([
      ['ok', 'accepted'],
      ['lost', 'abandoned'],
      ['bad', 'stopped'],
      ['back', 'received'],
      ['away', 'out'],
      ['next', 'planned'],
    ])
    expect(rows[4]).toMatchObject({ kind: 'train', lane: 'gpu', attempt: 1, attemptsMax: 2, dueAt: expect.any(String) })
    expect(rows[5]).toMatchObject({ waitingFor: 1 })
    // The state keeps an outcome of them, and no more.
    expect(rows[0]).toMatchObject({ kind: null, since: null })
  })

  it('say all that the log knows of the settled ones when they are asked for at length', async () => {
    const { stage } = await mixedRun()
    const rows = await list(stage, { long: true, places: ['accepted', 'abandoned'] })
    expect(rows).toMatchObject([
      { taskId: 'ok', kind: 'count', lane: 'default', attempt: 1, failures: 0, worker: 'worker-1', reason: null },
      { taskId: 'lost', kind: 'count', attempt: 2, failures: 2, reason: 'cannot be done', since: expect.any(String) },
    ])
    for (const { changedAt } of rows) expect(stage.events[(changedAt ?? 0) - 1]?.type).toMatch(/^task-/)
  })

  it.each<[string, Partial<ListTasksOptions>, string[]]>([
    ['a place', { places: ['out', 'planned'] }, ['away', 'next']],
    ['a lane', { lane: 'gpu' }, ['back', 'away']],
    ['a kind, settled ones too', { kind: 'count' }, ['ok', 'lost', 'bad', 'next']],
    ['what went wrong', { failed: true }, ['lost', 'bad']],
    ['what went wrong and is open', { failed: true, places: ['stopped', 'out'] }, ['bad']],
    ['a kind that there is not', { kind: 'nothing' }, []],
  ])('are chosen by %s', async (_what, options, ids) => {
    const { stage } = await mixedRun()
    expect(idsOf(await list(stage, options))).toEqual(ids)
  })

  it('do not list as failed what failed once and was accepted then', async () => {
    const { stage, run } = await mixedRun()
    await stage.clock.run(run.dispatch(request('twice')))
    await stage.answer('twice', broken)
    await stage.clock.advance(10)
    expect(idsOf(await list(stage, { failed: true }))).toEqual(['lost', 'bad', 'twice'])
    await stage.answer('twice')
    await stage.clock.run(run.execute({ type: 'accept', taskId: 'twice' }))
    expect(idsOf(await list(stage, { failed: true }))).toEqual(['lost', 'bad'])
  })

  it('are refused for a run that there is not, read either way', async () => {
    const { stage } = await mixedRun()
    for (const long of [false, true]) {
      await expect(list(stage, { runId: 'run-9', long })).rejects.toMatchObject({ code: 'RUN_UNKNOWN' })
    }
  })

  it(always, () =>
    checkProperty(always, 'packages/core/test/look-at-tasks.test.ts', histories, async (steps) => {
      const run = runOf(steps)
      const stage = stageOf(run)
      const [short, long] = [await list(stage), await list(stage, { long: true })]
      const places = (rows: readonly TaskRow[]) => rows.map(({ taskId, place }) => [taskId, place])
      const { tasks, settled } = run.state
      expect(places(short)).toEqual([
        ...[...settled].map(([taskId, packed]) => [taskId, settledOutcome(packed)]),
        ...[...tasks.values()].map(({ spec, phase }) => [spec.taskId, phase]),
      ])
      expect(places(long)).toEqual(places(short))
      for (const [i, row] of long.entries()) {
        const { failures: _, ...known } = short[i] as TaskRow
        if (tasks.has(row.taskId as TaskId)) expect(row).toMatchObject(known)
        expect(row.kind).toBe('work')
      }
    }),
  )
})

describe('where a run stands', () => {
  const overviewOf = async (stage: RunStage) =>
    runOverviewSchema.parse(await stage.clock.run(runOverview({ ...stage.outside, runId })))

  it('has counts, criteria, budgets and the next action of the log, and who holds it', async () => {
    const { stage, run } = await mixedRun()
    await stage.clock.run(run.execute({ type: 'meet-criterion', criterion: 1, evidence: 'seen' }))
    const found = await overviewOf(stage)
    expect(found).toMatchObject({
      ...{ version: stage.events.length, status: 'running', epoch: 2, takingOver: null, unlearnt: [] },
      counts: { planned: 1, out: 1, received: 1, stopped: 1, accepted: 1, abandoned: 1, tasks: 6 },
      budgets: { inFlight: { used: 1, max: 10 }, tokens: { used: 0, max: null } },
      holder: { alive: true, heartbeatAt: expect.any(String) },
      nextAction: expect.stringMatching(/^evaluate what came back of task back/),
    })
    expect(found.criteria.map(({ evidence }) => evidence)).toEqual(['seen', null])
    expect(found.blockers).toEqual([expect.stringMatching(/task bad stopped/)])
  })

  it('says whether its holder is alive, gone or somebody else, and when a checkpoint is overdue', async () => {
    const stage = new RunStage()
    const holding = await stage.open()
    const dueAt = new Date(stage.clock.now() + 1_000).toISOString()
    await stage.clock.run(holding.run.execute({ type: 'set-checkpoint', dueAt, note: 'look' }))
    expect((await overviewOf(stage)).checkpoint?.overdue).toBe(false)
    holding.adapter.kill()
    await stage.clock.advance(30_000)
    const gone = await overviewOf(stage)
    expect([gone.holder?.alive, gone.holder?.heartbeatAt, gone.checkpoint?.overdue]).toEqual([false, null, true])
    const heir = { id: 'heir', host: 'h', pid: 2 }
    await stage.clock.run(stage.outside.adapter.leases.acquire(`run/${runId}`, heir, 60_000))
    expect(await overviewOf(stage)).toMatchObject({ takingOver: 'heir', holder: { alive: false } })
  })

  it('says that it does not know whether its holder is alive when the leases do not answer', async () => {
    const { stage } = await mixedRun()
    const { log, leases } = stage.outside.adapter
    const holders = async function* (): AsyncGenerator<never> {
      await new Promise(() => {})
    }
    const adapter = { log, leases: { ...leases, holders } }
    const found = await stage.clock.run(runOverview({ adapter, runtime: stage.outside.runtime, runId }))
    expect(found.holder?.alive).toBe(null)
    expect(found.unlearnt).toEqual(['The lease of the run had no answer for 5000 ms.'])
  })

  it('is refused for a run that there is not', async () => {
    const { stage } = await mixedRun()
    const overview = runOverview({ ...stage.outside, runId: 'run-9' })
    await expect(stage.clock.run(overview)).rejects.toMatchObject({ code: 'RUN_UNKNOWN' })
  })
})
