import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { resumeGates } from '../src/protocol/events.js'
import { defineTask } from '../src/worker/define-task.js'
import { follow, RunStage, request, requests, runId } from './run-stage.js'

describe('taking a run up again', () => {
  it('records receipts that arrived meanwhile before the gates are passed and before any new dispatch', async () => {
    const stage = new RunStage()
    const first = await stage.open({ policy: { inFlightMax: 2 } })
    await stage.clock.run(first.run.dispatch(requests(4)))
    first.adapter.kill()
    await stage.answer('t1')
    await stage.answer('t2')
    const { run } = await stage.open()
    const types = stage.events.map(({ type }) => type)
    const since = types.lastIndexOf('lock-acquired')
    expect(types.slice(since)).toEqual([
      'lock-acquired',
      'mode-changed',
      'receipt-received',
      'receipt-received',
      'resumed',
      'mode-changed',
      'mode-changed',
      'dispatched',
      'dispatched',
      'mode-changed',
    ])
    expect(
      stage
        .of('resumed')
        .at(-1)
        ?.gates.find(({ gate }) => gate === 'receipts-pending')?.evidence,
    ).toMatch(/^2 receipts/)
    expect(run.status).toMatchObject({ mode: 'evaluating', counts: { received: 2, out: 2 } })
  })

  it('plans what others ask for while returned work is still unread behind it, and lets it out right after', async () => {
    const stage = new RunStage()
    const first = await stage.open()
    await stage.clock.run(first.run.dispatch(request('t1')))
    first.adapter.kill()
    await stage.send('command', JSON.stringify({ type: 'dispatch', tasks: [request('new')] }))
    // More than an inbox hands over at once.
    for (let i = 1; i <= 70; i++) await stage.send('command', JSON.stringify({ type: 'note', text: `note ${i}` }))
    await stage.answer('t1')
    await stage.open()
    const since = stage.events.findLastIndex(({ type }) => type === 'resumed')
    const work = ['planned', 'receipt-received', 'dispatched']
    expect(stage.events.slice(since).flatMap(({ type }) => (work.includes(type) ? [type] : []))).toEqual(work)
    expect(stage.of('planned')).toMatchObject([{ taskId: 'new', why: 'evaluate-first' }])
  })

  it('records every gate in order with its evidence, once per epoch', async () => {
    const stage = new RunStage()
    await stage.close(await stage.open())
    await stage.close(await stage.open())
    for (const { gates } of stage.of('resumed')) {
      expect(gates.map(({ gate }) => gate)).toEqual(resumeGates)
      expect(gates.every(({ pass, evidence }) => pass && evidence.length > 0)).toBe(true)
    }
    expect(stage.of('resumed')).toHaveLength(2)
  })

  it('stops at a gate that does not pass, on record, lets the lease go, and dispatches nothing', async () => {
    const stage = new RunStage()
    const first = await stage.open()
    await stage.clock.run(first.run.dispatch(request('t1')))
    await stage.close(first)
    const held = stage.hold('inbox.receive')
    const opening = follow(stage.opening({ resumeTimeoutMs: 3000 }))
    await stage.clock.advance(30_000)
    expect(opening.error).toMatchObject({ code: 'GATE_FAILED', details: { gate: 'receipts-pending' } })
    const { gates } = stage.of('resumed').at(-1)!
    expect(gates.at(-1)).toMatchObject({ gate: 'receipts-pending', pass: false })
    expect(stage.events.at(-1)?.type).toBe('resumed')
    held.release()
    const { run } = await stage.open()
    expect(run.status).toMatchObject({ mode: 'awaiting', counts: { out: 1 } })
  })

  it('says TIMEOUT, and blames no gate, when all have passed and the inbox is not read to its end', async () => {
    const stage = new RunStage()
    const first = await stage.open()
    await stage.clock.run(first.run.dispatch(request('t1')))
    first.adapter.kill()
    stage.backend.lanes.attempts.clear()
    for (let i = 1; i <= 70; i++) await stage.send('command', JSON.stringify({ type: 'note', text: `note ${i}` }))
    const held = stage.hold('inbox.ack')
    await expect(stage.open({ resumeTimeoutMs: 3_000 })).rejects.toMatchObject({
      code: 'TIMEOUT',
      details: { runId },
      message: expect.stringMatching(/^All resume gates of run run-1 have passed.*What was out has been offered again/),
    })
    expect(
      stage
        .of('resumed')
        .at(-1)
        ?.gates.every(({ pass }) => pass),
    ).toBe(true)
    expect(stage.queued).toEqual(['t1/1'])
    held.release()
    const { run } = await stage.open()
    expect(run.status.mode).toBe('awaiting')
    expect(stage.of('note-added')).toHaveLength(70)
  })

  it('stops before it touches a log that does not verify', async () => {
    const stage = new RunStage()
    await stage.close(await stage.open())
    const records = [...stage.backend.recordsOf(runId)]
    const [first] = records
    records[0] = { ...first!, text: first!.text.replace('count every line', 'count every lime') }
    stage.backend.runs.records.set(runId, records)
    await expect(stage.open()).rejects.toMatchObject({ code: 'LOG_CORRUPT', details: { index: 0 } })
    expect(stage.backend.recordsOf(runId)).toEqual(records)
    expect(stage.backend.leases.held.size).toBe(0)
  })

  it('refuses a log with events of a later library, and appends nothing', async () => {
    const stage = new RunStage()
    await stage.close(await stage.open())
    stage.append([{ type: 'teleported', v: 1, data: {} }], 'later', 2)
    const { length } = stage.commits
    await expect(stage.open()).rejects.toMatchObject({ code: 'LOG_TOO_NEW' })
    expect(stage.commits).toHaveLength(length)
  })

  it('survives three crashes inside the recovery itself', async () => {
    const stage = new RunStage()
    const first = await stage.open()
    await stage.clock.run(first.run.dispatch(requests(3)))
    await stage.answer('t1')
    first.adapter.kill()
    for (const method of ['log.append', 'inbox.ack', 'queue.offer']) {
      stage.spoil(method, 'kill', { phase: 'after' })
      const dying = follow(stage.opening())
      await stage.clock.advance(2000)
      if (method !== 'queue.offer') expect(dying.settled).toBe(false)
    }
    const { run } = await stage.open()
    expect(run.status.counts).toMatchObject({ tasks: 3, received: 1, out: 2 })
    expect(stage.of('receipt-received')).toHaveLength(1)
  })

  it('checks outputs by the schemas of its tasks, also those that arrived meanwhile', async () => {
    const stage = new RunStage()
    const count = defineTask('count', { input: z.unknown(), output: z.object({ words: z.number() }) })
    const first = await stage.open()
    await stage.clock.run(first.run.dispatch(request('t1')))
    first.adapter.kill()
    await stage.answer('t1')
    await stage.open({ tasks: [count] })
    expect(stage.of('receipt-rejected')).toMatchObject([{ gate: 'output-schema', taskId: 't1' }])
  })

  it('does not offer again an attempt whose receipt is recorded', async () => {
    const stage = new RunStage()
    const first = await stage.open()
    await stage.clock.run(first.run.dispatch(requests(2)))
    await stage.answer('t1')
    first.adapter.kill()
    stage.backend.lanes.attempts.clear()
    await stage.open()
    expect(stage.queued).toEqual(['t2/1'])
  })
})
