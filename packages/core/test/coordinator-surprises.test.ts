import { describe, expect, it } from 'vitest'
import { loadRun, verifyRun } from '../src/coordinator/load-run.js'
import type { Run } from '../src/coordinator/run.js'
import { sendCommand } from '../src/coordinator/send-command.js'
import { TaskResult } from '../src/coordinator/task-result.js'
import { genesisHash } from '../src/log/commit-record.js'
import type { CommandInput } from '../src/protocol/commands.js'
import type { RunId } from '../src/protocol/ids.js'
import { follow, goal, RunStage, request, requests, runId } from './run-stage.js'

const note = (text: string): CommandInput => ({ type: 'note', text })
const send = (stage: RunStage, command: CommandInput) => sendCommand({ ...stage.outside, runId, command })

/** The task ids that a reader is handed, in order. */
async function idsOf(run: Run, each: (result: TaskResult) => Promise<void>) {
  const seen: string[] = []
  for await (const result of run.results()) {
    seen.push(result.taskId)
    await each(result)
  }
  return seen
}

describe('a log that was copied to the name of another run', () => {
  const copy = 'run-copy' as RunId
  async function copied() {
    const stage = new RunStage()
    await stage.close(await stage.open())
    stage.backend.runs.records.set(copy, [...stage.backend.recordsOf(runId)])
    stage.calls.length = 0
    return stage
  }
  const mismatch = { code: 'RUN_MISMATCH', details: { runId: copy, found: runId } }

  it('is refused by openRun before anything is touched', async () => {
    const stage = await copied()
    await expect(stage.open({ runId: copy })).rejects.toMatchObject(mismatch)
    expect(stage.calls.filter((call) => !call.startsWith('log.read'))).toEqual([])
    expect(stage.backend.recordsOf(copy)).toEqual(stage.backend.recordsOf(runId))
  })

  it('is refused by loadRun and verifyRun', async () => {
    const { outside } = await copied()
    await expect(loadRun(outside.adapter.log, copy)).rejects.toMatchObject(mismatch)
    await expect(verifyRun(outside.adapter.log, copy)).rejects.toMatchObject(mismatch)
  })
})

describe('a run that is not there', () => {
  it('is RUN_UNKNOWN for verifyRun, and has no commits for loadRun', async () => {
    const { outside } = new RunStage()
    await expect(verifyRun(outside.adapter.log, runId)).rejects.toMatchObject({ code: 'RUN_UNKNOWN' })
    expect(await loadRun(outside.adapter.log, runId)).toMatchObject({ commits: 0, head: genesisHash })
  })
})

describe('an error of openRun before the first gate is on record', () => {
  it('names log-integrity for a log that is corrupt', async () => {
    const stage = new RunStage()
    await stage.close(await stage.open())
    stage.backend.runs.records.set(runId, stage.backend.recordsOf(runId).slice(1))
    await expect(stage.open()).rejects.toMatchObject({
      code: 'LOG_CORRUPT',
      details: { gate: 'log-integrity', index: 0 },
    })
  })

  it('names upcast for a log that is too new', async () => {
    const stage = new RunStage()
    await stage.close(await stage.open())
    stage.append([{ type: 'run-dreamt', v: 1, data: {} }], 'later', 2)
    await expect(stage.open()).rejects.toMatchObject({ code: 'LOG_TOO_NEW', details: { gate: 'upcast' } })
  })

  it('names lease for a run that is held', async () => {
    const stage = new RunStage()
    await stage.open()
    await expect(stage.open()).rejects.toMatchObject({ code: 'RUN_HELD', details: { gate: 'lease', runId } })
  })

  it('names lock when others append before every try to take over', async () => {
    const stage = new RunStage()
    await stage.close(await stage.open())
    stage.intercept(({ method, phase }) => {
      if (method === 'append' && phase === 'before')
        stage.append([{ type: 'note-added', v: 1, data: { text: 'x' } }], 'zombie', 2)
      return 'go'
    })
    const error: unknown = await stage.open().catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      code: 'LOCK_LOST',
      details: { gate: 'lock' },
      cause: { code: 'VERSION_CONFLICT' },
    })
    expect((error as Error).message).toMatch(/taken over/)
  })

  it('is ADAPTER_UNAVAILABLE when the lease is not answered, and a lease that comes after all is given back', async () => {
    const stage = new RunStage()
    const held = stage.hold('leases.acquire', 'after')
    const opening = follow(stage.opening())
    await stage.clock.advance(30_000)
    expect(opening.error).toMatchObject({ code: 'ADAPTER_UNAVAILABLE' })
    expect(stage.backend.leases.held.size).toBe(1)
    held.release()
    await stage.clock.settle()
    expect(stage.backend.leases.held.size).toBe(0)
  })
})

