import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { judgeStateFile } from '../src/flow/judge-state-file.js'
import { readStateFile, stateFileBody, stateFileText } from '../src/flow/state-file-text.js'
import type { RunId } from '../src/protocol/ids.js'
import { limits } from '../src/protocol/limits.js'
import { oneLine } from '../src/protocol/one-line.js'
import { dispatch, failed, GivenRun, open, passGates, receipt, type Step, settled, task } from './given-run.js'
import { checkProperty } from './property-run.js'
import { marksIn, readStructure, sectionOf, unescaped } from './state-file-structure.js'

const file = 'packages/core/test/state-file-text.test.ts'
const runId = 'run-1'
const commit = 'c'.repeat(64)

const given = (goal: string, criteria: string[], ...steps: Step[]): GivenRun =>
  new GivenRun().and({ ...(open({ attemptsMax: 1 }, criteria) as object), goal } as Step, passGates).and(...steps)
const textOf = ({ state }: GivenRun): string =>
  stateFileText({ runId, version: state.version, commit }, stateFileBody(state))

/** Everything in a state file that comes from outside. */
interface Texts {
  goal: string
  criterion: string
  evidence: string
  note: string
  checkpoint: string
  reason: string
  blocked: string
  error: string
  owner: string
  returns: string
  taskId: string
  output: string
}

/** The same run, whatever the texts: one task settled each way, one out, one stopped, one back; and blocked. */
const runWith = (texts: Texts, ...steps: Step[]): GivenRun =>
  given(
    texts.goal,
    [texts.criterion, `another ${texts.criterion}`.slice(0, limits.textMax)],
    dispatch(task('done'), task('given-up'), task(`back ${texts.taskId}`), task('broken')),
    dispatch(task(texts.taskId, { owner: texts.owner, returns: texts.returns })),
    receipt('done', { output: texts.output }),
    { type: 'accept', taskId: 'done' },
    { type: 'abandon', taskId: 'given-up', reason: texts.reason },
    receipt(`back ${texts.taskId}`, { receiptId: 'receipt-back', output: { [`of ${texts.output}`]: texts.output } }),
    failed('broken', { message: texts.error }),
    { type: 'meet-criterion', criterion: 1, evidence: texts.evidence },
    { type: 'note', text: texts.note },
    { type: 'set-checkpoint', dueAt: '2030-01-01T00:00:00.000Z', note: texts.checkpoint },
    { type: 'block', reason: texts.blocked },
    ...steps,
  )

const plainTexts: Texts = {
  goal: 'read everything',
  criterion: 'nothing is left',
  evidence: 'the count is zero',
  note: 'half of it is read',
  checkpoint: 'look again',
  reason: 'it is not needed',
  blocked: 'no disk',
  error: 'it broke',
  owner: 'the night shift',
  returns: 'a count',
  taskId: 'plain',
  output: 'fine',
}

const marks = [
  ...[
    '\n',
    '\r\n',
    '\r',
    '\u0085',
    '\u2028',
    '\u2029',
    '\u000b',
    '\u202e',
    '\u200b',
    '\u00ad',
    '\u{e0041}',
    '\ud800',
    '\0',
    '\u001b[31m',
  ],
  ...['---\n', '\n---\nreprise: state-v1\n', 'version: 9', '# ', '\n## Status\n\n', '\n\n## Goal\n', '- ', '* ', '+ '],
  ...['- [x] ', '[ ]', '[x]', '1. ', '2) ', '    ', '\t', '> ', '```', '~~~', '===', '***', '___', '<!--', '-->'],
  ...['<b>', '</b>', '<script>', '&lt;', '&#35;', '[a](http://b.c)', '![](x)', '[^1]: ', '[a]: http://x', '|---|'],
  ...['http://a.b', 'https://a.b', 'www.a.bc', 'WWW.a.bc', 'a@b.cd', '<a@b.cd>', '{{', '}}', '{%', '%}', '$$', '\\'],
  ...['_', '__', '*', '`', '``', 'a_b', 'ü', '🙂', ' ', 'plain', 'None.', '`x`', 'x'.repeat(600)],
]
const hostile = fc
  .array(fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...marks) }, fc.string({ unit: 'binary' })), { maxLength: 8 })
  .map((parts) => parts.join(''))
/** Refused if empty, or by a length. */
const given1 = (max: number) => hostile.map((text) => text.slice(0, max) || '-')
const hostileId = hostile
  .map((text) => [...`#${text}`].filter((c) => oneLine(c, 2) === c).join(''))
  .map((id) => id.slice(0, 100))

