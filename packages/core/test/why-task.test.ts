import { describe, expect, it } from 'vitest'
import { sendCommand } from '../src/coordinator/send-command.js'
import type { RepriseError } from '../src/protocol/errors.js'
import type { TaskId } from '../src/protocol/ids.js'
import { settledOutcome } from '../src/protocol/state.js'
import { taskDetails, taskDetailsSchema } from '../src/replay/task-details.js'
import { whyTask } from '../src/replay/why-task.js'
import { histories, runOf } from './any-history.js'
import { checkProperty } from './property-run.js'
import { RunStage, request, requests, runId } from './run-stage.js'
import { busyWorker, codesOf, shownBy, stageOf, whyTaskOf } from './why-stage.js'

const begin = async (policy: object = {}, tasks = [request('t1')]) => {
  const stage = new RunStage()
  const holding = await stage.open({ policy })
  if (tasks.length > 0) await stage.clock.run(holding.run.dispatch(tasks))
  return { stage, ...holding }
}

const broken = { status: 'failed', output: null, error: { message: 'no\ndisk' } } as const
const always = 'has an answer, whether the run has the task or not'
const giveUp = (taskId: string, type: 'cancel' | 'abandon' = 'abandon') => ({ type, taskId, reason: 'not\nwanted' })

describe('why a task is where it is', () => {
  it('is refused for ids that are none and a run that there is not; a task that there is not is an answer', async () => {
    const { stage } = await begin()
    const codeOf = (run: string, task: string) =>
      stage.clock.run(
        whyTask({ ...stage.outside, runId: run, taskId: task }).catch((error: RepriseError) => error.code),
      )
    expect([await codeOf('no id', 't1'), await codeOf(runId, ''), await codeOf('run-9', 't1')]).toEqual([
      ...['INVALID_ID', 'INVALID_ID', 'RUN_UNKNOWN'],
    ])
    const why = await whyTaskOf(stage, 't9')
    expect(why).toMatchObject({
      place: 'not-there',
      verdict: 'not-there',
      acknowledgement: null,
      moments: { total: 0 },
    })
    expect(codesOf(why.chain)).toEqual(['never-came'])
  })

  it('tells its history event by event: dispatches, receipts that a gate refused, failures, expiries, retries', async () => {
    const { stage } = await begin({ attemptsMax: 3, attemptTimeoutMs: 5_000, retryBackoffMs: 1 })
    await stage.answer('t1', { artifacts: [{ name: 'a', path: 'nowhere', sha256: '0'.repeat(64), bytes: 1 }] })
    await stage.answer('t1', broken)
    await stage.clock.advance(10)
    await stage.clock.advance(60_000)
    const why = await whyTaskOf(stage, 't1')
    expect(why.moments.told.map(({ type }) => type)).toEqual([
      ...['dispatched', 'receipt-rejected', 'receipt-received', 'task-rejected', 'planned', 'dispatched'],
      ...['attempt-expired', 'planned', 'dispatched', 'attempt-expired'],
    ])
    for (const { version, type } of why.moments.told) expect(stage.events[version - 1]?.type).toBe(type)
    expect(why.moments.told[1]?.text).toMatch(/gate artifacts/)
    expect([why.place, why.verdict, ...codesOf(why.chain)]).toEqual(['stopped', 'act', 'stopped'])
    expect(why.acknowledgement?.refused).toMatchObject({ total: 1, newest: [{ gate: 'artifacts' }] })
  })

  it('keeps the first moments and the newest of a task of which there are many', async () => {
    const { stage } = await begin({}, [request('t1')])
    for (let i = 0; i < 100; i++) await stage.answer('t1', { dispatchDigest: 'f'.repeat(64) })
    const { moments } = await whyTaskOf(stage, 't1')
    expect(moments.total).toBe(101)
    expect(moments.told.length).toBe(64)
    expect(moments.told[0]?.type).toBe('dispatched')
    expect(moments.told.at(-1)?.version).toBe(stage.events.length)
  })

  it('names the first missing link of its newest attempt as taskChain does', async () => {
    const { stage } = await begin()
    await busyWorker(stage)
    const why = await whyTaskOf(stage, 't1')
    expect([why.verdict, ...codesOf(why.chain)]).toEqual(['wait', 'working'])
    expect(why.acknowledgement?.firstMissing?.link).toBe('receipt-sent')
  })

  it('names the receipt and the event by which it was accepted', async () => {
    const { stage, run } = await begin()
    await stage.answer('t1')
    await stage.clock.run(run.execute({ type: 'accept', taskId: 't1' }))
    const why = await whyTaskOf(stage, 't1')
    expect([why.place, why.verdict]).toEqual(['accepted', 'settled'])
    expect(shownBy(stage, why.chain[0])).toEqual(['receipt-received', 'task-accepted'])
    expect(why.chain[0]?.text).toMatch(/with the receipt of attempt 1, from worker worker-1$/)
  })

  it('follows a task that was cancelled with those that it needed to the one that somebody gave up', async () => {
    const chain = Array.from({ length: 40 }, (_, i) => request(`t${i}`, i === 0 ? {} : { after: [`t${i - 1}`] }))
    const { stage, run } = await begin({}, chain)
    await stage.clock.run(run.execute(giveUp('t0')))
    const { chain: near } = await whyTaskOf(stage, 't2')
    expect(near.map(({ code, taskId }) => [code, taskId])).toEqual([
      ['cancelled', 't2'],
      ['cancelled', 't1'],
      ['abandoned', 't0'],
    ])
    expect(near.map((reason) => shownBy(stage, reason)[0])).toEqual([
      'task-cancelled',
      'task-cancelled',
      'task-abandoned',
    ])
    expect(near[2]).toMatchObject({ remedy: `reprise why ${runId} t0`, text: expect.stringMatching(/: not\\nwanted$/) })
    const { chain: far } = await whyTaskOf(stage, 't39')
    expect(far.length).toBe(17)
    expect(far.at(-1)).toMatchObject({
      code: 'abandoned',
      taskId: 't0',
      text: expect.stringMatching(/23 more tasks in between/),
    })
  })

  it('is not led astray by a reason that somebody has written like ours', async () => {
    const { stage, run } = await begin({}, requests(2))
    await stage.clock.run(run.execute({ ...giveUp('t1'), reason: 'it needs t1, which is given up' }))
    await stage.clock.run(run.execute({ ...giveUp('t2'), reason: 'it needs t9, which is given up' }))
    expect(codesOf((await whyTaskOf(stage, 't1')).chain)).toEqual(['abandoned'])
    expect(codesOf((await whyTaskOf(stage, 't2')).chain)).toEqual(['abandoned'])
  })

  it('says how the newest attempt of a task had ended that somebody gave up', async () => {
    const { stage, run } = await begin({ attemptsMax: 1 })
    await stage.answer('t1', broken)
    await stage.clock.run(run.execute(giveUp('t1')))
    const why = await whyTaskOf(stage, 't1')
    expect([why.verdict, ...codesOf(why.chain)]).toEqual(['settled', 'abandoned', 'stopped'])
    expect(why.chain[1]).toMatchObject({ name: 'rejected', needs: 'nothing', text: expect.stringMatching(/no\\ndisk/) })
    expect(shownBy(stage, why.chain[1])).toEqual(['dispatched', 'receipt-received', 'task-rejected'])
  })

  it('says that the run is over of a task that was open when it failed', async () => {
    const { stage, run } = await begin()
    await stage.clock.run(run.execute({ type: 'fail', reason: 'enough' }))
    const why = await whyTaskOf(stage, 't1')
    expect([why.verdict, ...codesOf(why.chain)]).toEqual(['settled', 'closed'])
  })
})

