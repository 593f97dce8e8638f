import { describe, expect, it } from 'vitest'
import { openRun } from '../src/coordinator/open-run.js'
import type { MemoryAdapter } from '../src/memory/memory-adapter.js'
import type { Adapter } from '../src/ports/adapter.js'
import type { RunId } from '../src/protocol/ids.js'
import { keepSummary } from '../src/replay/keep-summary.js'
import { type ListedRun, listRuns, type UnreadableLog } from '../src/replay/list-runs.js'
import { RunStage, request, requests, runId } from './run-stage.js'

type Row = ListedRun | UnreadableLog

async function collect(adapter: Adapter, prefix?: string): Promise<Row[]> {
  const rows: Row[] = []
  for await (const row of listRuns(adapter, prefix === undefined ? {} : { prefix })) rows.push(row)
  return rows.sort((a, b) => (a.runId < b.runId ? -1 : 1))
}

const list = (stage: RunStage, adapter: Adapter = stage.outside.adapter, prefix?: string): Promise<Row[]> =>
  stage.clock.run(collect(adapter, prefix))

/** Opens and closes runs with these names, each with an open task. */
async function leave(stage: RunStage, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const run = await stage.clock.run(openRun({ runId: name, goal: `goal of ${name}`, ...stage.process() }))
    await stage.clock.run(run.dispatch(request('t1')))
    await stage.clock.run(run.close())
  }
}

const sourcesOf = (rows: readonly Row[]) => Object.fromEntries(rows.map(({ runId: id, source }) => [id, source]))
const withoutSummaries = ({ adapter }: { adapter: MemoryAdapter }): Adapter => {
  const { summaries: _, ...rest } = adapter
  return rest
}