describe('a result that was overtaken', () => {
  it('by a new attempt of its task is handed to nobody any more', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.clock.run(run.dispatch(request('t1')))
    await stage.answer('t1')
    await stage.clock.run(run.reject('t1', 'wrong'))
    await stage.clock.run(run.dispatch(request('t1')))
    expect(stage.queued).toContain('t1/2')
    const next = follow(run.results().next())
    await stage.clock.settle()
    expect(next.settled).toBe(false)
    await stage.answer('t1')
    expect(next.value?.value).toMatchObject({ attempt: 2, status: 'completed' })
  })

  it('cannot abandon the attempt that came after it', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.clock.run(run.dispatch(request('t1')))
    await stage.answer('t1')
    await stage.clock.run(run.reject('t1', 'wrong'))
    const { value } = await stage.clock.run(run.results().next())
    await stage.clock.run(run.retry('t1', 'once more'))
    await stage.clock.advance(2000)
    await expect(stage.clock.run((value as TaskResult).abandon('old news'))).rejects.toMatchObject({
      code: 'ATTEMPT_SUPERSEDED',
    })
    expect(run.status.counts.out).toBe(1)
    await stage.clock.run(run.abandon('t1', 'whatever attempt it is'))
  })

  it('by an operator who settled it meanwhile is left out', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.clock.run(run.dispatch(requests(3)))
    for (const id of ['t1', 't2', 't3']) await stage.answer(id)
    const reading = idsOf(run, async (result) => {
      if (result.taskId === 't1') await run.cancel('t3', 'not wanted')
      await result.accept()
    })
    expect(await stage.clock.run(reading)).toEqual(['t1', 't2'])
  })

  it('does not say completed when its receipt failed', () => {
    const receipt = { status: 'failed', error: { message: 'no luck' } }
    const task = { spec: request('t1'), phase: 'received', attempt: 1, receipt, stopReason: null }
    const result = new TaskResult(task as never, async () => {})
    expect(result).toMatchObject({ status: 'stopped', reason: 'no luck' })
  })
})

describe('results that are skipped', () => {
  async function stopped(stage: RunStage) {
    const { run } = await stage.open()
    await stage.clock.run(run.dispatch([request('t1', { attemptsMax: 1 }), request('t2', { after: ['t1'] })]))
    await stage.answer('t1', { status: 'failed', output: null })
    return run
  }

  it('while another task waits for one of them end the reading, for nothing can move by itself', async () => {
    const stage = new RunStage()
    const run = await stopped(stage)
    expect(await stage.clock.run(idsOf(run, async () => {}))).toEqual(['t1'])
    expect(run.status.counts).toMatchObject({ planned: 1, stopped: 1 })
  })

  it('by one reader do not end it while another one may still settle them', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.clock.run(run.dispatch([request('t1'), request('t2', { after: ['t1'] })]))
    await stage.answer('t1')
    let accept = () => {}
    const evaluated = new Promise<void>((resolve) => {
      accept = resolve
    })
    const skipping = follow(idsOf(run, async () => {}))
    const settling = follow(idsOf(run, (result) => evaluated.then(() => result.accept())))
    await stage.clock.settle()
    expect(skipping.settled).toBe(false)
    accept()
    await stage.clock.settle()
    await stage.answer('t2')
    await stage.clock.runUntil(() => skipping.settled && settling.settled)
    expect([skipping.value, settling.value]).toEqual([
      ['t1', 't2'],
      ['t1', 't2'],
    ])
  })

  it('do not end it while the run is paused', async () => {
    const stage = new RunStage()
    const run = await stopped(stage)
    await stage.clock.run(run.pause('lunch'))
    const reading = follow(idsOf(run, async () => {}))
    await stage.clock.advance(60_000)
    expect(reading.settled).toBe(false)
    await stage.clock.run(run.unpause('back'))
    await stage.clock.settle()
    expect(reading.value).toEqual(['t1'])
  })
})

