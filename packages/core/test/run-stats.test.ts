import { describe, expect, it } from 'vitest'
import { ChainReader } from '../src/log/chain-reader.js'
import { isoTime } from '../src/protocol/time.js'
import { type RunStats, type StatsOptions, statsOf } from '../src/replay/run-stats.js'
import { dispatch, type GivenRun, given, receipt, startAt, task } from './given-run.js'
import { completedStory } from './golden-logs/golden-story.js'

const commitsOf = ({ lines }: GivenRun) => {
  const chain = new ChainReader()
  return lines.map((line) => chain.next(line))
}
async function stats(run: GivenRun, options?: StatsOptions): Promise<RunStats> {
  const found = await statsOf(commitsOf(run), options)
  expect(found).not.toBe(null)
  return found as RunStats
}
const after = (ms: number) => isoTime(Date.parse(startAt) + ms)
const by = (id: string, startedMs: number, finishedMs: number, usage: object = {}) => ({
  worker: { id, host: 'h', pid: 1 },
  ...{ startedAt: after(startedMs), finishedAt: after(finishedMs) },
  usage: { durationMs: finishedMs - startedMs, ...usage },
})

/** Two kinds, three attempts of one task, one refused receipt, one that expires. */
const mixed = () =>
  given({ attemptsMax: 3, retryBackoffMs: 1, attemptTimeoutMs: 5_000 })
    .and(dispatch(task('a', { kind: 'parse', owner: 'ann' }), task('b', { kind: 'parse' }), task('c', { lane: 'gpu' })))
    .later(100)
    .and(receipt('a', by('w-1', 10, 40, { tokens: 100, costUsd: 0.5 })), receipt('nobody'))
    .later(50)
    .and({ type: 'accept', taskId: 'a' })
    .and(receipt('b', by('w-2', 20, 60, { tokens: 1 })), { type: 'retry', taskId: 'b', reason: 'more' })
    .later(10)
    .and({ type: 'advance' }, receipt('b', by('w-1', 165, 170, { tokens: 2 })))
    .and({ type: 'retry', taskId: 'b', reason: 'and more' })
    .later(10)
    .and({ type: 'advance' }, receipt('b', by('w-1', 180, 190)), { type: 'accept', taskId: 'b' })
    .later(60_000)
    .and({ type: 'expire-attempts' })

describe('the figures of a run', () => {
  it('count tasks, attempts, receipts, refusals and time', async () => {
    const run = mixed()
    expect(await stats(run)).toMatchObject({
      ...{ runId: 'run-1', version: run.state.version, commits: run.lines.length, from: after(0), to: after(60_170) },
      durationMs: 60_170,
      tasks: { accepted: 2, cancelled: 0, abandoned: 0, open: 1 },
      acceptedPerMinute: (2 * 60_000) / 60_170,
      receipts: { completed: 4, failed: 0, partial: 0, refused: 0 },
      attempts: { dispatched: 5, rejected: 2, expired: 1 },
      refusals: { 'known-task': 1 },
      ...{ keptOut: 0, takeOvers: 0, by: null, groups: [], groupsMerged: false },
      total: {
        ...{ name: null, attempts: 5, accepted: 2, failed: 3, tokens: 103, costUsd: 0.5, workMs: 85 },
        toStartMs: { count: 4, min: 5, max: 20 },
        durationMs: { count: 4, min: 5, max: 40 },
        toRecordMs: { count: 2, min: 60, max: 90, below: { count: 2, most: -20 } },
        toDecisionMs: { count: 4, min: 0, max: 50 },
        attemptsPerTask: {
          count: 2,
          min: 1,
          max: 3,
          mean: 2,
          buckets: [
            { from: 1, count: 1 },
            { from: 3, count: 1 },
          ],
        },
      },
    })
  })

  it.each([
    [
      'kind',
      [
        ['parse', 4, 2],
        ['work', 1, 0],
      ],
    ],
    [
      'worker',
      [
        ['w-1', 3, 2],
        ['w-2', 1, 0],
        ['', 1, 0],
      ],
    ],
    [
      'lane',
      [
        ['default', 4, 2],
        ['gpu', 1, 0],
      ],
    ],
    [
      'owner',
      [
        ['', 4, 1],
        ['ann', 1, 1],
      ],
    ],
  ] as const)('tell attempts apart by %s', async (key, expected) => {
    const { groups, by: told, total } = await stats(mixed(), { by: key })
    expect(told).toBe(key)
    expect(groups.map(({ name, attempts, accepted }) => [name, attempts, accepted])).toEqual(expected)
    const sum = (field: 'attempts' | 'tokens' | 'costUsd' | 'workMs') => groups.reduce((all, g) => all + g[field], 0)
    for (const field of ['attempts', 'tokens', 'costUsd', 'workMs'] as const) expect(sum(field)).toBe(total[field])
  })

  it('show times below 0 as what they are: clocks that do not agree', async () => {
    const run = given()
      .and(dispatch('a', 'b'))
      .later(100)
      .and(receipt('a', by('w', -7, 10)), receipt('b', by('w', -2, 300)))
      .and({ type: 'accept', taskId: 'a' }, { type: 'accept', taskId: 'b' })
    const { total } = await stats(run)
    expect(total.toStartMs).toMatchObject({ count: 0, below: { count: 2, most: -7 } })
    expect(total.toRecordMs).toMatchObject({ count: 1, below: { count: 1, most: -200 } })
    expect(total.durationMs.below).toBe(null)
  })

  it('keep a bounded number of groups apart, and lose nothing', async () => {
    const run = given()
    for (let i = 0; i < 30; i++) {
      run.and(dispatch(task(`t${i}`, { kind: `k${i}` })), receipt(`t${i}`, by('w', 0, 5, { tokens: 1 })))
      run.and({ type: 'accept', taskId: `t${i}` })
    }
    const { groups, groupsMerged, total } = await stats(run, { by: 'kind', groupsMax: 4 })
    expect(groups.map(({ attempts }) => attempts)).toEqual([1, 1, 1, 1, 26])
    expect([groups.at(-1)?.name, groupsMerged]).toEqual([null, true])
    expect(groups.reduce((all, { tokens }) => all + tokens, 0)).toBe(total.tokens)
  })

  it('agree with the state that the same log folds to', async () => {
    const story = completedStory()
    const { tasks, total, refusals, attempts } = await stats(story)
    const { counts, spent } = story.state
    expect(tasks).toMatchObject({ accepted: counts.accepted, open: 0 })
    expect({ tokens: total.tokens, costUsd: total.costUsd }).toMatchObject({
      tokens: spent.tokens,
      costUsd: spent.costUsd,
    })
    expect(Object.values(refusals).reduce((a, b) => a + b, 0)).toBeGreaterThan(0)
    expect(total.attempts).toBe(attempts.dispatched)
  })

  it('are none without commits', async () => {
    expect(await statsOf([])).toBe(null)
  })
})
