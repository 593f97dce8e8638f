import { describe, expect, it } from 'vitest'
import type { RunId } from '../src/protocol/ids.js'
import { commitsFrom } from '../src/replay/commits-from.js'
import { diffRun } from '../src/replay/diff-run.js'
import { inspectLog } from '../src/replay/inspect-log.js'
import { listRuns } from '../src/replay/list-runs.js'
import { listTasks } from '../src/replay/list-tasks.js'
import { readEvents } from '../src/replay/read-events.js'
import { statsOf } from '../src/replay/run-stats.js'
import { timelineOf } from '../src/replay/timeline.js'
import { whyRun } from '../src/replay/why-run.js'
import { whyTask } from '../src/replay/why-task.js'
import { ForkStage, fork } from './fork-stage.js'
import { dispatch, type GivenRun, given, receipt, settled } from './given-run.js'

async function listOf<T>(items: AsyncIterable<T> | null): Promise<T[]> {
  const all: T[] = []
  for await (const item of items ?? []) all.push(item)
  return all
}

async function forkOf(run: GivenRun): Promise<ForkStage> {
  const stage = new ForkStage(run)
  await stage.fork(run.state.version)
  return stage
}

/** Two attempts out, one received. */
const busy = () => given({}, ...settled('done'), dispatch('a', 'b', 'c'), receipt('c'))
const over = () => given({}, ...settled('done'), { type: 'complete', summary: 'done' })

describe('whoever looks at a fork', () => {
  it('finds an open run of its own name, whatever the original came to', async () => {
    for (const run of [busy(), over()]) {
      const stage = await forkOf(run)
      const { adapter } = stage
      const runs = await stage.clock.run(listOf(listRuns(adapter)))
      expect(runs.find(({ runId }) => runId === fork)).toMatchObject({ status: 'running', mode: 'recovering' })
      expect(await stage.clock.run(whyRun({ adapter, runId: fork, runtime: stage.here }))).toMatchObject({
        runId: fork,
        verdict: 'act',
      })
      expect(await inspectLog(adapter.log, fork)).toMatchObject({ ok: true })
      expect(await timelineOf(commitsFrom(adapter.log, fork))).toMatchObject({ runId: fork, closed: null })
      expect(await statsOf(commitsFrom(adapter.log, fork))).toMatchObject({ runId: fork })
    }
  })

  it('finds what was out planned, and no attempt of the original still at work', async () => {
    const stage = await forkOf(busy())
    const { adapter } = stage
    const runtime = stage.here
    for (const long of [false, true]) {
      const rows = await stage.clock.run(listOf(listTasks({ adapter, runId: fork, long })))
      const places = rows.filter(({ taskId }) => taskId !== 'done').map(({ taskId, place }) => [taskId, place])
      expect(places.sort()).toEqual([
        ['a', 'planned'],
        ['b', 'planned'],
        ['c', 'received'],
      ])
    }
    const why = await stage.clock.run(whyTask({ adapter, runId: fork, taskId: 'a', runtime }))
    expect(why).toMatchObject({ runId: fork, taskId: 'a', place: 'planned' })
    const timeline = await timelineOf(commitsFrom(adapter.log, fork))
    const attempts = timeline?.lanes.flatMap((lane) => lane.attempts) ?? []
    expect(attempts.filter(({ ended, recorded }) => ended === null && recorded === null)).toEqual([])
  })

  it('may go from the original to the fork in one difference', async () => {
    const run = busy()
    const stage = await forkOf(run)
    const { version } = run.state
    const difference = await diffRun(stage.adapter.log, fork, { version: version - 1 }, { version: version + 1 })
    expect(difference.events?.types).toContainEqual({ type: 'run-forked', count: 1 })
    expect(difference.fields).toContainEqual({ name: 'forkedFrom', from: null, to: `run-1@${version}` })
  })

  it('follows it from its first event on beyond the end of the original, and to its own end', async () => {
    const run = over()
    const stage = await forkOf(run)
    const stop = new AbortController()
    const events = await readEvents(stage.adapter.log, fork, { follow: stop.signal })
    const seen = stage.clock.run(listOf(events))
    const opened = await stage.open(fork as RunId)
    await stage.clock.run(opened.fail('enough'))
    const types = (await seen).map(({ type }) => type)
    expect(types.filter((type) => type.startsWith('run-'))).toEqual([
      'run-opened',
      'run-completed',
      'run-forked',
      'run-failed',
    ])
  })
})
