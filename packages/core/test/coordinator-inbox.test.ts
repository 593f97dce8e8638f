import { describe, expect, it } from 'vitest'
import { type SendCommandOptions, sendCommand } from '../src/coordinator/send-command.js'
import type { CommandInput } from '../src/protocol/commands.js'
import { limits } from '../src/protocol/limits.js'
import { follow, RunStage, request, requests, runId } from './run-stage.js'

const send = (stage: RunStage, command: CommandInput, options: Partial<SendCommandOptions> = {}) =>
  stage.clock.run(sendCommand({ ...stage.outside, runId, command, ...options }))

describe('a command from outside', () => {
  it('is decided by the coordinator, and its sender sees the events that answer it', async () => {
    const stage = new RunStage()
    await stage.open()
    const sent = await send(stage, { type: 'dispatch', tasks: requests(2) })
    const answer = await stage.clock.run(sent.answer())
    expect(answer).toMatchObject({ ok: true, version: stage.commits.at(-1)?.version })
    expect(answer.events.map(({ type, cause }) => ({ type, cause }))).toEqual([
      { type: 'dispatched', cause: { ...sent.cause, more: true } },
      { type: 'dispatched', cause: sent.cause },
    ])
    expect(stage.queued).toEqual(['t1/1', 't2/1'])
  })

  it('whose decision takes several commits is answered by all of them, and goes on if a crash came in between', async () => {
    const stage = new RunStage()
    const { adapter } = await stage.open()
    const { length } = stage.commits
    const tasks = requests(2_500)
    const second = stage.hold('log.append', 'before', 1)
    const sent = await send(stage, { type: 'dispatch', tasks })
    const answer = follow(sent.answer())
    await stage.clock.settle()
    expect({ held: second.held, commits: stage.commits.length - length }).toEqual({ held: 1, commits: 1 })
    adapter.kill()
    second.release()
    await stage.clock.settle()
    expect({ commits: stage.commits.length - length, answered: answer.settled }).toEqual({
      commits: 1,
      answered: false,
    })
    const { run } = await stage.open({ takeover: 'now' })
    expect(run.status.counts).toMatchObject({ tasks: tasks.length, commandsRefused: 0 })
    expect(answer.value?.ok).toBe(true)
    const taken = answer.value?.events.map((event) => 'taskId' in event.data && event.data.taskId)
    expect(new Set(taken)).toEqual(new Set(tasks.map(({ taskId }) => taskId)))
    expect(taken).toHaveLength(tasks.length)
    expect(stage.backend.messagesOf(runId)).toEqual([])
  })

  it('is refused on record, with the code of the refusal', async () => {
    const stage = new RunStage()
    await stage.open()
    const sent = await send(stage, { type: 'accept', taskId: 'nobody' })
    const answer = await stage.clock.run(sent.answer())
    expect(answer).toMatchObject({ ok: false, events: [{ type: 'command-refused', data: { code: 'TASK_UNKNOWN' } }] })
  })

  it('that changes nothing is answered with NO_CHANGE', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.clock.run(run.dispatch(request('t1')))
    const commands: CommandInput[] = [
      { type: 'dispatch', tasks: [request('t1')] },
      { type: 'unpause', reason: 'x' },
    ]
    for (const command of commands) {
      const answer = await stage.clock.run((await send(stage, command)).answer())
      expect(answer).toMatchObject({ ok: false, events: [{ data: { code: 'NO_CHANGE', command: command.type } }] })
    }
  })

  it.each([
    { body: '{"type":', name: 'unreadable' },
    { body: '{"type":"explode"}', name: 'explode' },
    { body: '{"type":"note","text":"x","extra":1}', name: 'note' },
    { body: '[]', name: 'unknown' },
    { body: `{"type":"accept","taskId":"${'x'.repeat(9000)}"}`, name: 'accept' },
  ])('that is invalid is refused on record and taken off the inbox: $body', async ({ body, name }) => {
    const stage = new RunStage()
    await stage.open()
    await stage.send('command', body)
    expect(stage.of('command-refused')).toMatchObject([{ command: name, code: 'INVALID_INPUT' }])
    expect(stage.backend.messagesOf(runId)).toEqual([])
  })

  it('is decided once, however often it is delivered, also twice in one batch and after a crash', async () => {
    const stage = new RunStage()
    const first = await stage.open()
    const message = { sender: 'twice', seq: 1, kind: 'command' as const, body: '{"type":"note","text":"once"}' }
    const box = stage.backend.inboxes.of(runId)
    box.pending.push(message, { ...message })
    stage.spoil('inbox.ack', 'fail', { times: 3 })
    await stage.send('command', '{"type":"note","text":"other"}')
    await stage.clock.advance(1000)
    expect(stage.of('note-added')).toEqual([{ text: 'once' }, { text: 'other' }])
    first.adapter.kill()
    box.pending.push(message)
    await stage.open()
    expect(stage.of('note-added')).toHaveLength(2)
    expect(box.pending).toEqual([])
  })

  it('sent while nobody is home is decided after the gates of the next coordinator, in its order', async () => {
    const stage = new RunStage()
    await stage.close(await stage.open())
    const sent = await send(stage, { type: 'dispatch', tasks: [request('t1')] })
    await stage.send('command', '{"type":"note","text":"after it"}', 'late', 1)
    const answer = follow(sent.answer())
    await stage.clock.advance(1000)
    expect(answer.settled).toBe(false)
    await stage.open()
    expect(answer.value).toMatchObject({ ok: true })
    const types = stage.events.map(({ type }) => type)
    expect(types.lastIndexOf('resumed')).toBeLessThan(types.indexOf('dispatched'))
    expect(types.indexOf('dispatched')).toBeLessThan(types.indexOf('note-added'))
  })

  it('can pause, unpause and end the run', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.send('command', '{"type":"pause","reason":"lunch"}')
    expect(run.status).toMatchObject({ status: 'paused', reason: 'lunch' })
    await stage.send('command', '{"type":"unpause","reason":"back"}')
    await stage.send('command', '{"type":"complete","summary":"done"}')
    expect(run.status.status).toBe('complete')
    expect(run.signal.aborted).toBe(true)
  })

  it('that comes behind the one that ends the run is told so instead of being waited for', async () => {
    const stage = new RunStage()
    await stage.close(await stage.open())
    await stage.send('command', '{"type":"complete","summary":"done"}', 'first', 1)
    const sent = await send(stage, { type: 'note', text: 'too late' })
    const answer = follow(sent.answer())
    await stage.open()
    await stage.clock.settle()
    expect(answer.error).toMatchObject({ code: 'RUN_CLOSED' })
  })
})

