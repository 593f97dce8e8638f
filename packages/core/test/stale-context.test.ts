import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { decideCommand } from '../src/flow/decide-command.js'
import { staleReason } from '../src/flow/stale-context.js'
import { type Command, type CommandInput, commandSchema } from '../src/protocol/commands.js'
import { histories, runOf } from './any-history.js'
import { dispatch, failed, GivenRun, open, passGates, receipt, type Step, settled, task } from './given-run.js'
import { checkProperty } from './property-run.js'

const file = 'packages/core/test/stale-context.test.ts'
const reason = 'because'

/** "mine" has come back, "free" waits for a time, "back" and "bad" are out, "late" has stopped. */
const scene = () =>
  new GivenRun().and(
    open({ attemptsMax: 1, retryBackoffMs: 1 }, ['it is done', 'it is right']),
    passGates,
    ...settled('shown'),
    { type: 'meet-criterion', criterion: 2, evidence: 'seen' },
    dispatch('mine', 'back', 'bad', 'late', 'theirs'),
    dispatch(task('tired', { attemptsMax: 2 })),
    dispatch(task('free', { notBefore: '2027-01-01T00:00:00.000Z' })),
    receipt('mine'),
    receipt('theirs'),
    failed('late'),
    failed('tired', { message: 'it broke', retryable: false }),
  )

/** What happens between the moment somebody was shown the run and the command. */
const changes = {
  'its task is settled or changes': [{ type: 'reject', taskId: 'mine', reason }],
  'a task comes in that needs its task': [dispatch(task('needs', { after: ['mine'] }))],
  'other work comes back': [receipt('back')],
  'other work stops': [failed('bad')],
  'other work is accepted': [{ type: 'accept', taskId: 'theirs' }],
  'other work is dispatched': [dispatch('other')],
  'what had stopped is tried again': [{ type: 'retry', taskId: 'tired', reason }],
  'what had stopped is dispatched again': [dispatch('tired')],
  'the run is paused': [{ type: 'pause', reason }],
  'the run is blocked and unblocked': [
    { type: 'block', reason },
    { type: 'unblock', reason },
  ],
  'evidence is recorded': [{ type: 'meet-criterion', criterion: 1, evidence: 'shown' }],
  'a checkpoint is set': [{ type: 'set-checkpoint', dueAt: '2026-02-01T00:00:00.000Z', note: '' }],
  'a note is added and a round closed': [
    { type: 'note', text: 'x' },
    { type: 'close-round', summary: 'x' },
  ],
  'the run is taken up again': [
    { type: 'take-over', holder: { id: 'coordinator-1', host: 'h', pid: 2 }, reason: 'process-gone' },
    passGates,
  ],
} as const satisfies Record<string, readonly Step[]>
type Change = keyof typeof changes

const taken: readonly Change[] = ['the run is taken up again']
const turned: readonly Change[] = [
  ...taken,
  ...(['the run is paused', 'the run is blocked and unblocked', 'evidence is recorded'] as const),
]
const own: readonly Change[] = [...turned, 'its task is settled or changes']
const withDependents: readonly Change[] = [...own, 'a task comes in that needs its task']
// A rejected task has stopped: work that somebody must look at.
const results: readonly Change[] = [
  ...turned,
  ...(['other work comes back', 'other work stops', 'its task is settled or changes'] as const),
]

const work: readonly Change[] = [
  ...results,
  ...(['other work is dispatched', 'a task comes in that needs its task'] as const),
  ...(['what had stopped is tried again', 'what had stopped is dispatched again'] as const),
]

