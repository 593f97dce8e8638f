import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { briefingText } from '../src/flow/briefing-text.js'
import { initialState, reduceCommit } from '../src/flow/reduce-event.js'
import { ChainReader } from '../src/log/chain-reader.js'
import { taskIdSchema } from '../src/protocol/ids.js'
import { briefed, plainTexts, richRun, type Texts, textOf } from './briefed-run.js'
import { dispatch, GivenRun, given, open, passGates, receipt, settled, task } from './given-run.js'
import { checkProperty } from './property-run.js'

const file = 'packages/core/test/briefing.test.ts'

const whole = `RUN run-1 at version 54, epoch 50, newest commit 2026-01-01T00:00:02.000Z
Held by "coordinator-2" since 2026-01-01T00:00:02.000Z.
Status: blocked ("because"). Mode: evaluating. Rounds closed: 1.
Next action: evaluate what came back of task "partial": accept, reject or retry each.
Next checkpoint: 2026-01-02T00:00:00.000Z "look here"
Blocker: "blocked: because"
Blocker: "task stopped stopped and waits for a decision"
Goal: "everything is read"
Success criteria:
1. met "it is read", evidence "it was read"
2. OPEN "another"
Came back, not decided (1):
- "partial" (work, attempt 1 of 2, "team a") from worker-1: partial, error "it broke", stopped at "it broke", to go on "it broke", to come back was "a count", artifacts 1 ("report.md" 12 bytes), asks for 1 ("asked" work), input {"lines":[3]}, output {"lines":[3]}
Stopped, not decided (1):
- "stopped" (work, attempt 1 of 2, "team a"): "attempt 1 failed: it broke", stopped at "it broke", to go on "it broke", input {"lines":[3]}
Out (1):
- "out" (work, attempt 1) with "team a" since 2026-01-01T00:00:00.000Z, due 2026-01-01T00:15:00.000Z
Planned (5):
- "rejected" (work), not before 2026-01-01T00:00:01.000Z
- "again" (work), not before 2026-01-01T00:00:01.000Z
- "late" (work), not before 2026-01-01T00:00:03.000Z
- "later" (work), not before 2027-01-01T00:00:00.000Z
- "behind" (work), needs 1 task not accepted yet
Settled: 1 accepted, 2 cancelled, 1 abandoned. Receipts refused at a gate: 1.
Accepted last (1):
- 13 2026-01-01T00:00:00.000Z "task accepted was accepted, attempt 1"
Decided, newest last (13):
- 2 2026-01-01T00:00:00.000Z "coordinator-1 took the run (opened)"
- 15 2026-01-01T00:00:00.000Z "success criterion 1 is met: it was read"
- 18 2026-01-01T00:00:00.000Z "attempt 1 of task rejected was rejected: because"
- 21 2026-01-01T00:00:00.000Z "task cancelled was cancelled: because"
- 23 2026-01-01T00:00:00.000Z "task abandoned was abandoned: because"
- 24 2026-01-01T00:00:00.000Z "paused: because"
- 25 2026-01-01T00:00:00.000Z "unpaused: because"
- 37 2026-01-01T00:00:00.000Z "task again is planned, attempt 2 (retry: because)"
- 43 2026-01-01T00:00:00.000Z "the next checkpoint is 2026-01-02T00:00:00.000Z: look here"
- 49 2026-01-01T00:00:02.000Z "round 1 closed: because"
- 50 2026-01-01T00:00:02.000Z "coordinator-2 took the run (process-gone, from coordinator-1)"
- 52 2026-01-01T00:00:02.000Z "resumed: every gate passed, 1 attempts offered again; corrected: mode: because"
- 54 2026-01-01T00:00:02.000Z "blocked: because"
Troubles, newest last (4):
- 36 2026-01-01T00:00:00.000Z "attempt 1 of task again was rejected: attempt 1 failed: it broke"
- 39 2026-01-01T00:00:00.000Z "attempt 1 of task stopped was rejected: attempt 1 failed: it broke"
- 44 2026-01-01T00:00:02.000Z "attempt 1 of task late expired: no receipt by 2026-01-01T00:00:01.000Z"
- 48 2026-01-01T00:00:02.000Z "task surplus was kept out: tasksMax is 12, the run stands at 12"
Commands refused, newest last (1):
- 27 2026-01-01T00:00:00.000Z "the command complete was refused (UNSETTLED): because"
Notes, newest last (1):
- 42 2026-01-01T00:00:00.000Z "note: look here"
Used: 12 of 12 tasks, 1 of 9 slots, 70 (no limit) tokens, 0.5 (no limit) USD, nothing is dispatched after 2026-01-01T01:00:00.000Z.
Now:
- dispatch: REFUSED, "1 receipt must be decided first, or in the same round (EVALUATE_FIRST)"
- accept: yes, what came back and is as it should be
- reject: yes, what came back and is not; it then waits as stopped
- retry: yes, what came back or stopped, while attempts are left
- cancel: yes, what is not wanted any more, with the tasks that need it
- abandon: yes, what cannot be done, with the tasks that need it
- pause: REFUSED, "Run run-1 is blocked and cannot become paused. Unblock it first."
- unpause: REFUSED, "Run run-1 is not paused already; nothing was recorded."
- block: REFUSED, "Run run-1 is blocked already; nothing was recorded."
- unblock: yes, the run is blocked
- meet-criterion: yes, with evidence
- reopen-criterion: yes, takes its evidence back
- complete: REFUSED, "Run run-1 has 8 unsettled tasks (5 planned, 1 out, 1 received, 1 stopped), among them rejected, again, stopped, partial, out. Accept, cancel or abandon each of them first."
- fail: yes, ends the run without success
- set-checkpoint: yes, when somebody should look again
- note: yes, for whoever reads the log
- close-round: yes, says what was done
- round: yes, several of the above in one commit, if one of them changes something
Context token: TOKEN
`