const hostileTexts: fc.Arbitrary<Texts> = fc.record({
  goal: hostile,
  criterion: hostile,
  evidence: given1(limits.textMax),
  note: given1(limits.textMax),
  checkpoint: hostile,
  reason: given1(limits.textMax),
  blocked: given1(limits.textMax),
  error: given1(1000),
  owner: given1(limits.ownerMax),
  returns: given1(limits.textMax),
  taskId: hostileId,
  output: hostile,
})

describe('the text of a state file', () => {
  it('has every section, in order, whether or not there is anything to say', () => {
    const titles = [
      ...['Goal', 'Success criteria', 'Status', 'Current step', 'Completed', 'Active owners', 'Blockers'],
      ...['Next action', 'Next checkpoint', 'Notes'],
    ]
    for (const run of [given('read', []), runWith(plainTexts), new GivenRun().and(open())]) {
      const { lines } = readStructure(textOf(run))
      expect(lines.filter((line) => line.startsWith('heading 2'))).toEqual(titles.map((title) => `heading 2 ${title}`))
      expect(lines.filter((line) => line.startsWith('heading 1'))).toHaveLength(1)
    }
    expect(sectionOf(textOf(given('read', [])), 'Notes')).toEqual(['None.'])
  })

  it('says what a person must know to go on', () => {
    const text = textOf(runWith(plainTexts))
    expect(sectionOf(text, 'Goal')).toEqual(['read everything'])
    expect(sectionOf(text, 'Success criteria')).toEqual([
      expect.stringMatching(/^- \[x\] 1\\\. nothing is left: the count is zero \(version \d+\)$/),
      '- [ ] 2\\. another nothing is left',
    ])
    expect(sectionOf(text, 'Status')).toEqual([
      'blocked: no disk',
      expect.stringMatching(/^- mode evaluating, 0 rounds closed, epoch 2$/),
      '- tasks: 5 in all, 0 planned, 1 out, 1 received, 1 stopped',
      expect.stringMatching(/^- spent: 0 tokens, 0 USD in \d attempts$/),
    ])
    expect(sectionOf(text, 'Current step')).toEqual(['Evaluating 1 receipt; 1 still out.'])
    expect(sectionOf(text, 'Completed')).toEqual([
      '1 accepted, 0 cancelled, 1 abandoned. The newest:',
      expect.stringContaining('task given-up was abandoned: it is not needed'),
      expect.stringContaining('task done was accepted, attempt 1'),
    ])
    expect(sectionOf(text, 'Blockers').slice(0, 2)).toEqual([
      '- blocked: no disk',
      '- task broken stopped and waits for a decision',
    ])
    expect(sectionOf(text, 'Next action')).toEqual([
      expect.stringMatching(/^evaluate what came back of task back plain/),
    ])
    expect(sectionOf(text, 'Next checkpoint')).toEqual(['2030-01-01T00:00:00.000Z: look again'])
    expect(sectionOf(text, 'Notes')).toEqual([expect.stringMatching(/^- 2026-.*Z half of it is read$/)])
  })

  it('names an owner and a return condition for every task that is out', () => {
    const run = given('read', [], dispatch(task('a', { owner: 'Ada', returns: 'two signatures' }), task('b')))
    expect(sectionOf(textOf(run), 'Active owners')).toEqual([
      expect.stringMatching(/^- coordinator: `coordinator-1` since 2026/),
      expect.stringMatching(/^- Ada: `a` \(`work`\), attempt 1, since .*Z, due .*Z; returns two signatures$/),
      expect.stringMatching(/^- workers of lane default: `b` .*; returns a receipt that passes every gate$/),
    ])
    run.and({ type: 'cancel', taskId: 'a', reason: 'x' }, { type: 'cancel', taskId: 'b', reason: 'x' })
    run.and({ type: 'complete', summary: 'all read' })
    expect(sectionOf(textOf(run), 'Active owners')).toEqual(['None.'])
    expect(sectionOf(textOf(run), 'Status')[0]).toBe('complete: all read')
  })

  it('names at most fifty owners and says how many more there are', () => {
    const ids = Array.from({ length: 60 }, (_, n) => `task-${n}`)
    const lines = sectionOf(textOf(given('read', [], dispatch(...ids))), 'Active owners')
    expect(lines).toHaveLength(52)
    expect(lines.at(-1)).toBe('- and 10 more attempts')
  })

  it('reads back what it was made from, and finds any change behind the front matter', () => {
    const text = textOf(runWith(plainTexts))
    const { version } = runWith(plainTexts).state
    expect(readStateFile(text)).toEqual({ runId, version, commit, intact: true })
    const start = text.indexOf('\n# State') + 1
    for (let at = start; at < text.length; at++) {
      const changed = `${text.slice(0, at)}${text[at] === '#' ? '*' : '#'}${text.slice(at + 1)}`
      if (readStateFile(changed)?.intact !== false) expect.fail(`a change at ${at} was not found`)
    }
    expect(readStateFile(`${text}\n`)?.intact).toBe(false)
    expect(readStateFile(text.slice(0, -1))?.intact).toBe(false)
    for (const other of ['', '# State of run x', text.slice(1), ` ${text}`, text.replaceAll('\n', '\r\n')]) {
      expect(readStateFile(other)).toBe(null)
    }
  })

  it('is the same for the same log, whoever folds it', () => {
    expect(textOf(runWith(plainTexts))).toBe(textOf(runWith(plainTexts)))
  })

  it('keeps to its structure whatever the texts in it say', async () => {
    const { lines, front } = readStructure(textOf(runWith(plainTexts)))
    const ended: Step[] = [{ type: 'fail', reason: plainTexts.reason }]
    const endedLines = readStructure(textOf(runWith(plainTexts, ...ended))).lines
    await checkProperty('keeps to its structure', file, hostileTexts, async (texts) => {
      const run = runWith(texts)
      const text = textOf(run)
      expect(readStructure(text)).toEqual({ front, lines })
      expect(marksIn(text)).toEqual([])
      // Nothing that a person does not see and a language model does.
      expect(
        text.match(
          /(?!\n)[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e03ff}]/u,
        ),
      ).toBe(null)
      expect(readStateFile(text)).toMatchObject({ runId, version: run.state.version, commit, intact: true })
      // Nothing of it is lost either, but what is cut off.
      const [goal = ''] = sectionOf(text, 'Goal')
      expect(unescaped(goal)).toBe(oneLine(texts.goal, 500).trim() || '(empty)')
      const failedText = textOf(runWith(texts, { type: 'fail', reason: texts.reason }))
      expect([readStructure(failedText).lines, marksIn(failedText)]).toEqual([endedLines, []])
    })
  })

  it('stays small when every text is as long as it may be', () => {
    const long = '[x] `_*'.repeat(limits.textMax).slice(0, limits.textMax)
    const criteria = Array.from({ length: 24 }, (_, n) => `${n} ${long}`.slice(0, limits.textMax))
    const run = given(long, criteria)
    for (let n = 0; n < 40; n++) {
      run.and({ type: 'note', text: long }, ...settled(`task-${n}`))
      if (n < 24) run.and({ type: 'meet-criterion', criterion: n + 1, evidence: long })
    }
    expect(textOf(run).length).toBeLessThan(200_000)
    expect(marksIn(textOf(run))).toEqual([])
  })
})