describe('sendCommand', () => {
  it('refuses what cannot be decided before anything is sent', async () => {
    const stage = new RunStage()
    const note = { type: 'note', text: 'x' } as const
    await expect(send(stage, note, { runId: '..' })).rejects.toMatchObject({ code: 'INVALID_ID' })
    await expect(send(stage, note)).rejects.toMatchObject({ code: 'RUN_UNKNOWN' })
    const { run } = await stage.open()
    await expect(send(stage, { type: 'explode' } as never)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(send(stage, { type: 'note', text: '' })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    const tasks = [request('t1', { input: 'x'.repeat(limits.messageBytesMax) })]
    await expect(send(stage, { type: 'dispatch', tasks })).rejects.toMatchObject({ code: 'TOO_LARGE' })
    await stage.clock.run(run.complete('done'))
    await expect(send(stage, note)).rejects.toMatchObject({ code: 'RUN_CLOSED' })
    expect(stage.calls).not.toContain('inbox.send')
  })

  it('says TIMEOUT when nobody answers in time, and ABORTED when the signal aborts, before or during the wait', async () => {
    const stage = new RunStage()
    await stage.close(await stage.open())
    const sent = await send(stage, { type: 'note', text: 'x' })
    await expect(stage.clock.run(sent.answer({ timeoutMs: 500 }))).rejects.toMatchObject({ code: 'TIMEOUT' })
    await expect(stage.clock.run(sent.answer({ signal: AbortSignal.abort() }))).rejects.toMatchObject({
      code: 'ABORTED',
    })
    const ending = new AbortController()
    const waiting = follow(sent.answer({ signal: ending.signal }))
    await stage.clock.advance(100)
    ending.abort()
    await stage.clock.settle()
    expect(waiting.error).toMatchObject({ code: 'ABORTED' })
    await stage.open()
    expect(await stage.clock.run(sent.answer())).toMatchObject({ ok: true })
  })
})
