import { describe, expect, it } from 'vitest'
import type { Run } from '../src/coordinator/run.js'
import type { RoundCommand } from '../src/protocol/commands.js'
import { limits } from '../src/protocol/limits.js'
import { busyRun } from './busy-run.js'
import { follow, RunStage, request, requests } from './run-stage.js'

const dispatch = (...ids: string[]): RoundCommand => ({ type: 'dispatch', tasks: ids.map((id) => request(id)) })
const versionOf = (run: Run) => run.status.version

describe('a round', () => {
  it('recovers first, decides on what that leaves, and stands in one commit with its closing', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ policy: { attemptsMax: 1 } })
    await stage.clock.run(run.dispatch(requests(2)))
    await stage.answer('t1')
    await stage.answer('t2', { status: 'failed', output: null, error: { message: 'no disk' } })
    const before = stage.commits.length
    const seen: unknown[] = []
    const report = await stage.clock.run(
      run.round({
        recover: (view) => {
          seen.push(view.stopped.map(({ taskId, reason }) => [taskId, reason]))
          return [{ type: 'abandon', taskId: 't2', reason: 'the disk is gone' }]
        },
        decide: (view) => {
          seen.push(
            view.stopped.length,
            view.counts.abandoned,
            view.received.map(({ output }) => output),
          )
          return { commands: [{ type: 'accept', taskId: 't1' }, dispatch('t3')], summary: 'one in, one given up' }
        },
      }),
    )
    expect(seen).toEqual([[['t2', 'attempt 1 failed: no disk']], 0, 1, [{ lines: 3 }]])
    expect(report).toMatchObject({
      progress: true,
      round: 1,
      summary: 'one in, one given up',
      settled: ['t2', 't1'],
      report: { dispatched: ['t3'] },
    })
    expect(report.status.version).toBe(versionOf(run))
    expect(stage.commits.length).toBe(before + 1)
    expect(stage.commits.at(-1)?.events.map(({ type }) => type)).toEqual([
      'task-abandoned',
      'task-accepted',
      'mode-changed',
      'dispatched',
      'round-closed',
      'mode-changed',
    ])
  })

  it('reports only what is durable: nothing comes back while its commit is on its way', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const append = stage.hold('log.append', 'after')
    const round = follow(run.round({ decide: () => [dispatch('t1')] }))
    await stage.clock.settle()
    expect([append.held, round.settled, run.status.counts.out, stage.queued]).toEqual([1, false, 0, []])
    append.release()
    await stage.clock.runUntil(() => round.settled)
    expect(round.value).toMatchObject({ progress: true, status: { counts: { out: 1 } } })
  })

  it.each([
    ['nothing', []],
    ['a note', [{ type: 'note', text: 'still here' }]],
    ['what is in the log already', [dispatch('t1')]],
    ['the checkpoint that is set', [{ type: 'set-checkpoint', dueAt: '2030-01-01T00:00:00.000Z', note: 'look' }]],
  ] as [string, RoundCommand[]][])(
    'that asks for %s is no progress, says so, and records nothing',
    async (_, commands) => {
      const stage = new RunStage()
      const { run } = await stage.open()
      await stage.clock.run(run.dispatch(request('t1')))
      await stage.clock.run(run.setCheckpoint('2030-01-01T00:00:00Z', 'look'))
      const [{ status }, commits] = [run, stage.commits.length]
      const report = await stage.clock.run(run.round({ decide: () => commands }))
      expect(report).toMatchObject({ progress: false, code: 'NO_PROGRESS', status })
      expect(stage.commits.length).toBe(commits)
    },
  )

  it('is refused whole when one of its commands is, which is named, and leaves no trace', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.clock.run(run.dispatch(requests(2)))
    await stage.answer('t1')
    const [view, commits] = [await stage.clock.run(run.view()), stage.commits.length]
    const report = await stage.clock.run(
      run.round({
        decide: () => [
          { type: 'accept', taskId: 't1' },
          { type: 'accept', taskId: 't2' },
        ],
      }),
    )
    expect(report).toMatchObject({
      progress: false,
      code: 'NO_RECEIPT',
      message: expect.stringContaining('Command 2 of "decide" (accept)'),
    })
    expect(await stage.clock.run(run.view())).toEqual(view)
    expect(stage.commits.length).toBe(commits)
    expect(await stage.clock.run(run.round({ decide: () => [{ type: 'accept', taskId: 't1' }] }))).toMatchObject({
      settled: ['t1'],
    })
  })

  it('is refused when it would not fit into one commit', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const input = 'x'.repeat(limits.inputBytesMax - 2)
    const tasks = [request('t1', { input }), request('t2', { input })]
    const commits = stage.commits.length
    expect(await stage.clock.run(run.round({ decide: () => [{ type: 'dispatch', tasks }] }))).toMatchObject({
      progress: false,
      code: 'TOO_LARGE',
      status: { counts: { tasks: 0 } },
    })
    expect(stage.commits.length).toBe(commits)
  })

  it('means the attempt that its callback was shown, not one that came meanwhile', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ policy: { retryBackoffMs: 1 } })
    await stage.clock.run(run.dispatch(request('t1')))
    await stage.answer('t1')
    let go = (): void => {}
    const thinking = new Promise<void>((resolve) => {
      go = resolve
    })
    const round = follow(
      run.round({
        decide: async () => {
          await thinking
          return [{ type: 'accept', taskId: 't1' }]
        },
      }),
    )
    await stage.clock.settle()
    await stage.clock.run(run.retry('t1', 'once more'))
    await stage.clock.advance(10)
    await stage.answer('t1', { output: 'another' })
    go()
    await stage.clock.runUntil(() => round.settled)
    expect(round.value).toMatchObject({ progress: false, code: 'ATTEMPT_SUPERSEDED' })
  })

  it('may end the run: its closing stands before the end', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const complete: RoundCommand = { type: 'complete', summary: 'nothing to do' }
    expect(await stage.clock.run(run.round({ decide: () => [complete, dispatch('t1')] }))).toMatchObject({
      progress: false,
      code: 'RUN_CLOSED',
    })
    expect(await stage.clock.run(run.round({ decide: () => [complete] }))).toMatchObject({
      progress: true,
      status: { status: 'complete' },
    })
    expect(stage.events.slice(-2).map(({ type }) => type)).toEqual(['round-closed', 'run-completed'])
  })

  it('refuses in recover what starts work, and names it', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const round = run.round({ recover: () => [dispatch('t1') as never], decide: () => [] })
    await expect(stage.clock.run(round)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining('recover.0'),
    })
  })
})

