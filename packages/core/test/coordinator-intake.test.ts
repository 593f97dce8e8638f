import { describe, expect, it } from 'vitest'
import { CommitPipeline } from '../src/coordinator/commit-pipeline.js'
import { takeIn } from '../src/coordinator/inbox-intake.js'
import { loadRun } from '../src/coordinator/load-run.js'
import { RepriseError } from '../src/protocol/errors.js'
import type { Artifact } from '../src/protocol/receipt.js'
import { follow, RunStage, request, requests, runId } from './run-stage.js'

async function* chunks(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('seven lines')
}

/** What a worker has stored. */
async function artifactOn(stage: RunStage): Promise<Artifact> {
  return { name: 'report', ...(await stage.clock.run(stage.outside.adapter.artifacts.put(chunks(), 1024))) }
}

describe('a run that is taken up again with a full inbox', () => {
  it('says in its log how many receipts had arrived, however many batches they came in', async () => {
    const stage = new RunStage()
    const first = await stage.open()
    await stage.clock.run(first.run.dispatch(requests(3)))
    first.adapter.kill()
    for (const taskId of ['t1', 't2', 't3']) await stage.answer(taskId)
    // One message at a time.
    stage.backend.choose = () => 0
    const { run } = await stage.open()
    const gate = run.gates.find((result) => result.gate === 'receipts-pending')
    expect(gate?.evidence).toBe('3 receipts had arrived; 3 wait for a decision')
  })

  it('takes all of it in before attempts expire and planned tasks go out', async () => {
    const stage = new RunStage()
    const first = await stage.open({ policy: { inFlightMax: 2, attemptTimeoutMs: 1_000, attemptsMax: 1 } })
    await stage.clock.run(first.run.dispatch(requests(4)))
    first.adapter.kill()
    await stage.send('command', '{"type":"note","text":"first"}')
    await stage.answer('t1')
    await stage.answer('t2')
    await stage.send('command', '{"type":"pause","reason":"lunch"}')
    await stage.clock.advance(5_000)
    // One message at a time: the command that comes first opens the gate before the receipts are seen.
    stage.backend.choose = () => 0
    const { run } = await stage.open()
    await stage.clock.advance(2_000)
    expect(stage.of('attempt-expired')).toEqual([])
    expect(run.status).toMatchObject({ status: 'paused', counts: { received: 2, planned: 2, out: 0 } })
  })

  it('is open at once if a command in it ends the run', async () => {
    const stage = new RunStage()
    await stage.close(await stage.open())
    await stage.send('command', '{"type":"complete","summary":"done"}')
    await stage.send('command', '{"type":"note","text":"too late"}')
    stage.backend.choose = () => 0
    const startedAt = stage.clock.now()
    const { run } = await stage.open()
    expect(run.status.status).toBe('complete')
    expect(stage.clock.now() - startedAt).toBeLessThan(1_000)
  })
})

describe('a receipt that takes long to check', () => {
  it('keeps its attempt from expiring, and no other', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ policy: { attemptTimeoutMs: 1_000, attemptsMax: 1 } })
    await stage.clock.run(run.dispatch(requests(3)))
    const artifacts = [await artifactOn(stage)]
    const check = stage.hold('artifacts.check')
    await stage.answer('t1', { artifacts })
    await stage.clock.advance(5_000)
    check.release()
    await stage.clock.settle()
    expect(stage.of('attempt-expired').map(({ taskId }) => taskId)).toEqual(['t2', 't3'])
    expect(stage.of('receipt-received').map(({ receipt }) => receipt.taskId)).toEqual(['t1'])
  })

  it('and is refused then leaves its attempt to expire', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ policy: { attemptTimeoutMs: 1_000, attemptsMax: 1 } })
    await stage.clock.run(run.dispatch(request('t1')))
    const artifact = await artifactOn(stage)
    stage.backend.files.clear()
    const check = stage.hold('artifacts.check')
    await stage.answer('t1', { artifacts: [artifact] })
    await stage.clock.advance(5_000)
    check.release()
    await stage.clock.advance(2_000)
    expect(stage.of('receipt-rejected')).toMatchObject([{ gate: 'artifacts' }])
    expect(stage.of('attempt-expired')).toMatchObject([{ taskId: 't1' }])
  })

  it('is kept by the inbox for the next coordinator when its run was let go meanwhile', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.clock.run(run.dispatch(request('t1')))
    const artifacts = [await artifactOn(stage)]
    const check = stage.hold('artifacts.check')
    await stage.answer('t1', { artifacts })
    const append = stage.hold('log.append')
    const closing = follow(run.close())
    // Closing waits for the check, but not for ever.
    await stage.clock.advance(10_000)
    expect(append.held).toBe(1)
    check.release()
    await stage.clock.settle()
    append.release()
    await stage.clock.runUntil(() => closing.settled)
    expect(stage.backend.messagesOf(runId)).toHaveLength(1)
    const next = await stage.open()
    expect(next.run.status.counts).toMatchObject({ received: 1 })
  })
})

