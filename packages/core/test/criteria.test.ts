import { describe, expect, it } from 'vitest'
import type { CommandInput } from '../src/protocol/commands.js'
import { limits } from '../src/protocol/limits.js'
import { dispatch, GivenRun, open, passGates, receipt, type Step, settled } from './given-run.js'

const criteria = ['every file is read', 'the sums agree', 'nothing is left over']

const run = (...steps: Step[]): GivenRun => new GivenRun().and(open({}, criteria), passGates, ...steps)

const meet = (criterion: number | string, evidence = 'seen', tasks: string[] = []): CommandInput => ({
  type: 'meet-criterion',
  ...{ criterion, evidence, tasks },
})
const reopen = (criterion: number | string): CommandInput => ({ type: 'reopen-criterion', criterion, reason: 'wrong' })
const complete = (...evidence: { criterion: number | string; evidence: string; tasks?: string[] }[]): CommandInput => ({
  ...{ type: 'complete', summary: 'done', evidence },
})
const all = criteria.map((_, i) => ({ criterion: i + 1, evidence: `e${i + 1}` }))

describe('evidence for a success criterion', () => {
  it('is recorded by its number or by its text, with when', () => {
    const { state } = run(...settled('a'), meet(1, 'counted', ['a']), meet('the sums agree', 'added up'))
    expect(state.criteria).toEqual([
      { evidence: 'counted', tasks: ['a'], version: state.version - 1, at: state.at },
      { evidence: 'added up', tasks: [], version: state.version, at: state.at },
      null,
    ])
  })

  it('means the first of criteria that say the same', () => {
    const twins = new GivenRun().and(open({}, ['it works', 'it works']), passGates, meet('it works'))
    expect(twins.state.criteria.map((met) => met !== null)).toEqual([true, false])
  })

  it.each([
    ['a number that is none', 4],
    ['a text that is none', 'the sums'],
    ['a number as text', '1'],
  ])('is refused for %s, which is named', (_, criterion) => {
    const { decision } = run().when(meet(criterion)).isRefused('INVALID_INPUT')
    expect(!decision.ok && decision.refusal.message).toMatch(
      `no success criterion ${JSON.stringify(criterion)}: it has 3`,
    )
  })

  it('says so when the run has no criteria at all', () => {
    const { decision } = new GivenRun().and(open(), passGates).when(meet(1))
    expect(!decision.ok && decision.refusal.message).toMatch('it has none')
  })

  it.each<[string, Step[]]>([
    ['not in the run', []],
    ['planned', [{ type: 'pause', reason: 'x' }, dispatch('a')]],
    ['out', [dispatch('a')]],
    ['received', [dispatch('a'), receipt('a')]],
    ['stopped', [dispatch('a'), receipt('a'), { type: 'reject', taskId: 'a', reason: 'wrong' }]],
    ['cancelled', [dispatch('a'), { type: 'cancel', taskId: 'a', reason: 'x' }]],
    ['abandoned', [dispatch('a'), { type: 'abandon', taskId: 'a', reason: 'x' }]],
  ])('is refused when it names a task that is %s', (outcome, steps) => {
    const given = run(...settled('b'), ...steps)
    const { decision } = given.when(meet(2, 'seen', ['b', 'a'])).isRefused('EVIDENCE_MISSING')
    expect(!decision.ok && decision.refusal).toMatchObject({
      message: expect.stringContaining(`names task a, which is ${outcome}`),
      details: { criterion: 2, taskId: 'a', outcome },
    })
  })

  it('may name a task that is accepted in the same round, before it', () => {
    const given = run(dispatch('a'), receipt('a'))
    const accept = { type: 'accept' as const, taskId: 'a' }
    const shown = { type: 'meet-criterion' as const, criterion: 1, evidence: 'seen', tasks: ['a'] }
    given.when({ type: 'round', decide: [shown, accept], summary: 's' }).isRefused('EVIDENCE_MISSING')
    expect(given.and({ type: 'round', decide: [accept, shown], summary: 's' }).state.criteria[0]?.tasks).toEqual(['a'])
  })

  it('is recorded once, however often it is said, and replaced by other evidence', () => {
    const given = run(...settled('a'), ...settled('b'), meet(1, 'seen', ['a']))
    given.when(meet(1, 'seen', ['a'])).gives()
    given.when(meet(criteria[0] as string, 'seen', ['a'])).gives()
    expect(given.when(meet(1, 'seen', ['a', 'b'])).events).toHaveLength(1)
    expect(given.and(meet(1, 'seen better')).state.criteria[0]).toMatchObject({ evidence: 'seen better', tasks: [] })
  })

  it('is taken back, with a reason, once', () => {
    const given = run(meet(1), meet(2)).and(reopen(1))
    expect(given.state.criteria.map((met) => met?.evidence ?? null)).toEqual([null, 'seen', null])
    given.when(reopen(1)).isRefused('NO_CHANGE')
    given.when(reopen('unheard of')).isRefused('INVALID_INPUT')
    expect(given.and(meet(1, 'seen again')).state.criteria[0]?.evidence).toBe('seen again')
  })
})