describe('the tasks that a receipt asks for', () => {
  it('name their parent, so that ten generations end where depthMax says', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ policy: { depthMax: 2 } })
    await stage.clock.run(run.dispatch(request('t')))
    const generations = async () => {
      for await (const result of run.results()) {
        await run.dispatch(result.spawnRequests)
        await result.accept()
      }
    }
    const walking = follow(generations())
    for (let depth = 0, taskId = 't'; depth < 10 && !walking.settled; depth++, taskId += '/t') {
      await stage.answer(taskId, { spawnRequests: [request(`${taskId}/t`)] as never })
    }
    expect(walking.error).toMatchObject({
      code: 'SPAWN_REFUSED',
      details: { refused: [{ taskId: 't/t/t/t', rule: 'depthMax', limit: 2, value: 3 }] },
    })
    expect(stage.of('dispatched').map(({ taskId }) => taskId)).toEqual(['t', 't/t', 't/t/t'])
  })
})

describe('commands that one process sends', () => {
  it('come from one sender, in the order of the calls, and each is answered by its own events', async () => {
    const stage = new RunStage()
    await stage.open()
    const texts = Array.from({ length: 20 }, (_, i) => `n${i}`)
    const first = stage.hold('log.head')
    const sending = Promise.all(texts.map((text) => send(stage, note(text))))
    await stage.clock.settle()
    first.release()
    const sent = await stage.clock.run(sending)
    const answers = await stage.clock.run(Promise.all(sent.map((each) => each.answer())))
    expect(answers.map(({ events }) => events.map(({ data }) => data))).toEqual(texts.map((text) => [{ text }]))
    expect(stage.of('note-added').map(({ text }) => text)).toEqual(texts)
    expect(sent.map(({ cause }) => cause.seq)).toEqual(texts.map((_, i) => i + 1))
    const { state } = await loadRun(stage.outside.adapter.log, runId)
    expect([...state.senders.values()]).toMatchObject([{ next: 21 }])
  })

  it('are each told in their turn that the run has ended, whatever is still on its way', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    const held = stage.hold('inbox.send')
    const first = follow(send(stage, note('on its way')))
    await stage.clock.settle()
    await stage.clock.run(run.complete('done'))
    const late = follow(send(stage, note('too late')))
    await stage.clock.advance(1000)
    expect(late.settled).toBe(false)
    held.release()
    await stage.clock.settle()
    expect([first.settled, late.error]).toMatchObject([true, { code: 'RUN_CLOSED' }])
  })

  it('go on under a new name after one could not be sent', async () => {
    const stage = new RunStage()
    await stage.open()
    const before = await stage.clock.run(send(stage, note('a')))
    stage.spoil('inbox.send', 'fail')
    await expect(stage.clock.run(send(stage, note('b')))).rejects.toMatchObject({ code: 'ADAPTER_UNAVAILABLE' })
    const after = await stage.clock.run(send(stage, note('c')))
    expect(await stage.clock.run(after.answer())).toMatchObject({ ok: true, events: [{ data: { text: 'c' } }] })
    expect(after.cause.seq).toBe(1)
    expect(after.cause.sender).not.toBe(before.cause.sender)
  })

  it('are told CLOSED, not TIMEOUT, when their adapter is closed while they wait', async () => {
    const stage = new RunStage()
    await stage.close(await stage.open({ goal }))
    const sent = await stage.clock.run(send(stage, note('x')))
    const answer = follow(sent.answer())
    await stage.clock.settle()
    await stage.clock.run(stage.outside.adapter.close())
    await stage.clock.settle()
    expect(answer.error).toMatchObject({ code: 'CLOSED', details: { cause: sent.cause } })
  })
})
