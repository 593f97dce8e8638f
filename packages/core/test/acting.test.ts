import { describe, expect, it } from 'vitest'
import { briefRun } from '../src/coordinator/brief-run.js'
import type { CommandInput } from '../src/protocol/commands.js'
import type { ActOptions } from '../src/replay/act-options.js'
import { actOnRun, startActing } from '../src/replay/acting.js'
import { openOnce } from '../src/replay/open-once.js'
import { follow, goal, RunStage, request, requests, runId } from './run-stage.js'

const reason = 'because'
const accept = (taskId: string): CommandInput => ({ type: 'accept', taskId })
const dispatch = (...ids: string[]): CommandInput => ({ type: 'dispatch', tasks: ids.map((id) => request(id)) })

/** A run that nobody holds: t1 has come back, t2 is out. */
async function unheld() {
  const stage = new RunStage()
  const holding = await stage.open()
  await stage.clock.run(holding.run.dispatch(requests(2)))
  await stage.answer('t1')
  await stage.close(holding)
  return stage
}

const tokenOf = async (stage: RunStage): Promise<string> =>
  (await stage.clock.run(briefRun(stage.outside.adapter.log, runId))).token

/** In a process of its own, as a command line is. */
const act = (stage: RunStage, command: CommandInput, options: Partial<ActOptions> = {}) =>
  stage.clock.run(actOnRun({ ...stage.process(), runId, command, ...options }))