describe('completing', () => {
  it('is refused while a criterion has no evidence, and names all that have none', () => {
    const given = run(meet(2))
    const { decision } = given.when(complete({ criterion: 3, evidence: 'looked' })).isRefused('EVIDENCE_MISSING')
    expect(!decision.ok && decision.refusal).toMatchObject({
      message: expect.stringContaining('the first is 1 ("every file is read")'),
      details: { criteria: [1] },
    })
    const none = run().when(complete()).decision
    expect(!none.ok && none.refusal.details).toEqual({ criteria: [1, 2, 3] })
  })

  it('looks at tasks before it looks at evidence: what is open may still change it', () => {
    run(dispatch('a'))
      .when(complete(...all))
      .isRefused('UNSETTLED')
  })

  it.each<[string, Parameters<typeof complete>[0], string]>([
    ['unknown', { criterion: 9, evidence: 'e' }, 'INVALID_INPUT'],
    ['of a task that is not accepted', { criterion: 1, evidence: 'e', tasks: ['b'] }, 'EVIDENCE_MISSING'],
  ])('is refused with evidence that is %s, although all else is there', (_, evidence, code) => {
    const given = run(dispatch('b'), { type: 'cancel', taskId: 'b', reason: 'x' })
    given.when(complete(...all, evidence)).isRefused(code as 'INVALID_INPUT')
  })

  it('needs evidence anew for what was taken back', () => {
    const given = run(meet(1), meet(2), meet(3), reopen(3))
    given.when(complete()).isRefused('EVIDENCE_MISSING')
    expect(given.and(complete({ criterion: 3, evidence: 'again' })).state.status).toBe('complete')
  })

  it('records what it brings along first, and only what is new', () => {
    const given = run(meet(1, 'e1'), meet(2, 'old'))
    const events = given.when(complete(...all)).events
    expect(events.map(({ type, data }) => ('criterion' in data ? `${type} ${data.criterion}` : type))).toEqual([
      'criterion-met 2',
      'criterion-met 3',
      'run-completed',
    ])
    expect(given.and(complete(...all)).state.criteria.map((met) => met?.evidence)).toEqual(['e1', 'e2', 'e3'])
  })

  it('leaves a checklist: each criterion with the evidence in force, the tasks, the state file', () => {
    const given = run(
      ...settled('a'),
      dispatch('b'),
      { type: 'abandon', taskId: 'b', reason: 'x' },
      meet(1, 'old'),
      meet(3, 'z'),
    )
    const { version } = given.and(complete({ criterion: 1, evidence: 'new' }, { criterion: 2, evidence: 'y' })).state
    expect(given.state.checklist).toEqual([
      { item: 'criterion 1: every file is read', pass: true, evidence: 'new' },
      { item: 'criterion 2: the sums agree', pass: true, evidence: 'y' },
      { item: 'criterion 3: nothing is left over', pass: true, evidence: 'z' },
      {
        item: 'every task is settled',
        pass: true,
        evidence: `1 accepted, 0 cancelled, 1 abandoned, none open at version ${version - 3}`,
      },
      { item: 'the state file equals the log', pass: true, evidence: 'no state file is kept' },
    ])
  })

  it('keeps the checklist bounded, whatever criteria and evidence say', () => {
    const texts = Array.from({ length: 8 }, (_, i) => `${i} ${'x'.repeat(4_000)}`)
    const given = new GivenRun().and(open({}, texts), passGates)
    given.and(complete(...texts.map((criterion) => ({ criterion, evidence: 'y'.repeat(limits.textMax) }))))
    for (const { item, evidence } of given.state.checklist ?? []) {
      expect([item.length <= 256, evidence.length <= 1024]).toEqual([true, true])
    }
    expect(given.state.checklist?.[0]).toMatchObject({
      item: expect.stringMatching(/…$/),
      evidence: expect.stringMatching(/…$/),
    })
  })

  it('is the end: no evidence is recorded or taken back after it', () => {
    const given = run(complete(...all))
    given.when(meet(1, 'more')).isRefused('RUN_CLOSED')
    given.when(reopen(1)).isRefused('RUN_CLOSED')
    given.when(complete(...all)).isRefused('RUN_CLOSED')
  })
})