describe('listRuns', () => {
  it('finds nothing where there is nothing', async () => {
    expect(await list(new RunStage())).toEqual([])
  })

  it('tells of runs at rest without a look into their logs', async () => {
    const stage = new RunStage()
    const names = Array.from({ length: 40 }, (_, n) => `run-${n}`).sort()
    await leave(stage, names)
    stage.calls.length = 0
    const rows = await list(stage)
    expect(rows.map((row) => row.runId)).toEqual(names)
    expect(new Set(Object.values(sourcesOf(rows)))).toEqual(new Set(['summary']))
    expect(stage.calls.filter((call) => call.startsWith('log.') || call.startsWith('snapshots.'))).toEqual([])
    expect(rows[0]).toMatchObject({ problem: null, goal: 'goal of run-0', openTasks: 1, tasks: 1, holder: null })
    expect((await list(stage, stage.outside.adapter, 'run-3')).map((row) => row.runId)).toEqual(
      names.filter((name) => name.startsWith('run-3')),
    )
  })

  it('says the same whether it read a summary or the log, at every step of a run', async () => {
    const stage = new RunStage()
    const look = async () => {
      const [[quick], [slow]] = [await list(stage), await list(stage, withoutSummaries(stage.outside))]
      expect(slow).toMatchObject({ source: 'log' })
      expect(quick).toEqual({ ...slow, source: quick?.source })
      return quick?.source
    }
    const sources: (string | undefined)[] = []
    const held = await stage.open({ successCriteria: ['all counted'] })
    const steps: (() => Promise<unknown>)[] = [
      () => held.run.dispatch(requests(3)),
      () => held.run.pause('a break'),
      () => held.run.unpause('it is over'),
      () => held.run.cancel('t1', 'not needed'),
      () => held.run.close(),
    ]
    for (const step of steps) {
      await stage.clock.run(step())
      sources.push(await look())
      await stage.clock.advance(2_100)
      sources.push(await look())
    }
    expect(new Set(sources)).toEqual(new Set(['summary', 'log']))
  })

  it('reads the log, and the log alone, where a coordinator was killed before it put a summary', async () => {
    const stage = new RunStage()
    await leave(stage, ['run-0', 'run-2'])
    const held = await stage.open()
    await stage.clock.run(held.run.dispatch(requests(2)))
    held.adapter.kill()
    const rows = await list(stage)
    expect(sourcesOf(rows)).toEqual({ 'run-0': 'summary', 'run-1': 'log', 'run-2': 'summary' })
    expect(rows[1]).toMatchObject({ openTasks: 2, holder: { live: false } })
  })

  it('says who holds a run, and whether they live, also before they have the lock', async () => {
    const stage = new RunStage()
    const held = await stage.open()
    await stage.clock.advance(2_100)
    const { host, pid } = held.runtime
    expect(await list(stage)).toMatchObject([{ holder: { host, pid, live: true }, source: 'summary' }])
    held.adapter.kill()
    expect(await list(stage)).toMatchObject([{ holder: { host, pid, live: false }, source: 'summary' }])
    const next = stage.process()
    const holder = { id: 'next', host: next.runtime.host, pid: next.runtime.pid }
    await stage.clock.run(next.adapter.leases.acquire(`run/${runId}`, holder, 60_000))
    expect(await list(stage)).toMatchObject([{ holder: { ...holder, live: true } }])
  })

  it('reads the log instead of a summary that is not one', async () => {
    const stage = new RunStage()
    await leave(stage, ['run-0', 'run-1', 'run-2'])
    const [text, other] = ['run-1', 'run-2'].map((id) => stage.backend.summaries.get(id as RunId)?.text ?? '')
    const keep = (id: string, kept: string) => {
      const hash = stage.backend.recordsOf(id as RunId).at(-1)?.hash ?? ''
      stage.backend.summaries.set(id as RunId, { hash, text: kept })
    }
    for (const forged of [
      '',
      '{}',
      text?.slice(0, -1) ?? '',
      other ?? '',
      text?.replace('"form":1', '"form":2') ?? '',
    ]) {
      keep('run-1', forged)
      const rows = await list(stage)
      expect(sourcesOf(rows)).toEqual({ 'run-0': 'summary', 'run-1': 'log', 'run-2': 'summary' })
      expect(rows[1]).toMatchObject({ goal: 'goal of run-1', openTasks: 1 })
    }
    keep('run-1', text ?? '')
    expect(sourcesOf(await list(stage))['run-1']).toBe('summary')
  })

  it('has a row for a log that is damaged, or of another run, and goes on with the others', async () => {
    const stage = new RunStage()
    await leave(stage, ['run-0', 'run-1', 'run-2', 'run-3'])
    const { records } = stage.backend.runs
    const [of0, of1] = ['run-0', 'run-1'].map((id) => records.get(id as RunId) ?? [])
    const broken = (of1 ?? []).map((record, n) =>
      n === 0 ? { ...record, text: record.text.replace('goal of', 'coal of') } : record,
    )
    records.set('run-1' as RunId, broken)
    records.set('run-2' as RunId, of0 ?? [])
    stage.backend.summaries.clear()
    const rows = await list(stage)
    expect(rows.map(({ runId: id, problem }) => [id, problem?.code])).toEqual([
      ['run-0', undefined],
      ['run-1', 'LOG_CORRUPT'],
      ['run-2', 'RUN_MISMATCH'],
      ['run-3', undefined],
    ])
  })

  it('leaves out a run that is removed between the look at it and the reading of its log', async () => {
    const stage = new RunStage()
    await leave(stage, ['run-0', 'run-1'])
    stage.backend.summaries.clear()
    stage.intercept(({ port, method }) => {
      if (port === 'log' && method === 'read') stage.backend.runs.records.delete('run-1' as RunId)
      return 'go'
    })
    expect((await list(stage)).map((row) => row.runId)).toEqual(['run-0'])
  })

  it('needs no log any more of a run that came from elsewhere, once somebody has kept its summary', async () => {
    const [there, here] = [new RunStage(), new RunStage()]
    await leave(there, ['run-0', 'run-1'])
    for (const [id, records] of there.backend.runs.records) here.backend.runs.records.set(id, [...records])
    expect(sourcesOf(await list(here))).toEqual({ 'run-0': 'log', 'run-1': 'log' })
    const keep = (id: string, adapter: Adapter = here.outside.adapter) =>
      here.clock.run(keepSummary(adapter, id as RunId))
    expect(await keep('run-1')).toBe(true)
    const rows = await list(here)
    expect(sourcesOf(rows)).toEqual({ 'run-0': 'log', 'run-1': 'summary' })
    expect(rows[1]).toEqual((await list(there))[1])
    expect(await keep('run-0', withoutSummaries(here.outside))).toBe(false)
    await expect(keep('run-7')).rejects.toMatchObject({ code: 'RUN_UNKNOWN' })
  })

  it('reads logs where summaries cannot be listed, and lists nothing twice where that ends half way', async () => {
    const stage = new RunStage()
    const names = Array.from({ length: 20 }, (_, n) => `run-${n}`).sort()
    await leave(stage, names)
    stage.spoil('summaries.list', 'fail')
    const rows = await list(stage)
    expect(rows.map((row) => [row.runId, row.source])).toEqual(names.map((name) => [name, 'log']))
    stage.spoil('summaries.list', 'fail', { phase: 'after' })
    await expect(list(stage)).rejects.toMatchObject({ code: 'ADAPTER_UNAVAILABLE' })
  })

  it('fails as the adapter does', async () => {
    for (const method of ['log.list', 'leases.holders', 'log.read']) {
      const stage = new RunStage()
      await leave(stage, ['run-0'])
      if (method === 'log.read') stage.backend.summaries.clear()
      if (method === 'log.list') stage.spoil('summaries.list', 'fail')
      stage.spoil(method, 'fail')
      await expect(list(stage)).rejects.toMatchObject({ code: 'ADAPTER_UNAVAILABLE' })
    }
  })
})