describe('a task that a run does not have', () => {
  it('was kept out by a rule, with its limit and the value then', async () => {
    const { stage, run } = await begin({ tasksMax: 2 }, [])
    await expect(stage.clock.run(run.dispatch(requests(4)))).rejects.toMatchObject({ code: 'SPAWN_REFUSED' })
    const why = await whyTaskOf(stage, 't3')
    expect(why.chain[0]).toMatchObject({
      code: 'kept-out',
      name: 'tasksMax',
      text: expect.stringMatching(/tasksMax is 2, and the run stood at 2$/),
    })
    expect(shownBy(stage, why.chain[0])).toEqual(['spawn-refused'])
    // The event names the first of those that it stands for.
    const after = await whyTaskOf(stage, 't4')
    expect(after.chain[0]).toMatchObject({ code: 'kept-out', text: expect.stringMatching(/may be among the 1 tasks/) })
  })

  it('is asked for by a receipt, which waits for a decision', async () => {
    const { stage } = await begin()
    await stage.answer('t1', { spawnRequests: [{ taskId: 't9', kind: 'count', input: {} }] } as never)
    await stage.clock.advance(6_000)
    const why = await whyTaskOf(stage, 't9')
    expect(codesOf(why.chain)).toEqual(['asked-for', 'received'])
    expect(shownBy(stage, why.chain[0])).toEqual(['receipt-received'])
  })

  it('is asked for by a command in the inbox, which nobody takes in', async () => {
    const { stage, ...holding } = await begin()
    await stage.close(holding)
    const round = {
      type: 'round' as const,
      decide: [{ type: 'dispatch' as const, tasks: [request('t9')] }],
      summary: 's',
    }
    await stage.clock.run(sendCommand({ ...stage.outside, runId, command: round }))
    expect(codesOf((await whyTaskOf(stage, 't9')).chain)).toEqual(['command-waiting', 'no-holder'])
    expect(codesOf((await whyTaskOf(stage, 't8')).chain)).toEqual(['never-came'])
    await stage.open()
    expect((await whyTaskOf(stage, 't9')).place).toBe('out')
  })
})