describe('a run that nobody holds', () => {
  it('is taken for the command, by the same opening as any other, and let go', async () => {
    const stage = await unheld()
    const before = stage.events.length
    const answer = await act(stage, accept('t1'))
    expect(answer).toMatchObject({ ok: true, how: 'executed', cause: null, token: null, changes: null })
    expect(answer.ok && answer.events.map(({ type }) => type)).toContain('task-accepted')
    const types = stage.events.slice(before).map(({ type }) => type)
    expect(types[0]).toBe('lock-acquired')
    expect(types.indexOf('resumed')).toBeLessThan(types.indexOf('task-accepted'))
    expect(types.at(-1)).toBe('lock-released')
  })

  it('has what came back meanwhile recorded before the command is decided', async () => {
    const stage = await unheld()
    await stage.answer('t2')
    const process = stage.process()
    const acting = startActing({ ...process, runId })
    expect(acting.takenUp).toBeNull()
    expect(await stage.clock.run(acting.act(accept('t2')))).toMatchObject({ ok: true })
    expect(acting.takenUp?.receipts).toContain('1 receipts had arrived')
    await stage.clock.run(acting.close())
    expect(stage.of('task-accepted')).toMatchObject([{ taskId: 't2' }])
  })

  it('is not taken for what is no command', async () => {
    const stage = await unheld()
    const before = stage.commits.length
    await expect(act(stage, { type: 'pause', reason: '' })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(act(stage, accept('t1'), { runId: '../x' })).rejects.toMatchObject({ code: 'INVALID_ID' })
    expect(stage.commits).toHaveLength(before)
  })

  it('refuses what cannot be, as a value', async () => {
    const stage = await unheld()
    expect(await act(stage, accept('t2'))).toMatchObject({ ok: false, how: 'executed', code: 'NO_RECEIPT' })
    await expect(act(stage, accept('t1'), { runId: 'unknown' })).rejects.toMatchObject({ code: 'RUN_UNKNOWN' })
  })
})

describe('a token', () => {
  it('outlives that the run is taken for its command, and the next one is good for the next command', async () => {
    const stage = await unheld()
    const first = await act(stage, accept('t1'), { token: await tokenOf(stage) })
    expect(first).toMatchObject({ ok: true })
    expect(first.changes?.newest.map(({ type }) => type)).toContain('task-accepted')
    const second = await act(stage, dispatch('t3'), { token: first.token ?? '' })
    expect(second).toMatchObject({ ok: true, report: { dispatched: ['t3'] } })
    expect(await act(stage, { type: 'pause', reason }, { token: second.token ?? '' })).toMatchObject({ ok: true })
  })

  it('that is stale already takes nothing and records nothing, and its bearer is told what has changed', async () => {
    const stage = await unheld()
    const token = await tokenOf(stage)
    await act(stage, { type: 'reject', taskId: 't1', reason })
    const before = stage.commits.length
    const answer = await act(stage, accept('t1'), { token })
    expect(answer).toMatchObject({ ok: false, code: 'STALE_CONTEXT' })
    expect(answer.changes?.newest.map(({ type }) => type)).toContain('task-rejected')
    expect(stage.commits).toHaveLength(before)
    expect(await act(stage, { type: 'note', text: 'seen' }, { token: answer.token ?? '' })).toMatchObject({ ok: true })
  })

  it('becomes stale by what the resume itself records', async () => {
    const stage = await unheld()
    await act(stage, accept('t1'))
    const token = await tokenOf(stage)
    await stage.answer('t2')
    const answer = await act(stage, dispatch('t3'), { token })
    expect(answer).toMatchObject({ ok: false, how: 'executed', code: 'STALE_CONTEXT' })
    expect(answer.changes?.newest.map(({ type }) => type)).toContain('receipt-received')
    expect(stage.of('dispatched').map(({ taskId }) => taskId)).toEqual(['t1', 't2'])
  })

  it('is stale once somebody else has taken the run up, even between the look at the log and the taking', async () => {
    const stage = await unheld()
    const token = await tokenOf(stage)
    const taking = stage.hold('leases.acquire')
    const acting = follow(actOnRun({ ...stage.process(), runId, command: accept('t1'), token }))
    await stage.clock.settle()
    expect(taking.held).toBe(1)
    stage.backend.intercept = () => 'go'
    await act(stage, { type: 'note', text: 'first' })
    taking.release()
    await stage.clock.settle()
    expect(acting.value).toMatchObject({ ok: false, code: 'STALE_CONTEXT' })
    expect(stage.of('task-accepted')).toEqual([])
  })

  it('is one for several commands, and each dispatch follows the one before', async () => {
    const stage = await unheld()
    await act(stage, accept('t1'))
    const acting = startActing({ ...stage.process(), runId, token: await tokenOf(stage) })
    for (const id of ['a', 'b']) expect(await stage.clock.run(acting.act(dispatch(id)))).toMatchObject({ ok: true })
    await stage.clock.run(acting.close())
    expect(stage.of('dispatched').map(({ taskId }) => taskId)).toEqual(['t1', 't2', 'a', 'b'])
  })

  it('does not let the next dispatch pass over what somebody else has handed out after the one before', async () => {
    const stage = await unheld()
    await act(stage, accept('t1'))
    const acting = startActing({ ...stage.process(), runId, token: await tokenOf(stage) })
    const isOut = () => stage.of('dispatched').some(({ taskId }) => taskId === 'a')
    let [held, release] = [0, () => {}]
    const released = new Promise<'go'>((resolve) => {
      release = () => resolve('go')
    })
    // Looking what has changed since.
    stage.intercept(({ port, method, phase }) => {
      if (port !== 'log' || method !== 'head' || phase !== 'before' || !isOut()) return 'go'
      held++
      return released
    })
    const first = follow(acting.act(dispatch('a')))
    await stage.clock.settle()
    expect(held).toBe(1)
    await stage.send('command', JSON.stringify(dispatch('other')))
    expect(stage.of('dispatched').map(({ taskId }) => taskId)).toContain('other')
    release()
    await stage.clock.settle()
    expect(first.value).toMatchObject({ ok: true })
    expect(await stage.clock.run(acting.act(dispatch('b')))).toMatchObject({ ok: false, code: 'STALE_CONTEXT' })
    await stage.clock.run(acting.close())
  })

  it('is given back as it was if the log cannot be read any more: what was decided stands', async () => {
    const stage = await unheld()
    const token = await tokenOf(stage)
    const isDone = () => stage.of('task-accepted').length > 0
    stage.intercept(({ port, method }) => (port === 'log' && method === 'head' && isDone() ? 'fail' : 'go'))
    expect(await act(stage, accept('t1'), { token })).toMatchObject({ ok: true, token, changes: null })
    expect(isDone()).toBe(true)
  })

  it('that is not of this run is refused before anything is taken', async () => {
    const stage = await unheld()
    const before = stage.commits.length
    await expect(act(stage, accept('t1'), { token: 'rct1.x.y' })).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
    expect(stage.commits).toHaveLength(before)
  })
})

describe('a run that somebody alive holds', () => {
  it('gets the command through its inbox, and its answer comes back', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ policy: { tasksMax: 3 } })
    await stage.clock.run(run.dispatch(request('known')))
    const answer = await act(stage, dispatch('known', 'a', 'b', 'c', 'd'))
    expect(answer).toMatchObject({
      ...{ ok: true, how: 'sent', cause: { seq: 1 } },
      report: { dispatched: ['a', 'b'], planned: [], known: ['known'] },
    })
    expect(answer.ok && answer.report.refused.map(({ taskId, rule }) => [taskId, rule])).toEqual([
      ['c', 'tasksMax'],
      ['d', 'tasksMax'],
    ])
    expect(await act(stage, dispatch('a', 'b'))).toMatchObject({ ok: true, report: { known: ['a', 'b'] } })
    expect(await act(stage, accept('a'))).toMatchObject({ ok: false, how: 'sent', code: 'NO_RECEIPT' })
    await expect(act(stage, accept('a'), { how: 'take' })).rejects.toMatchObject({ code: 'RUN_HELD' })
  })

  it('judges the token of a command, and what has changed is told', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const token = run.contextToken()
    expect(await act(stage, dispatch('a'), { token })).toMatchObject({ ok: true, how: 'sent' })
    const stale = await act(stage, dispatch('b'), { token, how: 'send' })
    expect(stale).toMatchObject({ ok: false, code: 'STALE_CONTEXT' })
    expect(await act(stage, dispatch('b'), { token: stale.token ?? '' })).toMatchObject({ ok: true })
  })

  it('need not answer: what is only sent stays in the inbox until somebody looks', async () => {
    const stage = await unheld()
    const pause: CommandInput = { type: 'pause', reason }
    expect(await act(stage, pause, { how: 'send', wait: false })).toMatchObject({ ok: true, version: null })
    await expect(act(stage, pause, { how: 'send', timeoutMs: 50 })).rejects.toMatchObject({ code: 'TIMEOUT' })
    expect(stage.of('paused')).toEqual([])
    const { run } = await stage.open()
    expect(run.status.status).toBe('paused')
  })

  it('may die before it has answered: the run is taken, and the command decided once', async () => {
    const stage = new RunStage()
    const { run, adapter } = await stage.open()
    stage.intercept(({ port, method, phase }) => {
      if (port === 'inbox' && method === 'send' && phase === 'after') adapter.kill()
      return 'go'
    })
    const answer = await act(stage, { type: 'note', text: 'heard' })
    expect(answer).toMatchObject({ ok: true, how: 'sent' })
    expect(stage.of('note-added')).toEqual([{ text: 'heard' }])
    expect(stage.events.at(-1)?.type).toBe('lock-released')
    expect(run.status.status).toBe('running')
  })
})

