import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allOf } from '../src/patterns/all-of.js'
import { firstOf } from '../src/patterns/first-of.js'
import { mapOver } from '../src/patterns/map-over.js'
import { pipeline, type Stage } from '../src/patterns/pipeline.js'
import type { JsonValue } from '../src/protocol/json.js'
import { expectOnce, playScript, type Script, type Story, sweep, work } from './pattern-story.js'
import { checkProperty } from './property-run.js'

const numberOf = (output: JsonValue | undefined): number => (output as { n: number }).n

/** Commits in which a task was settled or dispatched that fits. */
const commitsWith = (story: { history: { commits: readonly object[] } }, text: string): number[] =>
  story.history.commits.flatMap((commit, index) => (JSON.stringify(commit).includes(text) ? [index] : []))

/** Hundreds of stories: the machine may be slow. Milliseconds. */
const sweepMs = 300_000

describe('allOf, killed at any port call', () => {
  const script: Script<[string, string, JsonValue][]> = async (run) => {
    const tasks = [1, 2, 3, 4].map((n) => work.task(`t${n}`, { n, waitMs: n * 3, fails: n === 3 }))
    const settled = await allOf(run, tasks)
    return [...settled.values()].map(({ taskId, outcome, receipt, reason }) => [
      taskId,
      outcome,
      receipt?.output ?? reason,
    ])
  }

  it(
    'settles every task once, and tells how, also what was settled in an earlier life',
    async () => {
      const calls = await sweep(script, (story) => {
        expectOnce(story)
        expect(story.begun).toHaveLength(4)
        expect(story.result.toSorted()).toEqual([
          ['t1', 'accepted', { n: 1 }],
          ['t2', 'accepted', { n: 2 }],
          ['t3', 'abandoned', 'attempt 1 failed: it cannot be done'],
          ['t4', 'accepted', { n: 4 }],
        ])
      })
      expect(calls).toBeGreaterThan(40)
    },
    sweepMs,
  )
})

describe('firstOf, killed at any port call', () => {
  it(
    'has one winner, accepted in the commit that cancels the others, and names it in every later life',
    async () => {
      const script: Script<unknown> = async (run) => {
        const tasks = [50, 5, 50, 50].map((waitMs, n) => work.task(`t${n}`, { n, waitMs }))
        const { winner, others } = await firstOf(run, tasks)
        return {
          winner: [winner?.taskId, winner?.receipt?.output],
          others: [...others.values()].map(({ taskId, outcome, reason }) => [taskId, outcome, reason]).toSorted(),
        }
      }
      await sweep(script, (story) => {
        expectOnce(story)
        const { accepted } = story.history.facts
        expect(accepted).toHaveLength(1)
        const [winner] = accepted.map(({ taskId }) => taskId) as [string]
        const losers = ['t0', 't1', 't2', 't3'].filter((taskId) => taskId !== winner)
        expect(story.result).toEqual({
          winner: [winner, { n: Number(winner[1]) }],
          others: losers.map((taskId) => [taskId, 'cancelled', `task ${winner} was first`]),
        })
        expect(commitsWith(story, '"task-cancelled"')).toEqual(commitsWith(story, '"task-accepted"'))
        expect(story.history.facts.open.size).toBe(0)
      })
    },
    sweepMs,
  )

  it(
    'says why there is no winner, in every later life too',
    async () => {
      const script: Script<unknown> = async (run) => {
        const tasks = [1, 2].map((n) => work.task(`t${n}`, { n, waitMs: n, fails: true }))
        const { winner, others } = await firstOf(run, tasks)
        return { winner, others: [...others.values()].map(({ outcome, reason }) => [outcome, reason]) }
      }
      const why = ['abandoned', 'attempt 1 failed: it cannot be done']
      await sweep(script, (story) => {
        expectOnce(story)
        expect(story.result).toEqual({ winner: null, others: [why, why] })
      })
    },
    sweepMs,
  )
})