describe('a message that cannot be taken in', () => {
  it('is handed over again, and the run says why', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.clock.run(run.dispatch(request('t1')))
    const failures: unknown[] = []
    run.on('transport-failed', (error) => failures.push(error))
    stage.spoil('artifacts.check', 'fail', { times: 2 })
    await stage.answer('t1', { artifacts: [await artifactOn(stage)] })
    await stage.clock.advance(1_000)
    expect(failures).toMatchObject([{ code: 'ADAPTER_UNAVAILABLE' }, { code: 'ADAPTER_UNAVAILABLE' }])
    expect(stage.of('receipt-received')).toHaveLength(1)
  })

  it('is named by the resume gate that waited for it', async () => {
    const stage = new RunStage()
    const first = await stage.open()
    await stage.clock.run(first.run.dispatch(request('t1')))
    first.adapter.kill()
    stage.spoil('artifacts.check', 'fail', { times: 1_000 })
    await stage.answer('t1', { artifacts: [await artifactOn(stage)] })
    await expect(stage.open({ resumeTimeoutMs: 3_000 })).rejects.toMatchObject({
      code: 'GATE_FAILED',
      message: expect.stringContaining('artifacts.check'),
      cause: { code: 'ADAPTER_UNAVAILABLE' },
    })
  })

  it.each([
    { kind: 'receipt', body: '{}' },
    { kind: 'command', body: '{"type":"note","text":"x"}' },
    { kind: 'command', body: 'not JSON' },
  ] as const)('is not acknowledged by a coordinator that does not hold the run: $kind $body', async (message) => {
    const stage = new RunStage()
    const { adapter, runtime } = await stage.open()
    const pipeline = new CommitPipeline({
      ...{ log: adapter.log, runId, runtime, actor: 'another', patienceMs: 60_000, onFailed: () => {} },
      loaded: await stage.clock.run(loadRun(adapter.log, runId)),
      ...{ onDurable: () => {}, onIdle: () => {}, onStopped: () => {} },
    })
    const taken = takeIn([{ sender: 'sender-1', seq: 1, ...message }], true, {
      ...{ pipeline, runtime, artifacts: undefined, outputProblem: () => null, judging: new Set() },
      command: (command, options) => pipeline.submit(command, options),
      ...{ resumed: Promise.resolve(), onReceiptsRecorded: () => {} },
    })
    await expect(stage.clock.run(taken)).rejects.toMatchObject({ code: 'LOCK_LOST' })
  })

  it('is handed over again when its artifact cannot be read in time, and recorded when it can', async () => {
    const stage = new RunStage()
    const { run, adapter } = await stage.open()
    const failures: unknown[] = []
    run.on('transport-failed', (error) => failures.push(error))
    const store = adapter.artifacts as NonNullable<typeof adapter.artifacts>
    const artifact = await artifactOn(stage)
    const check = store.check.bind(store)
    let calls = 0
    Object.assign(store, {
      check: (...args: Parameters<typeof check>) => (++calls === 1 ? new Promise(() => {}) : check(...args)),
    })
    await stage.clock.run(run.dispatch(request('t1')))
    await stage.answer('t1', { artifacts: [artifact] })
    expect((await stage.clock.run(run.results().next())).value).toMatchObject({ taskId: 't1' })
    expect(failures).toMatchObject([{ code: 'ADAPTER_UNAVAILABLE' }])
  })

  it('does not expire while its artifact cannot be read, and is recorded when it can', async () => {
    const stage = new RunStage()
    const { run, adapter } = await stage.open({ policy: { attemptTimeoutMs: 1_000, attemptsMax: 1 } })
    const store = adapter.artifacts as NonNullable<typeof adapter.artifacts>
    const artifact = await artifactOn(stage)
    const check = store.check.bind(store)
    let broken = true
    Object.assign(store, {
      check: async (...args: Parameters<typeof check>) => {
        if (broken) throw new Error('EIO')
        return check(...args)
      },
    })
    await stage.clock.run(run.dispatch(request('t1')))
    await stage.answer('t1', { artifacts: [artifact] })
    await stage.clock.advance(5_000)
    broken = false
    expect((await stage.clock.run(run.results().next())).value).toMatchObject({ taskId: 't1', status: 'completed' })
    expect(stage.of('attempt-expired')).toHaveLength(0)
  })

  it('waits for an artifact no longer than its limit allows, whatever size the worker claims', async () => {
    const stage = new RunStage()
    const { run, adapter } = await stage.open({ policy: { artifactBytesMax: 1_000 } })
    const artifact = await artifactOn(stage)
    const store = adapter.artifacts as NonNullable<typeof adapter.artifacts>
    let calls = 0
    Object.assign(store, { check: () => new Promise(() => calls++) })
    const failures: unknown[] = []
    run.on('transport-failed', (error) => failures.push(error))
    await stage.clock.run(run.dispatch(request('t1')))
    await stage.answer('t1', { artifacts: [{ ...artifact, bytes: 9e14 }] })
    await stage.clock.advance(40_000)
    expect(failures).toMatchObject([{ code: 'ADAPTER_UNAVAILABLE' }])
    expect(calls).toBe(2)
  })

  it('is no receipt whose output the schema cannot judge: that one is refused with what the schema threw', async () => {
    const stage = new RunStage()
    const count = {
      kind: 'count',
      outputIssues: () => {
        throw new Error('a bug in a schema')
      },
    }
    const { run } = await stage.open({ tasks: [count] })
    await stage.clock.run(run.dispatch(request('t1')))
    await stage.answer('t1')
    expect(stage.of('receipt-rejected')).toMatchObject([
      { gate: 'output-schema', evidence: expect.stringContaining('a bug in a schema') },
    ])
    expect(stage.backend.messagesOf(runId)).toEqual([])
  })
})

describe('an append that is tried again', () => {
  it('is not sent any more once the pipeline has stopped', async () => {
    const stage = new RunStage()
    const { adapter, runtime } = await stage.open()
    const pipeline = new CommitPipeline({
      ...{ log: adapter.log, runId, runtime, actor: 'another', patienceMs: 60_000, onFailed: () => {} },
      loaded: await stage.clock.run(loadRun(adapter.log, runId)),
      ...{ onDurable: () => {}, onIdle: () => {}, onStopped: () => {} },
    })
    const { length } = stage.commits
    let broken = true
    stage.intercept(({ method, phase }) => (broken && method === 'append' && phase === 'before' ? 'fail' : 'go'))
    const holder = { id: 'another', host: 'h', pid: 7 }
    const taken = follow(pipeline.submit({ type: 'take-over', holder, reason: 'forced' }))
    await stage.clock.settle()
    pipeline.stop(new RepriseError('CLOSED', 'stopped while the append waits for its next try'))
    broken = false
    await stage.clock.advance(60_000)
    expect(taken.error).toMatchObject({ code: 'CLOSED' })
    expect(stage.commits).toHaveLength(length)
  })
})