describe('the order of a round', () => {
  it('is READ, RECOVER, DECIDE, PERSIST, REPORT, END, one after the other', async () => {
    const { stage, run } = await busyRun()
    const told: string[] = []
    stage.intercept(({ port, method, phase }) => {
      if (port === 'log' && method === 'append') told.push(`append ${phase}`)
      return 'go'
    })
    run.on('commit', ({ events }) =>
      told.push(`commit ending with ${events.findLast(({ type }) => type === 'round-closed')?.type}`),
    )
    const { version } = run.status
    const report = await stage.clock.run(
      run
        .round({
          recover: (view) => {
            told.push(`recover sees version ${view.version - version}, ${view.stopped.length} stopped`)
            return [{ type: 'abandon', taskId: 't2', reason: 'no disk' }]
          },
          decide: (view) => {
            told.push(`decide sees ${view.stopped.length} stopped, the log says ${run.status.counts.stopped}`)
            return [{ type: 'accept', taskId: 't1' }]
          },
        })
        .finally(() => told.push(`report at version ${run.status.version - version}`)),
    )
    expect(told).toEqual([
      'recover sees version 0, 1 stopped',
      'decide sees 0 stopped, the log says 1',
      'append before',
      'append after',
      'commit ending with round-closed',
      'report at version 4',
    ])
    expect(report.status).toEqual(run.status)
    expect(stage.of('round-closed')).toEqual([{ round: 1, summary: 'recover: 1 abandon; decide: 1 accept' }])
  })

  it('does not ask for domain work while what recovers the run is refused', async () => {
    const { stage, run } = await busyRun()
    const commits = stage.commits.length
    let asked = false
    const report = await stage.clock.run(
      run.round({
        recover: () => [{ type: 'abandon', taskId: 'nobody', reason: 'x' }],
        decide: () => {
          asked = true
          return [dispatch('t9')]
        },
      }),
    )
    expect([asked, stage.commits.length]).toEqual([false, commits])
    expect(report).toMatchObject({
      progress: false,
      code: 'TASK_UNKNOWN',
      message: expect.stringContaining('Command 1 of "recover" (abandon)'),
    })
  })

  it('puts recovery before domain work in the commit, however the commands come', async () => {
    const { stage, run } = await busyRun()
    await stage.clock.run(run.pause('lunch'))
    await stage.send(
      'command',
      JSON.stringify({
        type: 'round',
        decide: [{ type: 'accept', taskId: 't1' }, dispatch('t5')],
        recover: [{ type: 'unpause', reason: 'fed' }],
        summary: 'after lunch',
      }),
    )
    expect(stage.commits.at(-1)?.events.map(({ type }) => type)).toEqual([
      'unpaused',
      'task-accepted',
      'mode-changed',
      'dispatched',
      'round-closed',
      'mode-changed',
    ])
  })

  it('waits for the resume gates: one that was sent meanwhile is decided after the last', async () => {
    const stage = new RunStage()
    const first = await stage.open()
    await stage.clock.run(first.run.dispatch(request('t1')))
    first.adapter.kill()
    const round = { type: 'round', decide: [{ type: 'accept', taskId: 't1' }], summary: 's' }
    await stage.send('command', JSON.stringify(round))
    await stage.answer('t1')
    await stage.open()
    const types = stage.events
      .slice(stage.events.findLastIndex(({ type }) => type === 'lock-acquired'))
      .map(({ type }) => type)
    const steps = ['receipt-received', 'resumed', 'task-accepted', 'round-closed'] as const
    expect(types.filter((type) => (steps as readonly string[]).includes(type))).toEqual(steps)
  })
})
