import { describe, expect, it } from 'vitest'
import { ChainReader } from '../src/log/chain-reader.js'
import { isoTime } from '../src/protocol/time.js'
import type { AttemptSpan } from '../src/replay/attempt-spans.js'
import { type Timeline, type TimelineOptions, timelineOf } from '../src/replay/timeline.js'
import { dispatch, failed, type GivenRun, given, receipt, startAt, task } from './given-run.js'
import { completedStory, failedStory } from './golden-logs/golden-story.js'

const commitsOf = ({ lines }: GivenRun) => {
  const chain = new ChainReader()
  return lines.map((line) => chain.next(line))
}
async function timeline(run: GivenRun, options?: TimelineOptions): Promise<Timeline> {
  const found = await timelineOf(commitsOf(run), options)
  expect(found).not.toBe(null)
  return found as Timeline
}
const after = (ms: number) => isoTime(Date.parse(startAt) + ms)
const by = (id: string, startedMs: number, finishedMs: number) => ({
  worker: { id, host: 'h', pid: 1 },
  ...{ startedAt: after(startedMs), finishedAt: after(finishedMs) },
})
const ends = (spans: readonly AttemptSpan[]) => spans.map(({ taskId, attempt, ended }) => [taskId, attempt, ended?.how])

describe('the timeline of a run', () => {
  it('has a lane for each worker, with every step of each attempt, and a lane for what nobody answered', async () => {
    const run = given({ attemptTimeoutMs: 1_000, attemptsMax: 1 })
      .and(dispatch('a', 'b', 'c', 'd'))
      .later(300)
      .and(receipt('a', by('w-1', 100, 250)), receipt('b', by('w-2', 50, 290)))
      .later(100)
      .and({ type: 'accept', taskId: 'a' }, { type: 'reject', taskId: 'b', reason: 'wrong' })
      .and({ type: 'cancel', taskId: 'c', reason: 'not needed' })
      .later(2_000)
      .and({ type: 'expire-attempts' })
    const { lanes, from, to, closed, leftOut } = await timeline(run)
    expect(lanes.map(({ worker, attempts }) => [worker, ends(attempts)])).toEqual([
      ['w-1', [['a', 1, 'accepted']]],
      ['w-2', [['b', 1, 'rejected']]],
      [
        null,
        [
          ['c', 1, 'cancelled'],
          ['d', 1, 'expired'],
        ],
      ],
    ])
    expect(lanes[0]?.attempts[0]).toMatchObject({
      ...{ kind: 'work', lane: 'default', owner: null, worker: 'w-1', status: 'completed', refused: 0 },
      ...{ startedAt: after(100), finishedAt: after(250) },
      ...{ dispatched: { at: after(0) }, recorded: { at: after(300) }, ended: { at: after(400) } },
    })
    expect([from, to, closed]).toEqual([
      { version: 1, at: after(0) },
      { version: run.state.version, at: after(2_400) },
      null,
    ])
    expect(Object.values(leftOut)).toEqual([0, 0, 0, 0, 0])
  })

  it('tells every attempt of a task that was tried again', async () => {
    const run = given({ attemptsMax: 3, retryBackoffMs: 100 }).and(dispatch('a'), failed('a'))
    run.later(200).and({ type: 'advance' }, receipt('a'), { type: 'retry', taskId: 'a', reason: 'more' })
    run.later(500).and({ type: 'advance' })
    const { lanes } = await timeline(run)
    expect(lanes.map(({ worker, attempts }) => [worker, ends(attempts)])).toEqual([
      [
        'worker-1',
        [
          ['a', 1, 'rejected'],
          ['a', 2, 'rejected'],
        ],
      ],
      [null, [['a', 3, undefined]]],
    ])
  })

  it('has coordinators with their epochs, modes, and pauses, without gaps where there are none', async () => {
    const story = completedStory()
    const { coordinators, modes, holds, closed } = await timeline(story)
    expect(coordinators.map(({ id, reason }) => [id, reason])).toEqual([
      ['coordinator-1', 'opened'],
      ['coordinator-2', 'free'],
      ['coordinator-2', 'process-gone'],
    ])
    const locks = commitsOf(story).flatMap(({ version, events }) =>
      events.flatMap(({ type }, i) => (type === 'lock-acquired' ? [version - events.length + i + 1] : [])),
    )
    expect(coordinators.map(({ epoch }) => epoch)).toEqual(locks)
    expect(coordinators.map(({ to }) => to === null)).toEqual([false, false, story.state.lock !== null])
    for (const [i, { to }] of modes.slice(0, -1).entries()) expect(to).toEqual(modes[i + 1]?.from)
    expect([modes[0]?.mode, modes.at(-1)?.mode, closed]).toEqual(['recovering', 'closed', 'complete'])
    expect(holds.map(({ kind, reason, to }) => [kind, reason, to !== null])).toEqual([
      ['paused', 'lunch', true],
      ['blocked', 'no key', true],
    ])
    expect((await timeline(failedStory())).closed).toBe('failed')
  })

  it('agrees with the log on how every attempt of every golden story began and ended', async () => {
    for (const story of [completedStory(), failedStory()]) {
      const events = commitsOf(story).flatMap((commit) => commit.events)
      const count = (type: string) => events.filter((event) => event.type === type).length
      const spans = (await timeline(story)).lanes.flatMap(({ attempts }) => attempts)
      const ended = (how: string) => spans.filter((span) => span.ended?.how === how).length
      expect(spans).toHaveLength(count('dispatched'))
      expect(ended('accepted')).toBe(count('task-accepted'))
      expect(ended('expired')).toBe(count('attempt-expired'))
      expect(ended('rejected')).toBe(count('task-rejected'))
      expect(spans.filter(({ recorded }) => recorded !== null)).toHaveLength(count('receipt-received'))
    }
  })

  it('says how many attempts were seen on a clock that does not agree', async () => {
    const run = given()
      .and(dispatch('early', 'late', 'back', 'fine'))
      .later(1_000)
      .and(receipt('early', by('w', -5, 10)), receipt('late', by('w', 5, 5_000)))
      .and(receipt('back', by('w', 20, 10)), receipt('fine', by('w', 0, 1_000)))
    expect((await timeline(run)).skewed).toBe(3)
  })

  it('is about a part of the run, with what was under way when it began', async () => {
    const run = given({ attemptsMax: 1 }).and(dispatch('before', 'across'), receipt('before'), {
      type: 'accept',
      taskId: 'before',
    })
    const from = run.state.version + 1
    run.later(1_000).and(dispatch('within'), receipt('across'), { type: 'accept', taskId: 'across' })
    const to = run.state.version
    run.later(1_000).and(dispatch('behind'))
    const part = await timeline(run, { from, to })
    expect(part.lanes.flatMap(({ attempts }) => ends(attempts))).toEqual([
      ['across', 1, 'accepted'],
      ['within', 1, undefined],
    ])
    expect([part.from, part.to]).toEqual([
      { version: from, at: after(1_000) },
      { version: to, at: after(1_000) },
    ])
    expect(part.leftOut.attempts).toBe(0)
  })

  it('keeps the newest attempts and the busiest lanes, and says what it left out', async () => {
    const run = given({ inFlightMax: 1_000 })
    for (let i = 0; i < 300; i++) {
      run.later(10).and(dispatch(`t${i}`), receipt(`t${i}`, by(`w-${i % 3 === 0 ? 0 : i}`, 0, 1)))
      run.and({ type: 'accept', taskId: `t${i}` })
    }
    const { lanes, leftOut, modes } = await timeline(run, { attemptsMax: 30, lanesMax: 4 })
    expect(leftOut).toMatchObject({ attempts: 270 + 17, lanes: 17 })
    expect(lanes).toHaveLength(4)
    expect(lanes.find(({ worker }) => worker === 'w-0')?.attempts).toHaveLength(10)
    expect(lanes.flatMap(({ attempts }) => attempts).every(({ taskId }) => Number(taskId.slice(1)) >= 270)).toBe(true)
    expect(modes).toHaveLength(120)
    expect(leftOut.modes).toBeGreaterThan(500)
  })

  it('is nothing without commits', async () => {
    expect(await timelineOf([])).toBe(null)
  })

  it('takes ids that are names of what objects have', async () => {
    const run = given().and(
      dispatch(task('__proto__'), task('constructor')),
      receipt('__proto__', by('toString', 0, 1)),
    )
    const { lanes } = await timeline(run)
    expect(lanes.map(({ worker, attempts }) => [worker, attempts.map(({ taskId }) => taskId)])).toEqual([
      ['toString', ['__proto__']],
      [null, ['constructor']],
    ])
  })
})
