import { describe, expect, it } from 'vitest'
import type { OpenRunOptions } from '../src/coordinator/open-run.js'
import { sendCommand } from '../src/coordinator/send-command.js'
import type { CommandInput } from '../src/protocol/commands.js'
import { type Holding, RunStage, request, requests, runId } from './run-stage.js'
import { StateFileStage } from './state-file-stage.js'

const successCriteria = ['every file is read', 'nobody complains']
const evidence = [
  { criterion: 1, evidence: 'the count is zero', tasks: ['t1'] },
  { criterion: 'nobody complains', evidence: 'no message in a week' },
]

/** A run with one accepted task. */
async function readyRun<Stage extends RunStage>(stage: Stage, options: Partial<OpenRunOptions> = {}) {
  const held = await stage.open({ successCriteria, ...options })
  await stage.clock.run(held.run.dispatch(request('t1')))
  await stage.answer('t1')
  await stage.clock.run(held.run.accept('t1'))
  return { stage, ...held }
}

/** Every way to ask for the same command, and what each says. */
const ways: [name: string, ask: (stage: RunStage, held: Holding, command: Complete) => Promise<string>][] = [
  [
    'run.complete',
    async (stage, { run }, { summary, evidence = [] }) => {
      try {
        await stage.clock.run(run.complete(summary, { evidence }))
        return 'ok'
      } catch (error) {
        return (error as { code: string }).code
      }
    },
  ],
  [
    'run.execute',
    async (stage, { run }, command) => {
      const outcome = await stage.clock.run(run.execute(command))
      return outcome.ok ? 'ok' : outcome.code
    },
  ],
  [
    'run.execute with a token',
    async (stage, { run }, command) => {
      const outcome = await stage.clock.run(run.execute(command, { token: run.contextToken() }))
      return outcome.ok ? 'ok' : outcome.code
    },
  ],
  [
    'run.round',
    async (stage, { run }, command) => {
      const report = await stage.clock.run(run.round({ decide: () => [command] }))
      return report.progress ? 'ok' : report.code
    },
  ],
  [
    'sendCommand',
    async (stage, _, command) => {
      const sent = await stage.clock.run(sendCommand({ ...stage.outside, runId, command }))
      const { ok, events } = await stage.clock.run(sent.answer())
      const last = events.at(-1)
      return ok ? 'ok' : last?.type === 'command-refused' ? last.data.code : 'unanswered'
    },
  ],
]
type Complete = Extract<CommandInput, { type: 'complete' }>
const complete: Complete = { type: 'complete', summary: 'all read', evidence }

describe.each(ways)('completing a run with %s', (_, ask) => {
  it('is refused while a success criterion has no evidence, and records nothing else', async () => {
    const { stage, run, ...held } = await readyRun(new RunStage())
    for (const partial of [[], evidence.slice(0, 1), evidence.slice(1)]) {
      const asked = ask(stage, { run, ...held }, { ...complete, evidence: partial })
      expect(await asked).toBe('EVIDENCE_MISSING')
    }
    expect(stage.of('criterion-met')).toEqual([])
    expect(run.status.status).toBe('running')
    expect(await ask(stage, { run, ...held }, complete)).toBe('ok')
    expect(run.status.status).toBe('complete')
  })

  it('is refused while a task is not settled', async () => {
    const { stage, run, ...held } = await readyRun(new RunStage())
    await stage.clock.run(run.dispatch(requests(2)))
    expect(await ask(stage, { run, ...held }, complete)).toBe('UNSETTLED')
    await stage.clock.run(run.cancel('t2', 'not needed'))
    expect(await ask(stage, { run, ...held }, complete)).toBe('ok')
  })

  it('is refused while the state file cannot be made equal to the log', async () => {
    const { stage, run, ...held } = await readyRun(new StateFileStage())
    await stage.written()
    for (const method of ['read', 'replace'] as const) {
      stage.file.fail(method)
      await stage.clock.run(run.note(`the file fails at its ${method}`))
      expect(await ask(stage, { run, ...held }, complete)).toBe('STATE_FILE_FAILED')
      expect([run.status.status, stage.of('criterion-met')]).toEqual(['running', []])
    }
    stage.file.fail()
    expect(await ask(stage, { run, ...held }, complete)).toBe('ok')
    expect(stage.said).toEqual(stage.logged)
  })
})