describe('pipeline, killed at any port call', () => {
  const stages: Stage<number>[] = [
    { name: 'double', task: ({ taskId, item }) => work.task(taskId, { n: item * 2, waitMs: item * 7 }) },
    {
      name: 'add',
      task: ({ taskId, item, output }) => work.task(taskId, { n: numberOf(output) + 1, fails: item === 2 }),
    },
    { name: 'square', task: ({ taskId, output }) => work.task(taskId, { n: numberOf(output) ** 2 }) },
  ]

  it(
    'leads every item through, each stage on what the one before returned, with no gap between commits',
    async () => {
      const script: Script<unknown> = async (run) => {
        const results = await pipeline(run, [1, 2], stages, { name: 'p', key: String })
        return [...results].map(([key, { stage, done, outcome, receipt, reason }]) => [
          ...[key, stage, done, outcome],
          receipt?.output ?? reason,
        ])
      }
      await sweep(script, (story) => {
        expectOnce(story)
        expect(story.result).toEqual([
          ['1', 'square', true, 'accepted', { n: 9 }],
          ['2', 'add', false, 'abandoned', 'attempt 1 failed: it cannot be done'],
        ])
        expect(story.begun).toHaveLength(5)
        for (const [item, stage, next] of [
          ['1', 'double', 'add'],
          ['1', 'add', 'square'],
          ['2', 'double', 'add'],
        ]) {
          const [accepted] = commitsWith(story, `"task-accepted","v":1,"data":{"taskId":"p/${item}/${stage}"`)
          const [first] = commitsWith(story, `"taskId":"p/${item}/${next}"`)
          expect([accepted, first]).toEqual([first, accepted])
          expect(first).toBeDefined()
        }
      })
    },
    sweepMs,
  )
})

describe('mapOver, killed at any port call', () => {
  it(
    'settles every item once, skips what was settled, and shows each result at least once',
    async () => {
      let shown: string[] = []
      const script: Script<number> = async (run, clock) => {
        async function* source() {
          // Written while results come: the run is killed in the middle of it.
          for (let n = 1; n <= 7; n++) {
            yield n
            if (n === 4) await clock.process().sleep(20)
          }
        }
        const report = await mapOver(run, source(), (n) => work.task(`t${n}`, { n, waitMs: n % 3 }), {
          inFlight: 3,
          onResult: ({ taskId, output }) => shown.push(`${taskId} ${numberOf(output)}`),
        })
        return report.accepted + report.skipped
      }
      await sweep(script, (story) => {
        expectOnce(story)
        expect(story.result).toBe(7)
        expect(story.history.facts.accepted).toHaveLength(7)
        expect([...new Set(shown)].toSorted()).toEqual([1, 2, 3, 4, 5, 6, 7].map((n) => `t${n} ${n}`))
        shown = []
      })
    },
    sweepMs,
  )
})

describe('patterns side by side on one run', () => {
  const script: Script<unknown> = async (run) => {
    const some = (name: string, count: number) =>
      Array.from({ length: count }, (_, n) => work.task(`${name}${n}`, { n, waitMs: 1 + ((n * 3) % 5) }))
    const stages = ['x', 'y'].map((name): Stage<string> => {
      return { name, task: ({ taskId }) => work.task(taskId, { n: 1, waitMs: 2 }) }
    })
    const [all, first, led, mapped] = await Promise.all([
      allOf(run, some('all', 3)),
      firstOf(run, some('first', 3)),
      pipeline(run, ['a', 'b'], stages),
      mapOver(run, some('map', 5), (task) => task, { inFlight: 2 }),
    ])
    return [
      [...all.values()].map(({ outcome }) => outcome),
      [first.winner?.outcome, ...[...first.others.values()].map(({ outcome }) => outcome)],
      [...led.values()].map(({ done }) => done),
      mapped.accepted + mapped.skipped,
    ]
  }
  const check = (story: Story<unknown>): void => {
    expectOnce(story)
    expect(story.result).toEqual([
      ['accepted', 'accepted', 'accepted'],
      ['accepted', 'cancelled', 'cancelled'],
      [true, true],
      5,
    ])
    expect(story.history.facts.accepted).toHaveLength(3 + 1 + 4 + 5)
  }

  it(
    'each come to their end when they are killed all over it, and none touches the tasks of another',
    () => sweep(script, check, 3),
    sweepMs,
  )

  const name = 'each come to their end in any order of things, with failing calls and a coordinator killed at random'
  it(
    name,
    () =>
      checkProperty(
        name,
        'packages/core/test/pattern-crashes.test.ts',
        fc.tuple(fc.integer({ min: 1 }), fc.array(fc.integer({ min: 1, max: 120 }), { maxLength: 4 })),
        async ([seed, deaths]) => check(await playScript(script, deaths, seed)),
      ),
    sweepMs,
  )
})