describe('who waits for an answer while the backend is away for a moment', () => {
  it('goes on waiting, and takes the run when it is back', async () => {
    const stage = new RunStage()
    const { adapter } = await stage.open()
    stage.intercept(({ port, method, phase }) => {
      if (port === 'inbox' && method === 'send' && phase === 'after') {
        adapter.kill()
        stage.spoil('leases.holders', 'fail', { times: 3 })
        stage.spoil('log.append', 'fail', { times: 2 })
      }
      return 'go'
    })
    expect(await act(stage, { type: 'note', text: 'heard' })).toMatchObject({ ok: true, how: 'sent' })
    expect(stage.of('note-added')).toEqual([{ text: 'heard' }])
  })

  it.each([['TIMEOUT'], ['ABORTED']])('waits no longer than was asked for while it takes the run: %s', async (code) => {
    const stage = new RunStage()
    const { adapter } = await stage.open()
    stage.intercept(({ port, method, phase }) => {
      if (port === 'inbox' && method === 'send' && phase === 'after') adapter.kill()
      return 'go'
    })
    // Not the first time, when it finds that somebody holds the run.
    const taking = stage.hold('leases.acquire', 'before', 1)
    const abort = new AbortController()
    const options = code === 'TIMEOUT' ? { timeoutMs: 5_000 } : { signal: abort.signal }
    const acting = follow(actOnRun({ ...stage.process(), runId, command: { type: 'note', text: 'heard' }, ...options }))
    await stage.clock.advance(4_500)
    expect(taking.held).toBe(1)
    if (code === 'ABORTED') abort.abort()
    // The opening that was begun is given its grace.
    await stage.clock.advance(16_000)
    expect(acting.error).toMatchObject({ code })
  })

  it('is told why the run cannot be taken up, if it never can', async () => {
    const stage = new RunStage()
    const { adapter } = await stage.open()
    stage.intercept(({ port, method, phase }) => {
      if (port === 'inbox' && method === 'send' && phase === 'after') {
        adapter.kill()
        const [first, ...others] = stage.backend.recordsOf(runId)
        const broken = { ...first!, text: first!.text.replace(goal, 'another') }
        stage.backend.runs.records.set(runId, [broken, ...others])
      }
      return 'go'
    })
    await expect(act(stage, { type: 'note', text: 'heard' })).rejects.toMatchObject({ code: 'LOG_CORRUPT' })
  })
})

