import { describe, expect, it } from 'vitest'
import { memoryAdapter } from '../src/memory/memory-adapter.js'
import { diffRun } from '../src/replay/diff-run.js'
import { diffStates, stateDiffSchema } from '../src/replay/diff-states.js'
import { loadRunAt } from '../src/replay/load-run-at.js'
import type { Where } from '../src/replay/where.js'
import { histories, runOf } from './any-history.js'
import { dispatch, failed, GivenRun, given, open, passGates, receipt, task } from './given-run.js'
import { completedStory } from './golden-logs/golden-story.js'
import { checkProperty } from './property-run.js'
import { commitsOf, logOf, runId } from './replay-logs.js'
import { stateText } from './snapshot-of.js'

const file = 'packages/core/test/replay-diff.test.ts'
const { lines } = completedStory()
const commits = commitsOf(lines)
const total = commits.at(-1)?.version ?? 0
const diff = (from: Where, to: Where, of: readonly string[] = lines) => diffRun(logOf(of), runId, from, to)

describe('what changed in a run', () => {
  it('is told in the words of the domain', async () => {
    const run = new GivenRun().and(open({ inFlightMax: 2, attemptsMax: 2 }, ['all is read']), passGates)
    run.and(dispatch('a', 'b', task('c', { after: ['a'] })))
    const from = run.state.version
    run.and(receipt('a', { usage: { durationMs: 1, tokens: 7 } }), { type: 'accept', taskId: 'a' }, failed('b'))
    run.and(
      { type: 'meet-criterion', criterion: 1, evidence: 'counted', tasks: ['a'] },
      { type: 'pause', reason: 'lunch' },
    )
    run.and(dispatch('d'), { type: 'cancel', taskId: 'd', reason: 'not needed' })
    run.and({ type: 'set-checkpoint', dueAt: '2026-01-02T00:00:00.000Z', note: 'look' })
    const found = await diff({ version: from }, { back: 0 }, run.lines)
    expect(found).toMatchObject({
      runId,
      from: { version: from },
      to: { version: run.state.version },
      fields: [
        { name: 'status', from: 'awaiting-result', to: 'paused' },
        { name: 'pausedReason', from: null, to: 'lunch' },
        { name: 'checkpoint', from: null, to: '2026-01-02T00:00:00.000Z: look' },
      ],
      criteria: [{ number: 1, text: 'all is read', from: null, to: 'counted' }],
      spent: [{ name: 'tokens', from: 0, to: 7 }],
      takenIn: { total: 1, tasks: [{ taskId: 'd', now: 'cancelled', attempt: null }] },
      settled: {
        total: 2,
        tasks: [
          { taskId: 'a', outcome: 'accepted', from: 'out' },
          { taskId: 'd', outcome: 'cancelled', from: null },
        ],
      },
    })
    expect(found.counts).toContainEqual({ name: 'accepted', from: 0, to: 1 })
    expect(found.changed).toMatchObject({ total: 2, tasks: [{ taskId: 'b' }, { taskId: 'c' }] })
    const [b, c] = found.changed.tasks
    expect(b?.fields).toContainEqual({ name: 'phase', from: 'out', to: 'planned' })
    expect(b?.fields).toContainEqual({ name: 'attempt', from: 1, to: 2 })
    expect(c?.fields).toEqual([{ name: 'waitingFor', from: 1, to: 0 }])
    expect(found.events?.types[0]).toEqual({ type: 'receipt-received', count: 2 })
    expect(found.events?.types).toContainEqual({ type: 'task-rejected', count: 1 })
  })

  it('is the same whichever place is named first, and nothing between a place and itself', async () => {
    for (const [a, b] of [
      [3, 20],
      [0, total],
      [11, 12],
    ] as const) {
      const there = await diff({ version: a }, { version: b })
      expect(await diff({ version: b }, { version: a })).toEqual(there)
      expect(there.events?.total).toBe(b - a)
    }
    for (const version of [0, 1, 12, total]) {
      const none = await diff({ version }, { version })
      expect({ ...none, from: none.to }).toEqual({
        ...{
          runId: version === 0 ? null : runId,
          from: none.to,
          to: none.to,
          fields: [],
          criteria: [],
          counts: [],
          spent: [],
        },
        ...{ takenIn: { total: 0, tasks: [] }, changed: { total: 0, tasks: [] }, settled: { total: 0, tasks: [] } },
        events: { total: 0, types: [] },
      })
    }
  })

  it('is found in one pass, between any two versions, as between two states that were read apart', async () => {
    for (let from = 0; from <= total; from += 3) {
      for (let to = from; to <= total; to += 4) {
        const [a, b] = [
          (await loadRunAt(logOf(lines), runId, { version: from })).state,
          (await loadRunAt(logOf(lines), runId, { version: to })).state,
        ]
        const texts = [stateText(a), stateText(b)]
        const { events, ...states } = await diff({ version: from }, { version: to })
        expect({ ...states, events: null }).toEqual(diffStates(a, b))
        expect([stateText(a), stateText(b)]).toEqual(texts)
        expect(events?.types.reduce((sum, { count }) => sum + count, 0)).toBe(to - from)
        expect(stateDiffSchema.strict().safeParse(states && { ...states, events }).error).toBe(undefined)
      }
    }
  })

  it('takes times, alone and beside versions', async () => {
    const { at, version } = commits.findLast((commit) => commit.at === commits[3]?.at) ?? { at: '', version: 0 }
    const { at: laterAt } = commits.at(-1) ?? { at: '' }
    expect(await diff({ at }, { version: total })).toEqual(await diff({ version }, { back: 0 }))
    expect(await diff({ at: laterAt }, { at })).toEqual(await diff({ version }, { version: total }))
    await expect(diff({ at: '2025-01-01T00:00:00.000Z' }, { at })).rejects.toMatchObject({ code: 'VERSION_UNKNOWN' })
    await expect(diff({ at: '2025-01-01T00:00:00.000Z' }, { version })).rejects.toMatchObject({
      code: 'VERSION_UNKNOWN',
    })
  })

  it('is VERSION_UNKNOWN beyond the head, RUN_UNKNOWN without a log, LOG_CORRUPT at a bad commit', async () => {
    for (const [a, b] of [
      [0, total + 1],
      [total + 1, total + 2],
    ] as const) {
      const failing = diff({ version: a }, { version: b })
      await expect(failing).rejects.toMatchObject({ code: 'VERSION_UNKNOWN', details: { events: total } })
    }
    const nothing = diffRun(memoryAdapter().log, runId, { version: 0 }, { version: 1 })
    await expect(nothing).rejects.toMatchObject({ code: 'RUN_UNKNOWN' })
    const torn = lines.map((line, i) => (i === 7 ? line.replace('"v":1', '"v":9') : line))
    await expect(diff({ version: 0 }, { back: 0 }, torn)).rejects.toMatchObject({ code: 'LOG_CORRUPT' })
    const before = { version: commits[6]?.version ?? 0 }
    expect((await diff({ version: 0 }, before, torn)).to).toMatchObject(before)
  })

  it('lists a bounded number of tasks, and counts all', () => {
    const before = given({ inFlightMax: 500 })
    const ids = Array.from({ length: 300 }, (_, i) => `t${i}`)
    const { takenIn } = diffStates(given().state, before.and(dispatch(...ids)).state)
    expect([takenIn.total, takenIn.tasks.length]).toEqual([300, 100])
    expect(diffStates(given().state, before.state, { listedMax: 0 }).takenIn).toEqual({ total: 300, tasks: [] })
  })

  it('adds up: what came in and what was settled is what the counts say', async ({ task: { name } }) => {
    await checkProperty(name, file, histories, async (steps) => {
      const { lines: any, state } = runOf(steps)
      const middle = Math.floor(state.version / 2)
      const [from, to] = [
        (await loadRunAt(logOf(any), runId, { version: middle })).state,
        (await loadRunAt(logOf(any), runId, { back: 0 })).state,
      ]
      const found = await diff({ version: middle }, { back: 0 }, any)
      expect(found.takenIn.total).toBe(to.counts.tasks - from.counts.tasks)
      expect(found.settled.total).toBe(to.settled.size - from.settled.size)
      const counts = { ...from.counts } as Record<string, number>
      for (const { name: count, to: value } of found.counts) counts[count] = value
      expect(counts).toEqual(to.counts)
    })
  })
})
