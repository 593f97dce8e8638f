import { describe, expect, it } from 'vitest'
import { changesSince } from '../src/coordinator/changes-since.js'
import { issueToken } from '../src/coordinator/context-token.js'
import { sendCommand } from '../src/coordinator/send-command.js'
import type { CommandInput } from '../src/protocol/commands.js'
import type { RunId } from '../src/protocol/ids.js'
import { RunStage, request, requests, runId } from './run-stage.js'

const reason = 'because'
const dispatch: CommandInput = { type: 'dispatch', tasks: [request('new')] }

/** A run with t1 received, t2 out, t3 stopped, and a token for it. */
async function scene() {
  const stage = new RunStage()
  const holding = await stage.open({ policy: { attemptsMax: 1 } })
  const { run } = holding
  await stage.clock.run(run.dispatch(requests(3)))
  await stage.answer('t1')
  await stage.answer('t3', { status: 'failed', output: null, error: { message: 'broke' } })
  const execute = (command: CommandInput, token = run.contextToken()) =>
    stage.clock.run(run.execute(command, { token }))
  return { ...holding, stage, execute, token: run.contextToken() }
}

describe('a command with a context token', () => {
  it('is obeyed when nothing that it depends on has changed, and answered with a new token', async () => {
    const { execute, run, token } = await scene()
    const outcome = await execute({ type: 'accept', taskId: 't1' }, token)
    expect(outcome).toMatchObject({ ok: true, token: run.contextToken() })
    expect(outcome.token).not.toBe(token)
  })

  it('is refused when its task has changed, with what happened since, and nothing is recorded', async () => {
    const { execute, run, stage, token } = await scene()
    await stage.clock.run(run.reject('t1', 'wrong'))
    const commits = stage.commits.length
    const outcome = await execute({ type: 'accept', taskId: 't1' }, token)
    expect(outcome).toMatchObject({
      ok: false,
      code: 'STALE_CONTEXT',
      changes: { newest: expect.arrayContaining([expect.objectContaining({ type: 'task-rejected' })]) },
      token: run.contextToken(),
    })
    expect(stage.commits.length).toBe(commits)
    expect(await execute({ type: 'abandon', taskId: 't1', reason }, outcome.token)).toMatchObject({ ok: true })
  })

  it.each([
    ['its own task', { type: 'accept', taskId: 't1' }, 't2 comes back', true],
    ['another task', { type: 'abandon', taskId: 't3', reason }, 't2 comes back', true],
    ['a dispatch', dispatch, 't2 comes back', false],
    ['completing', { type: 'complete', summary: reason }, 't2 comes back', false],
    ['a note', { type: 'note', text: reason }, 'paused', true],
    ['a task', { type: 'accept', taskId: 't1' }, 'paused', false],
    ['blocking', { type: 'block', reason }, 'paused', false],
    ['a task', { type: 'accept', taskId: 't1' }, 'note', true],
    [
      'a round',
      { type: 'round', summary: reason, decide: [{ type: 'accept', taskId: 't1' }, dispatch] },
      't2 comes back',
      false,
    ],
    ['a round', { type: 'round', summary: reason, decide: [{ type: 'accept', taskId: 't1' }] }, 't2 comes back', true],
  ] as [string, CommandInput, string, boolean][])(
    'about %s (%o) is fresh after "%s": %s',
    async (_, command, change, isFresh) => {
      const { execute, run, stage, token } = await scene()
      if (change === 't2 comes back') await stage.answer('t2')
      else await stage.clock.run(change === 'paused' ? run.pause(reason) : run.note(reason))
      const outcome = await execute(command, token)
      expect(outcome.ok ? 'fresh' : outcome.code === 'STALE_CONTEXT' ? 'stale' : outcome.message).toBe(
        isFresh ? 'fresh' : 'stale',
      )
    },
  )

  it('that gives a task up is stale when a task that needs it has come in since, which would go with it', async () => {
    const { execute, run, stage, token } = await scene()
    await stage.clock.run(run.dispatch([request('n1', { after: ['t2'] }), request('n2', { after: ['n1'] })]))
    const outcome = await execute({ type: 'abandon', taskId: 't2', reason }, token)
    expect(outcome).toMatchObject({
      ok: false,
      code: 'STALE_CONTEXT',
      message: expect.stringMatching(/task n1 has changed .* and needs t2/),
    })
    // Nothing new needs this one.
    expect(await execute({ type: 'abandon', taskId: 't3', reason }, token)).toMatchObject({ ok: true })
    expect(await execute({ type: 'cancel', taskId: 't2', reason })).toMatchObject({ ok: true })
    expect(run.status.counts).toMatchObject({ cancelled: 3, abandoned: 1 })
  })

  it('is told what has changed with any refusal, and nothing when nothing has', async () => {
    const { execute, run, stage, token } = await scene()
    const now = await execute({ type: 'accept', taskId: 'nowhere' }, token)
    expect(now).toMatchObject({ ok: false, code: 'TASK_UNKNOWN' })
    expect(now).not.toHaveProperty('changes')
    await stage.clock.run(run.accept('t1'))
    expect(await execute({ type: 'accept', taskId: 't1' }, token)).toMatchObject({
      ok: false,
      code: 'TASK_SETTLED',
      changes: { newest: expect.arrayContaining([expect.objectContaining({ type: 'task-accepted' })]) },
    })
    await stage.clock.run(run.fail('over'))
    expect(await execute({ type: 'note', text: reason }, token)).toMatchObject({
      ok: false,
      code: 'RUN_CLOSED',
      changes: { newest: expect.arrayContaining([expect.objectContaining({ type: 'run-failed' })]) },
    })
  })

  it('is told how much has changed and the newest of it, each on one line', async () => {
    const { execute, run, stage, token } = await scene()
    const version = run.status.version
    for (let i = 1; i <= 120; i++) await stage.clock.run(run.note(`note ${i}\nof many`))
    await stage.clock.run(run.pause(reason))
    const outcome = await execute({ type: 'block', reason }, token)
    if (outcome.ok) throw new Error('it was obeyed')
    const { total = 0, newest = [] } = outcome.changes ?? {}
    expect([total, newest.length]).toEqual([run.status.version - version, 50])
    expect(newest.map((change) => change.version)).toEqual(
      Array.from({ length: 50 }, (_, i) => run.status.version - 49 + i),
    )
    expect(newest[0]?.text).toMatch(/^note: note \d+\\nof many$/)
    expect(newest.at(-1)).toMatchObject({ type: 'paused', text: 'paused: because' })
  })

  it('is refused when the run was taken up again, whatever it is', async () => {
    const { stage, adapter, token } = await scene()
    adapter.kill()
    const { run } = await stage.open()
    const outcome = await stage.clock.run(run.execute({ type: 'note', text: reason }, { token }))
    expect(outcome).toMatchObject({
      ok: false,
      code: 'STALE_CONTEXT',
      message: expect.stringContaining('taken up again'),
    })
  })

  it('dispatches nothing while returned work is unsettled, but does in the round that settles it', async () => {
    const { execute } = await scene()
    expect(await execute(dispatch)).toMatchObject({ ok: false, code: 'EVALUATE_FIRST' })
    const decide = [{ type: 'accept' as const, taskId: 't1' }, dispatch as never]
    expect(await execute({ type: 'round', summary: reason, decide: [...decide].reverse() })).toMatchObject({
      ok: false,
      code: 'EVALUATE_FIRST',
    })
    expect(await execute({ type: 'round', summary: reason, decide })).toMatchObject({
      ok: true,
      report: { dispatched: ['new'] },
    })
  })

  it('is told what it has not been shown before a token stands for it, although it was obeyed', async () => {
    const { execute, run, stage, token } = await scene()
    expect(await execute({ type: 'note', text: reason }, token)).not.toHaveProperty('changes')
    await stage.answer('t2')
    const note = await execute({ type: 'note', text: reason }, token)
    const round = await stage.clock.run(
      run.round({ token, decide: () => [{ type: 'set-checkpoint', dueAt: '2031-01-01T00:00:00.000Z', note: '' }] }),
    )
    for (const outcome of [note, round]) {
      const newest = expect.arrayContaining([expect.objectContaining({ type: 'receipt-received' })])
      expect(outcome).toMatchObject({ changes: { newest } })
    }
    expect([note.ok, round.progress, round.token]).toEqual([true, true, run.contextToken()])
  })

  it('keeps the token that it has if it cannot be told what has changed', async () => {
    const { execute, run, stage, token } = await scene()
    await stage.answer('t2')
    stage.spoil('log.read', 'fail', { times: 2 })
    for (const command of [{ type: 'note', text: reason }, dispatch] as CommandInput[]) {
      const outcome = await execute(command, token)
      expect([outcome.ok, outcome.token, 'changes' in outcome]).toEqual([command.type === 'note', token, false])
    }
    expect(await execute({ type: 'note', text: reason }, token)).toMatchObject({ token: run.contextToken() })
  })

  it.each([
    ['is no token', () => 'rct1'],
    ['is no text', () => 5 as never],
    ['was altered', (token: string) => token.replace('.', '.A')],
    ['has another signature', (token: string) => `${token.slice(0, -2)}xx`],
    ['is of another run', () => issueToken('other' as RunId, { version: 1, epoch: 1 }, '0'.repeat(64))],
  ])('that %s is refused', async (_, change) => {
    const { execute, run, stage, token } = await scene()
    const outcome = await execute({ type: 'note', text: reason }, change(token))
    expect(outcome).toMatchObject({ ok: false, code: 'TOKEN_INVALID' })
    // Who was shown nothing gets no token for having asked.
    expect(outcome).not.toHaveProperty('token')
    const recover = () => [{ type: 'cancel' as const, taskId: 'nowhere', reason }]
    const round = run.round({ recover, decide: () => [], token: change(token) })
    expect(await stage.clock.run(round)).toMatchObject({ progress: false, code: 'TOKEN_INVALID' })
  })

  it('of a version that the log does not have any more is refused: commits were lost', async () => {
    const { stage, run, execute } = await scene()
    const first = stage.backend.recordsOf(runId)[0]?.hash ?? ''
    const token = issueToken(runId, { version: run.status.version + 1, epoch: run.status.epoch }, first)
    expect(await execute({ type: 'note', text: reason }, token)).toMatchObject({
      code: 'TOKEN_INVALID',
      message: expect.stringContaining('commits were lost'),
    })
  })

  it.each(['execute', 'sendCommand'])(
    'of commits that were lost is refused by %s, although the log has as many again',
    async (by) => {
      const stage = new RunStage()
      await stage.close(await stage.open())
      const { length } = stage.commits
      const lost = await stage.open()
      await stage.clock.run(lost.run.dispatch(request('shown')))
      const { token } = await stage.clock.run(lost.run.briefing())
      const { epoch } = lost.run.status
      lost.adapter.kill()
      stage.backend.runs.records.set(runId, stage.backend.recordsOf(runId).slice(0, length))
      const { run } = await stage.open({ takeover: 'now' })
      await stage.clock.run(run.dispatch(requests(3)))
      expect(run.status.epoch).toBe(epoch)
      const command: CommandInput = { type: 'pause', reason }
      if (by === 'execute') {
        expect(await stage.clock.run(run.execute(command, { token }))).toMatchObject({ code: 'TOKEN_INVALID' })
      } else {
        const sent = await stage.clock.run(sendCommand({ ...stage.outside, runId, command, token }))
        const { events } = await stage.clock.run(sent.answer())
        expect(events).toMatchObject([{ type: 'command-refused', data: { code: 'TOKEN_INVALID' } }])
      }
      expect(run.status.status).toBe('awaiting-result')
    },
  )

  it('from another process is judged the same way, and answered in the log', async () => {
    const { stage, run, token } = await scene()
    const send = (command: CommandInput) => sendCommand({ ...stage.outside, runId, command, token })
    const fresh = await stage.clock.run(send({ type: 'accept', taskId: 't1' }))
    expect(await stage.clock.run(fresh.answer())).toMatchObject({ ok: true })
    await stage.clock.run(run.pause(reason))
    const stale = await stage.clock.run(send({ type: 'block', reason }))
    expect(await stage.clock.run(stale.answer())).toMatchObject({
      ok: false,
      events: [{ type: 'command-refused', data: { command: 'block', code: 'STALE_CONTEXT' } }],
    })
  })

  it('tells another process what has happened since, as a refusal tells who holds the run', async () => {
    const { stage, run, token, execute } = await scene()
    const changes = (of: string, options?: { max: number }) =>
      stage.clock.run(changesSince(stage.outside.adapter.log, runId, of, options))
    expect(await changes(token)).toEqual({ total: 0, newest: [] })
    await stage.clock.run(run.pause(reason))
    await stage.clock.run(run.note('and more'))
    const refused = await execute({ type: 'block', reason }, token)
    expect(refused).toMatchObject({ code: 'STALE_CONTEXT', changes: await changes(token) })
    const all = await changes(token)
    expect(all).toMatchObject({
      total: 2,
      newest: [{ type: 'paused' }, { type: 'note-added', text: 'note: and more' }],
    })
    expect(await changes(token, { max: 1 })).toEqual({ total: 2, newest: all.newest.slice(1) })
    await expect(changes('rct1.made.up')).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
    await expect(changes(token, { max: 0 })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    const elsewhere = changesSince(stage.outside.adapter.log, 'other' as RunId, token)
    await expect(stage.clock.run(elsewhere)).rejects.toMatchObject({ code: 'RUN_UNKNOWN' })
  })
})