describe('the details of a task', () => {
  const detailsOf = async (stage: RunStage, taskId: string) =>
    taskDetailsSchema.parse(await stage.clock.run(taskDetails({ ...stage.outside, runId, taskId })))

  it('have what was asked for, every attempt with its events, and the newest receipt whole', async () => {
    const options = { after: ['t0'], owner: 'ann', returns: 'a number', priority: 7, traceId: 'trace-1' }
    const { stage, run } = await begin({ retryBackoffMs: 1 }, [request('t0'), request('t1', options)])
    await stage.answer('t0')
    await stage.clock.run(run.execute({ type: 'accept', taskId: 't0' }))
    await stage.clock.settle()
    await stage.answer('t1', broken)
    await stage.clock.advance(10)
    const output = { lines: 1, text: 'x'.repeat(10_000) }
    await stage.answer('t1', { output, usage: { durationMs: 3, tokens: 4 } })
    const found = await detailsOf(stage, 't1')
    expect(found.spec).toMatchObject({
      owner: 'ann',
      returns: 'a number',
      priority: 7,
      traceId: 'trace-1',
      input: { path: 't1' },
    })
    expect(found.spec.after).toEqual([{ taskId: 't0', place: 'accepted' }])
    expect(found.receipt).toMatchObject({ attempt: 2, output, usage: { durationMs: 3, tokens: 4, costUsd: null } })
    expect(found.attempts.map(({ attempt, ended }) => [attempt, ended?.how ?? null])).toEqual([
      [1, 'rejected'],
      [2, null],
    ])
    const [one] = found.attempts
    expect(
      [one?.planned, one?.dispatched, one?.receipt, one?.ended].map(
        (mark) => stage.events[(mark?.version ?? 0) - 1]?.type,
      ),
    ).toEqual([...['planned', 'dispatched', 'receipt-received', 'task-rejected']])
    expect(found.acknowledgement?.firstMissing?.link).toBe('settled')
  })

  it('are refused for a task that the run does not have, with the command that says why not', async () => {
    const { stage } = await begin()
    await expect(detailsOf(stage, "t 9'")).rejects.toMatchObject({
      code: 'TASK_UNKNOWN',
      message: expect.stringContaining(`reprise why ${runId} 't 9'\\'''`),
    })
  })
})

describe('why a task of any run', () => {
  it(always, () =>
    checkProperty(always, 'packages/core/test/why-task.test.ts', histories, async (steps) => {
      const run = runOf(steps)
      const stage = stageOf(run)
      for (const taskId of ['a', 'b', 'i', 'z'] as TaskId[]) {
        const why = await whyTaskOf(stage, taskId)
        const packed = run.state.settled.get(taskId)
        const outcome = packed === undefined ? 'not-there' : settledOutcome(packed)
        expect(why.place).toBe(run.state.tasks.get(taskId)?.phase ?? outcome)
        expect(why.chain.length).toBeGreaterThan(0)
        for (const reason of why.chain) {
          const about = shownBy(stage, reason)
          expect(about).not.toContain(undefined)
        }
        for (const { version, type } of why.moments.told) expect(stage.events[version - 1]?.type).toBe(type)
      }
    }),
  )
})
