import { type Commit, initialState, type RunEvent, type RunState, reduceEvent } from '@reprise/core'
import type { Condition } from '@reprise/core/replay'
import { describe, expect, it } from 'vitest'
import { type Expression, readExpression } from '../src/expression.js'
import { viewedNames } from '../src/state-view.js'
import { goldenLines } from './golden-run.js'

const commits = goldenLines().map((line) => JSON.parse(line).commit as Commit)

/** The version at which it holds first, or null; and how often it was asked. */
function firstOf({ holds }: Pick<Expression, 'holds'>): number | null {
  let state = initialState()
  for (const commit of commits) {
    for (const event of commit.events) {
      state.at = commit.at
      state = reduceEvent(state, event)
      if (holds(state, event, commit)) return state.version
    }
  }
  return null
}

const by = (expression: string) => firstOf(readExpression(expression))
const byFunction = (holds: Condition) => firstOf({ holds })

/** In CEL, and the same in TypeScript. */
const conditions: [string, Condition][] = [
  ['status == "blocked"', ({ status }) => status === 'blocked'],
  ['mode == "evaluating" && counts.out > 1', ({ mode, counts }) => mode === 'evaluating' && counts.out > 1],
  ['counts.open == 4', ({ tasks }) => tasks.size === 4],
  [
    'counts.tasks * 2 - 1 >= 13 || counts.tasks % 5 == 4',
    ({ counts }) => counts.tasks * 2 - 1 >= 13 || counts.tasks % 5 === 4,
  ],
  ['version == 20', ({ version }) => version === 20],
  ['spent.tokens >= 100', ({ spent }) => spent.tokens >= 100],
  ['spent.costUsd == 0.25', ({ spent }) => spent.costUsd === 0.25],
  ['spent.costUsd * 4 == 1 && spent.tokens / 2 == 50', ({ spent }) => spent.costUsd * 4 === 1 && spent.tokens === 100],
  ['paused != null && paused.startsWith("lun")', ({ pausedReason }) => pausedReason?.startsWith('lun') === true],
  ['blocked == "no key"', ({ blockedReason }) => blockedReason === 'no key'],
  ['holder == ""', ({ lock }) => lock === null],
  ['epoch > 2', ({ epoch }) => epoch > 2],
  ['round == 1 && resumed == epoch', ({ round, resumedEpoch, epoch }) => round === 1 && resumedEpoch === epoch],
  [
    'tasks["b"].phase == "planned" && tasks["b"].attempt == 2',
    ({ tasks }) => tasks.get('b' as never)?.phase === 'planned' && tasks.get('b' as never)?.attempt === 2,
  ],
  [
    'tasks.exists(id, tasks[id].attempt + 1 > 2)',
    ({ tasks }) => [...tasks.values()].some(({ attempt }) => attempt > 1),
  ],
  ['"d" in tasks && tasks["d"].spec.after[0] == "a"', ({ tasks }) => tasks.get('d' as never)?.spec.after[0] === 'a'],
  ['phase("a") == "accepted"', ({ settled }) => settled.get('a' as never) === 0],
  ['phase("nobody") != "unknown"', () => false],
  ['event.type == "receipt-rejected"', (_, { type }) => type === 'receipt-rejected'],
  ['event.task == "ä €/😀"', (_, { data }) => 'taskId' in data && data.taskId === 'ä €/😀'],
  [
    'event.type == "receipt-received" && event.task == "b"',
    (_, event) => event.type === 'receipt-received' && event.data.receipt.taskId === 'b',
  ],
  [
    'event.data.gate == "known-task"',
    (_, event) => event.type === 'receipt-rejected' && event.data.gate === 'known-task',
  ],
  ['event.data.?attempt.orValue(0) > 1', (_, { data }) => 'attempt' in data && (data.attempt ?? 0) > 1],
  ['event.sender.startsWith("cli-2")', (_, { cause }) => cause?.sender === 'cli-2'],
  [
    'commit.index == 7 && commit.actor.startsWith("coord") && commit.epoch == epoch',
    (_s, _e, { index }) => index === 7,
  ],
  [
    'criteria.exists(c, c != null && c.evidence.contains("e"))',
    ({ criteria }) => criteria.some((c) => c?.evidence.includes('e')),
  ],
  ['checkpoint != null && checkpoint.note == "look again"', ({ checkpoint }) => checkpoint?.note === 'look again'],
  ['policy.tasksMax == counts.tasks', ({ policy, counts }) => policy?.tasksMax === counts.tasks],
  ['closing != null', ({ closing }) => closing !== null],
  ['at > "2026-01-01T00:00:05"', ({ at }) => at > '2026-01-01T00:00:05'],
  ['goal.matches("^every") && version > 3', ({ version }) => version > 3],
]