describe('two who act at the same time', () => {
  it('are both heard, once each', async () => {
    const stage = await unheld()
    const note = (text: string) => actOnRun({ ...stage.process(), runId, command: { type: 'note', text } })
    const answers = await stage.clock.run(Promise.all([note('one'), note('two'), note('three')]))
    expect(answers.map(({ ok }) => ok)).toEqual([true, true, true])
    expect(
      stage
        .of('note-added')
        .map(({ text }) => text)
        .sort(),
    ).toEqual(['one', 'three', 'two'])
  })
})

describe('an acting process that is killed', () => {
  it('at any port call leaves all of its command in the log or nothing, and the next one goes on', async () => {
    let outcomes = ''
    for (let death = 1; ; death++) {
      const stage = await unheld()
      await stage.answer('t2')
      const token = await tokenOf(stage)
      const victim = stage.process()
      let calls = 0
      stage.intercept(({ pid }) => (pid === victim.runtime.pid && ++calls === death ? 'kill' : 'go'))
      const acting = follow(actOnRun({ ...victim, runId, command: dispatch('x', 'y') }))
      await stage.clock.settle()
      if (calls < death) {
        expect(acting.value).toMatchObject({ ok: true, report: { dispatched: ['x', 'y'] } })
        break
      }
      const taken = stage.of('dispatched').filter(({ taskId }) => 'xy'.includes(taskId)).length
      expect([0, 2]).toContain(taken)
      outcomes += taken
      // The same once more, by somebody who does not know what became of it.
      const again = await act(stage, dispatch('x', 'y'))
      expect(again).toMatchObject({ ok: true })
      expect(stage.of('dispatched').map(({ taskId }) => taskId)).toEqual(['t1', 't2', 'x', 'y'])
      expect(stage.of('receipt-received').map(({ receipt }) => receipt.taskId)).toEqual(['t1', 't2'])
      expect(await act(stage, accept('t1'), { token })).toMatchObject({ ok: false, code: 'STALE_CONTEXT' })
    }
    expect(outcomes).toMatch(/^0{5,}2{3,}$/)
  })
})

describe('opening a run for others', () => {
  it('opens it once, and lets it go; the same again only compares', async () => {
    const stage = new RunStage()
    const open = (options: { goal?: string } = {}) =>
      stage.clock.run(openOnce({ ...stage.process(), runId, goal, ...options }))
    const opened = await open()
    expect(opened).toMatchObject({ isNew: true, status: { status: 'running' } })
    const before = stage.commits.length
    expect(await open()).toMatchObject({ isNew: false, token: null })
    await expect(open({ goal: 'another' })).rejects.toMatchObject({ code: 'RUN_MISMATCH' })
    expect(stage.commits).toHaveLength(before)
    expect(await act(stage, dispatch('a'), { token: opened.token ?? '' })).toMatchObject({ ok: true })
  })

  it('does not disturb who holds it, and lets one of two open it', async () => {
    const stage = new RunStage()
    const open = () => openOnce({ ...stage.process(), runId, goal })
    const both = await stage.clock.run(Promise.all([open(), open()]))
    expect(both.map(({ isNew }) => isNew).sort()).toEqual([false, true])
    const { run } = await stage.open()
    expect(await stage.clock.run(open())).toMatchObject({ isNew: false })
    expect(run.signal.aborted).toBe(false)
  })
})