describe('a state file that is found', () => {
  const log = { runId: runId as RunId, version: 7, commit }
  const file = (runId: string, version: number, commit: string) => stateFileText({ runId, version, commit }, '# body\n')
  const own = file(runId, 7, commit)
  it.each([
    ['nothing', null, 'missing', true],
    ['no bytes', '', 'foreign', true],
    ['another text', '# my notes', 'foreign', false],
    ['that of another run', file('run-2', 7, commit), 'other-run', false],
    ['that of another run, newer', file('run-2', 99, commit), 'other-run', false],
    ['an edited one', own.replace('# body', '# edited'), 'edited', false],
    ['an edited older one', file(runId, 5, commit).replace('# body', '# edited'), 'edited', false],
    ['an older one', file(runId, 5, commit), 'older', true],
    ['one of the same version in another history', file(runId, 7, 'd'.repeat(64)), 'other-history', false],
  ] as const)('%s is judged as such', (_, text, found, isOurs) => {
    expect(judgeStateFile(text, log)).toMatchObject({ found, isOurs })
  })

  it('is the same as the log only if version and commit are', () => {
    expect(judgeStateFile(own, log)).toEqual({ found: 'same' })
  })

  it('is ahead of the log if it says so, edited or not', () => {
    const newer = file(runId, 8, commit)
    expect(judgeStateFile(newer, log)).toEqual({ found: 'ahead', version: 8 })
    expect(judgeStateFile(newer.replace('# body', '# edited'), log)).toEqual({ found: 'ahead', version: 8 })
  })
})