it.each([
  ['no state file', () => new RunStage()],
  ['a state file', () => new StateFileStage()],
])('is decided before what its sender asked for behind it, with %s', async (_, newStage) => {
  const { stage, run } = await readyRun(newStage())
  const asked: CommandInput[] = [
    { type: 'note', text: 'before' },
    complete,
    { type: 'dispatch', tasks: [request('late')] },
  ]
  const messages = asked.map((command, i) => {
    return { sender: 'sender-2', seq: i + 1, kind: 'command' as const, body: JSON.stringify(command) }
  })
  await stage.clock.run(stage.outside.adapter.inbox.send(runId, messages))
  await stage.clock.settle()
  expect([run.status.status, stage.of('note-added').length, run.status.counts.tasks]).toEqual(['complete', 1, 1])
})

it('is refused while somebody else overwrites the state file at once', async () => {
  const { stage, run } = await readyRun(new StateFileStage())
  stage.file.fate = (method, phase) => {
    if (method === 'replace' && phase === 'after') stage.file.text = '# Mine\n'
    return 'go'
  }
  await expect(stage.clock.run(run.complete('all read', { evidence }))).rejects.toMatchObject({
    code: 'STATE_FILE_FAILED',
    message: expect.stringContaining('somebody else writes it'),
  })
  expect(run.status.status).toBe('running')
})

describe('the checklist of a completed run', () => {
  it('has each criterion with its evidence, the tasks, and the state file by name and version', async () => {
    const { stage, run } = await readyRun(new StateFileStage())
    const { version } = run.status
    const report = await stage.clock.run(run.complete('all read', { evidence }))
    expect(report).toMatchObject({ summary: 'all read', status: { status: 'complete' } })
    expect(report.checklist).toEqual([
      { item: 'criterion 1: every file is read', pass: true, evidence: 'the count is zero' },
      { item: 'criterion 2: nobody complains', pass: true, evidence: 'no message in a week' },
      {
        item: 'every task is settled',
        pass: true,
        evidence: `1 accepted, 0 cancelled, 0 abandoned, none open at version ${version}`,
      },
      {
        item: 'the state file equals the log',
        pass: true,
        evidence: `${stage.file.path} was read back and is that of version ${version}`,
      },
    ])
    expect(stage.of('run-completed')).toEqual([{ summary: 'all read', checklist: report.checklist }])
    // Whoever opens the run later is told the same.
    const { run: later } = await stage.open()
    expect(await stage.clock.run(later.complete('once more'))).toEqual(report)
  })

  it('says so if no state file is kept', async () => {
    const { stage, run } = await readyRun(new RunStage(), { successCriteria: [] })
    const { checklist } = await stage.clock.run(run.complete('all read'))
    expect(checklist.map(({ item, evidence }) => [item, evidence]).at(-1)).toEqual([
      'the state file equals the log',
      'no state file is kept',
    ])
  })

  it('counts evidence that was recorded before, and not what was taken back', async () => {
    const { stage, run } = await readyRun(new RunStage())
    await stage.clock.run(run.meetCriterion(1, 'the count is zero', ['t1']))
    await stage.clock.run(run.meetCriterion(2, 'no message yet'))
    await stage.clock.run(run.reopenCriterion(2, 'there was one'))
    await expect(stage.clock.run(run.complete('all read'))).rejects.toMatchObject({
      code: 'EVIDENCE_MISSING',
      details: { runId: run.id, command: 'complete', criteria: [2] },
    })
    const second = [{ criterion: 2, evidence: 'answered' }]
    const { checklist } = await stage.clock.run(run.complete('all read', { evidence: second }))
    expect(checklist.slice(0, 2).map(({ evidence }) => evidence)).toEqual(['the count is zero', 'answered'])
  })

  it('takes as evidence only tasks that were accepted', async () => {
    const { stage, run } = await readyRun(new RunStage(), { successCriteria: ['all'] })
    await stage.clock.run(run.dispatch(request('t2')))
    await stage.clock.run(run.abandon('t2', 'too hard'))
    for (const tasks of [['t2'], ['t1', 't2'], ['never-heard-of']]) {
      const completing = run.complete('done', { evidence: [{ criterion: 1, evidence: 'look', tasks }] })
      await expect(stage.clock.run(completing)).rejects.toMatchObject({ code: 'EVIDENCE_MISSING' })
    }
    expect(run.status.status).toBe('running')
  })
})