describe('an expression about a run', () => {
  it.each(conditions)('%s holds where the same in TypeScript does', (expression, condition) => {
    const version = byFunction(condition)
    expect(by(expression)).toBe(version)
    expect([expression, version === null]).toEqual([expression, expression.includes('nobody')])
  })

  it('can name everything that is documented, at every event', () => {
    const names = [
      ...Object.keys(viewedNames.run),
      ...Object.entries(viewedNames.groups).flatMap(([group, of]) => Object.keys(of).map((name) => `${group}.${name}`)),
    ]
    for (const name of names) {
      // The policy and the goal come with the first event: nothing that is named is ever missing.
      const expression = readExpression(`dyn(${name}) == "no such value"`)
      expect([name, firstOf(expression), expression.absent]).toEqual([name, null, { count: 0, first: null }])
    }
    expect(names).toEqual(
      expect.arrayContaining([...Object.keys(initialState().counts).map((name) => `counts.${name}`)]),
    )
  })

  it('reads what it names and nothing else: nothing is copied per event', () => {
    const read: string[] = []
    const watched = new Proxy({ status: 'running', mode: 'awaiting' } as unknown as RunState, {
      get: (state, key) => {
        read.push(String(key))
        return Reflect.get(state, key)
      },
    })
    const { holds } = readExpression('status == "paused" && mode == "awaiting"')
    expect(holds(watched, {} as RunEvent, {} as Commit)).toBe(false)
    expect(read).toEqual(['status'])
  })

  it('does not hold where it asks for what is not there, and says how often and where first', () => {
    const { holds, absent } = readExpression('tasks["a"].attempt > 99')
    expect(firstOf({ holds })).toBe(null)
    expect(absent).toEqual({ count: expect.any(Number), first: { version: 1, what: 'No such key: a' } })
    expect(absent.count).toBeGreaterThan(5)
    expect(by('criteria[7] != null')).toBe(null)
    expect(by('!(tasks["nobody"].attempt > 99)')).toBe(null)
  })

  it.each([
    ['counts.opn > 3', 'No such key: opn', 7],
    ['count.open > 3', 'Unknown variable: count', 0],
    ['status = "paused"', 'Unexpected character', 7],
    ['status == "paused" &&', 'Unexpected token', 21],
    ['status > 3', 'no such overload: string > int', 0],
    ['evnt.type == "x" || event.typ == "y"', 'Unknown variable: evnt', 0],
    ['nothing(3)', 'nothing', 0],
  ])('%j is a usage error that shows where', (text, says, column) => {
    expect(() => readExpression(text)).toThrow(expect.objectContaining({ exit: 'usage' }))
    expect(() => readExpression(text)).toThrow(says)
    expect(() => readExpression(text)).toThrow(`\n${' '.repeat(9 + column)}^`)
  })

  it.each(['version', '"paused"', 'tasks', '[true]', 'null'])(
    '%s is a usage error: it is neither true nor false',
    (text) => {
      expect(() => readExpression(text)).toThrow(/not true or false/)
    },
  )

  it('that compares what cannot be compared is a usage error at that event, with a hint', () => {
    expect(() => by('tasks["b"].deadlineAt > 3')).toThrow(/does not work at event \d+: no such overload/)
    expect(() => by('tasks["b"].deadlineAt > 3')).toThrow('Guard it')
    expect(() => by('event.data.attempt')).toThrow(/At event \d+ the expression gives number/)
  })

  it.each([
    'event.data.constructor == null',
    'event.data.__proto__ == null',
    'tasks["__proto__"].phase == "out"',
    'policy.toString == null',
  ])('%s finds nothing that is not in the log', (text) => {
    expect(by(text)).toBe(null)
  })

  it('leaves the stack of other errors as it was', () => {
    const before = Error.stackTraceLimit
    by('tasks["nobody"].attempt > 99')
    expect(() => by('tasks["b"].deadlineAt > 3')).toThrow()
    expect(Error.stackTraceLimit).toBe(before)
  })
})