/** Parts of lines of ours, and what could end or hide one. */
const hostileParts = [
  ...['"', '\\', '\\"', "'", ', ', ': ', '(', ')', '}', ']', '- ', '1. ', '…', ' ', 'x', '😀'],
  ...['\n', '\r', '\t', '\0', '\u001b[2J', '\u0085', '\u2028', '\u2029', '\u202e', '\u200b', '\ufeff', '\ud800'],
  ...[
    'Now:',
    'dispatch: yes',
    'REFUSED',
    'Context token: ',
    'RUN run-1',
    'Out (1):',
    'output {',
    '","output":"',
    'Next action: ',
  ],
]
const hostileText = fc
  .array(fc.constantFrom(...hostileParts), { minLength: 1, maxLength: 12 })
  .map((all) => all.join(''))
const idParts = hostileParts.filter((part) => taskIdSchema.safeParse(part).success)
const hostileTexts: fc.Arbitrary<Texts> = fc
  .record({
    ...{ criterion: hostileText, evidence: hostileText, owner: hostileText, returns: hostileText, reason: hostileText },
    ...{ note: hostileText, error: hostileText, holder: hostileText, artifact: hostileText },
    key: hostileText,
    value: hostileText,
    around: fc.array(fc.constantFrom(...idParts), { maxLength: 6 }).map((all) => all.join('')),
  })
  .map(({ key, value, around, owner, ...texts }) => ({
    ...{ ...texts, owner: owner.slice(0, 128) },
    output: { [`${key}.`]: [value] },
    // The short name in the middle keeps ids apart.
    id: (name) => `${around}${name}${around}`,
  }))

/** What would mislead a terminal or a reader: everything but the ends of lines. */
const hidden =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: looking for them is the point
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/

const string = /"(?:[^"\\\n]|\\.)*"/g

/** What is left of a briefing without its JSON strings. */
const skeleton = (text: string): string => text.replace(string, '""')
const quotedIn = (text: string): unknown[] => [...text.matchAll(string)].map(([found]) => JSON.parse(found) as unknown)

