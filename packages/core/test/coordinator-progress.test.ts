import { describe, expect, it } from 'vitest'
import type { RecoverCommand, RoundCommand } from '../src/protocol/commands.js'
import { busyRun } from './busy-run.js'
import { RunStage, request } from './run-stage.js'

const dispatch = (...ids: string[]): RoundCommand => ({ type: 'dispatch', tasks: ids.map((id) => request(id)) })

describe('progress', () => {
  const reason = 'because'
  it.each([
    ['dispatches something', [dispatch('t9')]],
    ['plans something', [{ type: 'dispatch', tasks: [request('t9', { notBefore: '2031-01-01T00:00:00.000Z' })] }]],
    ['accepts what came back', [{ type: 'accept', taskId: 't1' }]],
    ['rejects what came back', [{ type: 'reject', taskId: 't1', reason }]],
    ['gives up what stopped', [], [{ type: 'abandon', taskId: 't2', reason }]],
    ['takes back what is out', [], [{ type: 'cancel', taskId: 't3', reason }]],
    ['pauses', [{ type: 'pause', reason }]],
    ['blocks, in recover', [], [{ type: 'block', reason }]],
    ['sets a checkpoint', [{ type: 'set-checkpoint', dueAt: '2031-01-01T00:00:00.000Z', note: 'look' }]],
    ['meets a criterion', [{ type: 'meet-criterion', criterion: 1, evidence: 'seen' }]],
    ['fails the run', [{ type: 'fail', reason }]],
  ] as [string, RoundCommand[], RecoverCommand[]?][])('is a round that %s', async (_, decide, recover = []) => {
    const { stage, run } = await busyRun()
    const report = await stage.clock.run(run.round({ recover: () => recover, decide: () => decide }))
    expect(report).toMatchObject({ progress: true, round: 1 })
    expect(stage.of('round-closed')).toHaveLength(1)
    expect(report.status).toEqual(run.status)
  })

  it('is not what a limit kept out: the report names the limit, and nothing is recorded', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ policy: { tasksMax: 1 } })
    await stage.clock.run(run.dispatch(request('t1')))
    const [{ status }, commits] = [run, stage.commits.length]
    expect(await stage.clock.run(run.round({ decide: () => [dispatch('t2', 't3')] }))).toMatchObject({
      progress: false,
      code: 'NO_PROGRESS',
      message: expect.stringContaining('kept 2 tasks out, the first t2: tasksMax is 1, the run stands at 1'),
      status,
    })
    expect(stage.commits).toHaveLength(commits)
  })

  it('that is missing is answered to a sender, and counted as a refused command only', async () => {
    const { stage, run } = await busyRun()
    const { version, commandsRefused: refused, ...counts } = { ...run.status.counts, version: run.status.version }
    const round = { type: 'round', decide: [{ type: 'note', text: 'still here' }], summary: 's' }
    await stage.send('command', JSON.stringify(round))
    expect(stage.events.at(-1)).toMatchObject({
      type: 'command-refused',
      data: { command: 'round', code: 'NO_PROGRESS' },
    })
    expect(run.status).toMatchObject({
      version: version + 1,
      round: 0,
      counts: { ...counts, commandsRefused: refused + 1 },
    })
  })
})

describe('a round and the status of its run', () => {
  const reason = 'because'

  it('may undo what holds the run and go on in the same commit', async () => {
    const { stage, run } = await busyRun()
    await stage.clock.run(run.block('no key'))
    const report = await stage.clock.run(
      run.round({ recover: () => [{ type: 'unblock', reason: 'the key is here' }], decide: () => [dispatch('t9')] }),
    )
    expect(report).toMatchObject({ progress: true, report: { dispatched: ['t9'] }, status: { status: 'running' } })
  })

  it('plans what it asks for behind its own pause', async () => {
    const { stage, run } = await busyRun()
    const report = await stage.clock.run(
      run.round({ recover: () => [{ type: 'pause', reason }], decide: () => [dispatch('t9')] }),
    )
    expect(report).toMatchObject({ report: { planned: ['t9'], dispatched: [] }, status: { status: 'paused' } })
    expect(stage.of('planned').at(-1)).toMatchObject({ taskId: 't9', why: 'paused' })
  })

  it.each<[string, RoundCommand]>([
    ['cannot pause a run that is blocked', { type: 'pause', reason }],
    [
      'cannot complete a run that is blocked',
      { type: 'complete', summary: reason, evidence: [1, 2].map((criterion) => ({ criterion, evidence: 'e' })) },
    ],
  ])('%s', async (_, command) => {
    const { stage, run } = await busyRun()
    await stage.clock.run(run.block('no key'))
    const settle: RoundCommand[] = [
      { type: 'accept', taskId: 't1' },
      { type: 'abandon', taskId: 't2', reason },
      { type: 'cancel', taskId: 't3', reason },
    ]
    const before = stage.commits.length
    expect(await stage.clock.run(run.round({ decide: () => [...settle, command] }))).toMatchObject({
      progress: false,
      code: 'ILLEGAL_TRANSITION',
      status: { status: 'blocked', counts: { accepted: 0 } },
    })
    expect(stage.commits).toHaveLength(before)
  })

  it('may settle everything, show it and complete, all at once', async () => {
    const { stage, run } = await busyRun()
    await stage.clock.run(run.pause('lunch'))
    const evidence = [1, 2].map((criterion) => ({ criterion, evidence: `counted ${criterion}`, tasks: ['t1'] }))
    const report = await stage.clock.run(
      run.round({
        recover: () => [
          { type: 'unpause', reason },
          { type: 'abandon', taskId: 't2', reason },
          { type: 'cancel', taskId: 't3', reason },
        ],
        decide: () => [
          { type: 'accept', taskId: 't1' },
          { type: 'complete', summary: 'done', evidence },
        ],
      }),
    )
    expect(report).toMatchObject({ progress: true, settled: ['t2', 't4', 't3', 't1'], status: { status: 'complete' } })
    expect(stage.commits.at(-1)?.events.at(-1)?.type).toBe('run-completed')
  })
})