/** Every command, and after which changes a token from before them is stale. The table in docs/resume.md says the same. */
const stale: Record<Command['type'], readonly [CommandInput, readonly Change[]]> = {
  note: [{ type: 'note', text: reason }, taken],
  accept: [{ type: 'accept', taskId: 'mine' }, own],
  reject: [{ type: 'reject', taskId: 'mine', reason }, own],
  retry: [{ type: 'retry', taskId: 'mine', reason }, own],
  cancel: [{ type: 'cancel', taskId: 'mine', reason }, withDependents],
  abandon: [{ type: 'abandon', taskId: 'mine', reason }, withDependents],
  pause: [{ type: 'pause', reason }, turned],
  unpause: [{ type: 'unpause', reason }, turned],
  block: [{ type: 'block', reason }, turned],
  unblock: [{ type: 'unblock', reason }, turned],
  'set-checkpoint': [{ type: 'set-checkpoint', dueAt: '2026-03-01T00:00:00.000Z', note: '' }, turned],
  'close-round': [{ type: 'close-round', summary: reason }, turned],
  dispatch: [dispatch('new'), work],
  'meet-criterion': [{ type: 'meet-criterion', criterion: 1, evidence: 'seen' }, results],
  'reopen-criterion': [{ type: 'reopen-criterion', criterion: 2, reason }, results],
  complete: [{ type: 'complete', summary: reason }, results],
  fail: [{ type: 'fail', reason }, [...work, 'other work is accepted']],
  round: [{ type: 'round', summary: reason, decide: [{ type: 'accept', taskId: 'mine' }] }, own],
}

const cells = Object.entries(stale).flatMap(([type, [command, staleAfter]]) =>
  (Object.keys(changes) as Change[]).map((change) => ({ type, change, command, isStale: staleAfter.includes(change) })),
)

describe('a context token', () => {
  it.each(cells)('for $type is stale when $change: $isStale', ({ command, change, isStale }) => {
    const run = scene()
    const { version, epoch } = run.state
    run.and(...changes[change])
    const parsed = commandSchema.parse(command)
    expect(staleReason(run.state, parsed, { version, epoch }) !== null).toBe(isStale)
    const decision = decideCommand(run.state, parsed, { ...run.context, basis: { version, epoch } })
    expect(!decision.ok && decision.refusal.code === 'STALE_CONTEXT').toBe(isStale)
  })

  it('is stale after what docs/resume.md says', () => {
    const docs = readFileSync(new URL('../../../docs/resume.md', import.meta.url), 'utf8')
    const rows = [...docs.matchAll(/^\| `([a-z-]+)` \|((?: stale \|| \|){6})$/gm)]
    const documented = rows.map(([, type, row = '']) => [
      type,
      row
        .split('|')
        .slice(0, 6)
        .map((each) => each.includes('stale')),
    ])
    const columns: readonly Change[] = [
      ...(['the run is taken up again', 'the run is paused', 'its task is settled or changes'] as const),
      ...(['a task comes in that needs its task', 'other work comes back', 'other work is dispatched'] as const),
    ]
    const expected = Object.entries(stale).flatMap(([type, [command, staleAfter]]) => {
      // Without a task of its own, what became of one is what became of any.
      const tells = (column: Change) => 'taskId' in command || !column.includes('its task')
      return type === 'round' ? [] : [[type, columns.map((column) => tells(column) && staleAfter.includes(column))]]
    })
    expect(documented).toEqual(expected)
  })

  it('is stale for a round as soon as it is for one of its commands', () => {
    const run = scene()
    const { version, epoch } = run.state
    run.and(receipt('back'))
    const round = (...decide: CommandInput[]) => commandSchema.parse({ type: 'round', summary: reason, decide })
    const accept: CommandInput = { type: 'accept', taskId: 'mine' }
    expect(staleReason(run.state, round(accept), { version, epoch })).toBe(null)
    expect(staleReason(run.state, round(accept, dispatch('new')), { version, epoch })).toMatch(/work has come back/)
  })

  it('is never stale for the version that it was issued for, whatever the command', async ({ task: { name } }) => {
    await checkProperty(name, file, histories, async (steps) => {
      const { state } = runOf(steps)
      const { version, epoch } = state
      for (const [command] of Object.values(stale)) {
        expect(staleReason(state, commandSchema.parse(command), { version, epoch })).toBe(null)
      }
    })
  })

  it('that is old is stale for more commands than a younger one, never for fewer', async ({ task: { name } }) => {
    await checkProperty(name, file, histories, async (steps) => {
      const { state } = runOf(steps)
      const { epoch } = state
      for (const [command] of Object.values(stale)) {
        const parsed = commandSchema.parse(command)
        const judged = Array.from({ length: state.version + 1 }, (_, version) => {
          return staleReason(state, parsed, { version, epoch }) !== null
        })
        expect(judged.lastIndexOf(true)).toBeLessThan(judged.includes(false) ? judged.indexOf(false) : judged.length)
      }
    })
  })
})