describe('a briefing', () => {
  it('tells everything of a run in which everything has happened, section by section', () => {
    expect(textOf(richRun())).toBe(whole)
  })

  it('leaves sections out that have nothing to tell', () => {
    const text = textOf(given())
    expect(text.split('\n').filter((line) => !line.startsWith('- '))).toEqual([
      expect.stringMatching(/^RUN run-1 at version 4, epoch 2, /),
      'Held by "coordinator-1" since 2026-01-01T00:00:00.000Z.',
      'Status: running. Mode: dispatching. Rounds closed: 0.',
      'Next action: dispatch the first tasks.',
      'Next checkpoint: none set.',
      'Goal: "everything is read"',
      'Success criteria: none.',
      'Settled: 0 accepted, 0 cancelled, 0 abandoned. Receipts refused at a gate: 0.',
      'Decided, newest last (1):',
      'Used: 0 of 1000000 tasks, 0 of 256 slots, 0 (no limit) tokens, 0 (no limit) USD.',
      'Now:',
      'Context token: TOKEN',
      '',
    ])
  })

  it('has the same lines whatever texts came from outside: they are JSON, and nothing in them is hidden', async ({
    task: { name },
  }) => {
    const plain = skeleton(textOf(richRun({ ...plainTexts, output: { key: ['value'] } })))
    await checkProperty(name, file, hostileTexts, async (texts) => {
      const run = richRun(texts)
      const text = textOf(run)
      expect(skeleton(text)).toBe(plain)
      expect(hidden.exec(text)).toBe(null)
      const told = quotedIn(text)
      const { criterion, evidence, owner, returns, error, artifact, holder, note, id } = texts
      for (const value of [criterion, evidence, owner, returns, error, artifact, holder, note, id('partial')]) {
        expect(told).toContain(value)
      }
      const line = text.split('\n').find((each) => each.includes(' from worker-1: ')) ?? ''
      const ours = line.replace(string, (found) => '"'.repeat(found.length))
      expect(JSON.parse(line.slice(ours.indexOf(', output ') + 9))).toEqual(texts.output)
    })
  })

  it('is the same text after the log was folded again', async ({ task: { name } }) => {
    await checkProperty(name, file, hostileTexts, async (texts) => {
      const run = richRun(texts)
      const chain = new ChainReader()
      const again = new GivenRun()
      again.state = run.lines.map((line) => chain.next(line)).reduce(reduceCommit, initialState())
      expect(briefed(again)).toEqual(briefed(run))
      expect(textOf(again)).toBe(textOf(run))
    })
  })

  it('is plain data: its JSON gives it back', () => {
    const briefing = briefed(richRun())
    const parsed = JSON.parse(JSON.stringify(briefing))
    expect(parsed).toEqual(briefing)
    expect(briefingText(parsed, 'TOKEN')).toBe(whole)
  })

  it('tells why a task was given up although a hundred were accepted since, and although others went with it', () => {
    const run = given({}, dispatch('first'), { type: 'abandon', taskId: 'first', reason: 'no such file' })
    const chain = Array.from({ length: 40 }, (_, i) => task(`c${i}`, { after: [i === 0 ? 'root' : `c${i - 1}`] }))
    run.and(dispatch(task('root'), ...chain), { type: 'cancel', taskId: 'root', reason: 'not wanted' })
    for (let i = 0; i < 100; i++) run.and(...settled(`t${i}`))
    expect(run.state.counts).toMatchObject({ accepted: 100, cancelled: 41, abandoned: 1 })
    expect(briefed(run).decisions.items.map(({ text }) => text)).toEqual([
      'coordinator-1 took the run (opened)',
      'task first was abandoned: no such file',
      'task root was cancelled: not wanted',
    ])
  })

  it('tells how many receipts and commands were refused, and loses nothing else to a flood of them', () => {
    const run = given({}, ...settled('a'), { type: 'note', text: 'remember me' })
    const before = briefed(run)
    for (let i = 0; i < 50; i++) {
      run.and(receipt('a'))
      run.and({ type: 'refuse-command', command: 'fail', refusal: { code: 'STALE_CONTEXT', message: `old ${i}` } })
    }
    const after = briefed(run)
    const { refusals } = after
    expect([after.receiptsRefused, refusals.total, refusals.items.length]).toEqual([50, 50, 16])
    expect(refusals.items.at(-1)?.text).toBe('the command fail was refused (STALE_CONTEXT): old 49')
    expect(textOf(run)).toContain('Commands refused, newest last (50, 16 shown):')
    const { version, at } = after
    expect(after).toEqual({ ...before, version, at, refusals, receiptsRefused: 50 })
  })

  it('keeps a bounded number of each kind of event, however long the log', () => {
    const run = new GivenRun().and(open({ attemptsMax: 1 }, ['it is done']), passGates)
    for (let i = 0; i < 60; i++) {
      run.and(...settled(`a${i}`), dispatch(`b${i}`), { type: 'abandon', taskId: `b${i}`, reason: 'x' })
      run.and({ type: 'note', text: 'n' }, { type: 'pause', reason: 'p' }, { type: 'unpause', reason: 'u' })
      run.and(
        { type: 'refuse-command', command: 'x', refusal: { code: 'NO_CHANGE', message: 'x' } },
        dispatch(`c${i}`),
        receipt(`c${i}`, { status: 'failed', output: null }),
      )
    }
    const { decisions, givenUp, notes, refusals, settled: last, troubles } = run.state.recent
    expect([decisions, givenUp, notes, refusals, last, troubles].map(({ length }) => length)).toEqual([
      32, 16, 16, 16, 32, 16,
    ])
  })

  it('lists at most what a reader takes in, with the whole number, and cuts off long inputs and outputs', () => {
    const ids = Array.from({ length: 300 }, (_, i) => `t${i}`)
    const long = 'x'.repeat(5_000)
    const run = given({ inFlightMax: 1_000, attemptsMax: 1 }, dispatch(...ids.map((id) => task(id, { input: long }))))
    for (const id of ids.slice(0, 110)) run.and(receipt(id, { output: long }))
    const briefing = briefed(run)
    const shown = ({ total, items }: { total: number; items: readonly unknown[] }) => [total, items.length]
    expect([shown(briefing.received), shown(briefing.out)]).toEqual([
      [110, 100],
      [190, 190],
    ])
    expect(briefing.received.items[0]).toMatchObject({
      input: { json: `"${'x'.repeat(499)}`, length: 5_002 },
      output: { json: `"${'x'.repeat(3_999)}`, length: 5_002 },
    })
    expect(textOf(run)).toContain(`, output of 5002 characters begins "\\"xxx`)
    expect(textOf(run)).toContain('Came back, not decided (110, 100 shown):')
  })
})
