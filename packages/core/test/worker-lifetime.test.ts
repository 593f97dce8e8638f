import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { memoryAdapter } from '../src/memory/memory-adapter.js'
import { isRepriseError } from '../src/protocol/errors.js'
import { defineTask, type TaskHandler } from '../src/worker/define-task.js'
import { startWorker, type WorkerOptions } from '../src/worker/start-worker.js'
import type { TaskContext } from '../src/worker/task-context.js'
import { gate, runId, WorkerFleet } from './worker-fleet.js'

const free = defineTask('free', { input: z.unknown(), output: z.unknown() })
const reasonOf = ({ signal }: TaskContext) => (isRepriseError(signal.reason) ? signal.reason.code : signal.reason)

/** A handler that a test holds back, with the contexts that it was called with. */
function held() {
  const contexts: TaskContext[] = []
  const hold = gate()
  const handler: TaskHandler = free.handle(async (_input, task) => {
    contexts.push(task)
    // Looked at before it aborts, so that the listener on the claim is what aborts it.
    if (task.signal.aborted) throw task.signal.reason
    await hold.promise
    return 'done'
  })
  return { handler, contexts, open: () => hold.open() }
}

describe('the deadline of an attempt', () => {
  it('aborts the handler and sends a failed receipt at once, without waiting for the handler', async () => {
    const fleet = new WorkerFleet()
    const { handler, contexts, open } = held()
    const { worker } = await fleet.worker([handler])
    const offer = await fleet.offer(free.task('t', null), { timeoutMs: 5000 })
    await fleet.clock.advance(4999)
    expect(fleet.receipts()).toEqual([])
    await fleet.clock.advance(1)
    expect(contexts.map(reasonOf)).toEqual(['TIMEOUT'])
    expect(fleet.receipts()).toMatchObject([{ status: 'failed', error: { code: 'DEADLINE', retryable: true } }])
    expect(worker.running).toBe(1)
    open()
    await fleet.clock.settle()
    expect(worker.running).toBe(0)
    expect(fleet.receipts()).toHaveLength(1)
    expect(await fleet.whereIs(offer)).toEqual({ at: 'unknown' })
  })

  it('is kept for each of many attempts, whatever their order', async () => {
    const fleet = new WorkerFleet()
    const { handler } = held()
    await fleet.worker([handler])
    const timeouts = [50_000, 1000, 90_000, 3000, 2000]
    for (const timeoutMs of timeouts) await fleet.offer(free.task(`t-${timeoutMs}`, null), { timeoutMs })
    const start = fleet.clock.now()
    const passed: number[] = []
    while (passed.length < timeouts.length) {
      await fleet.clock.runUntil(() => fleet.receipts().length > passed.length)
      passed.push(fleet.clock.now() - start)
    }
    expect(passed).toEqual([1000, 2000, 3000, 50_000, 90_000])
    expect(fleet.receipts().map(({ taskId }) => taskId)).toEqual(['t-1000', 't-2000', 't-3000', 't-50000', 't-90000'])
  })

  it('is noticed within half a minute when the wall clock jumps ahead', async () => {
    const fleet = new WorkerFleet()
    const { handler } = held()
    await fleet.worker([handler])
    await fleet.offer(free.task('t', null), { timeoutMs: 3_600_000 })
    fleet.clock.step(3_600_000)
    await fleet.clock.runUntil(() => fleet.receipts().length === 1, 30_000)
    expect(fleet.receipts()[0]?.error?.code).toBe('DEADLINE')
  })

  it('that passed before the claim keeps the handler from being run', async () => {
    const fleet = new WorkerFleet()
    const { handler, contexts } = held()
    await fleet.offer(free.task('t', null), { timeoutMs: 1000 })
    await fleet.clock.advance(1000)
    await fleet.worker([handler])
    await fleet.clock.settle()
    expect(contexts).toEqual([])
    expect(fleet.receipts()).toMatchObject([{ status: 'failed', error: { code: 'DEADLINE', retryable: true } }])
  })

  it('costs nothing to a handler that never looks at its signal', async () => {
    const fleet = new WorkerFleet()
    const hold = gate()
    await fleet.worker([free.handle(() => hold.promise)])
    await fleet.offer(free.task('t', null), { timeoutMs: 1000 })
    await fleet.clock.advance(1000)
    expect(fleet.receipts()).toMatchObject([{ error: { code: 'DEADLINE' } }])
  })
})

describe('an attempt that is not ours any more', () => {
  it('is answered by nobody once it is withdrawn, and settled', async () => {
    const fleet = new WorkerFleet()
    const { handler, contexts, open } = held()
    await fleet.worker([handler])
    const offer = await fleet.offer(free.task('t', null))
    await fleet.coordinator.queue.withdraw(offer.runId, offer.taskId, offer.attempt)
    await fleet.clock.advance(10_000)
    expect(contexts.map(reasonOf)).toEqual(['ATTEMPT_WITHDRAWN'])
    open()
    await fleet.clock.advance(60_000)
    expect(fleet.receipts()).toEqual([])
    expect(await fleet.whereIs(offer)).toEqual({ at: 'unknown' })
  })

  it('is answered only by the worker that has the claim', async () => {
    const fleet = new WorkerFleet()
    const { handler, contexts, open } = held()
    const runtime = fleet.clock.process()
    const stopped = memoryAdapter({ backend: fleet.backend, runtime })
    await fleet.worker([handler], { adapter: stopped, runtime, workerId: 'stopped' })
    const offer = await fleet.offer(free.task('t', null))
    runtime.pause()
    await fleet.worker([free.handle(() => 'by another')], { workerId: 'another' })
    await fleet.clock.runUntil(() => fleet.receipts().length === 1)
    runtime.resume()
    await fleet.clock.advance(10_000)
    expect(contexts.map(reasonOf)).toEqual(['CLAIM_LOST'])
    open()
    await fleet.clock.advance(60_000)
    expect(fleet.receipts()).toMatchObject([{ worker: { id: 'another' }, output: 'by another' }])
    expect(await fleet.whereIs(offer)).toEqual({ at: 'unknown' })
  })

  it('refuses what its handler still tries, with the reason', async () => {
    const fleet = new WorkerFleet()
    const { handler, contexts, open } = held()
    await fleet.worker([handler])
    await fleet.offer(free.task('t', null), { timeoutMs: 1000 })
    await fleet.clock.advance(1000)
    const [late] = contexts
    expect(() => late?.progress(1)).toThrow(/deadline/)
    expect(() => late?.usage({ tokens: 1 })).toThrow(/deadline/)
    expect(() => late?.spawn(free.task('x', 1))).toThrow(/deadline/)
    await expect(late?.artifact('a', 'x')).rejects.toMatchObject({ code: 'TIMEOUT' })
    open()
    await fleet.clock.settle()

    await fleet.offer(free.task('u', null))
    expect(() => contexts[1]?.progress(1)).toThrow(/is over/)
  })
})

describe('closing a worker', () => {
  it('stops claiming and lets what runs end', async () => {
    const fleet = new WorkerFleet()
    const { handler, contexts, open } = held()
    const { worker } = await fleet.worker([handler])
    await fleet.offer(free.task('t', null))
    const closing = worker.close()
    const later = await fleet.offer(free.task('later', null))
    expect(contexts).toHaveLength(1)
    open()
    await fleet.clock.run(closing, 0)
    expect(fleet.receipts()).toMatchObject([{ taskId: 't', status: 'completed' }])
    expect(await fleet.whereIs(later)).toMatchObject({ at: 'queued', deliveries: 0 })
  })

  it('gives back without a receipt what does not end in time', async () => {
    const fleet = new WorkerFleet()
    const { handler, contexts, open } = held()
    const { worker } = await fleet.worker([handler])
    const offer = await fleet.offer(free.task('t', null))
    const start = fleet.clock.now()
    await fleet.clock.run(worker.close({ drainMs: 3000 }))
    expect(fleet.clock.now() - start).toBe(3000)
    expect(contexts.map(reasonOf)).toEqual(['CLOSED'])
    open()
    await fleet.clock.settle()
    expect(fleet.receipts()).toEqual([])
    expect(await fleet.whereIs(offer)).toMatchObject({ at: 'queued', deliveries: 1 })
    await fleet.worker([free.handle((_input, { deliveries }) => deliveries)])
    await fleet.clock.settle()
    expect(fleet.receipts()).toMatchObject([{ status: 'completed', output: 2 }])
  })

  it('ends the tries of a receipt that the inbox does not take, and gives its attempt back', async () => {
    const fleet = new WorkerFleet()
    const { worker } = await fleet.worker([free.handle(() => 1)])
    fleet.intercept(({ method }) => (method === 'send' ? 'fail' : 'go'))
    const offer = await fleet.offer(free.task('t', null))
    await fleet.clock.run(worker.close({ drainMs: 2000 }))
    await fleet.clock.settle()
    const tries = fleet.errors().length
    await fleet.clock.advance(60_000)
    expect(fleet.errors()).toHaveLength(tries)
    expect(worker.running).toBe(0)
    expect(await fleet.whereIs(offer)).toMatchObject({ at: 'queued' })
  })

  it('twice is harmless', async () => {
    const fleet = new WorkerFleet()
    const { worker } = await fleet.worker([free.handle(() => 1)])
    expect(worker.close()).toBe(worker.close())
    await fleet.clock.run(worker.close())
  })

  it('leaves no timer behind', async () => {
    const fleet = new WorkerFleet()
    const { worker } = await fleet.worker([free.handle(() => 1)])
    await fleet.offer(free.task('t', null))
    await fleet.clock.run(worker.close())
    await expect(fleet.clock.runUntil(() => false)).rejects.toThrow(/Timers: none/)
  })

  it('happens at once when the signal aborts, even while it drains', async () => {
    for (const draining of [false, true]) {
      const fleet = new WorkerFleet()
      const abort = new AbortController()
      const { handler, contexts } = held()
      const { worker } = await fleet.worker([handler], { signal: abort.signal })
      const offer = await fleet.offer(free.task('t', null))
      if (draining) void worker.close({ drainMs: 60_000 })
      await fleet.clock.settle()
      abort.abort()
      await fleet.clock.run(worker.close(), 0)
      expect(contexts.map(reasonOf)).toEqual(['CLOSED'])
      expect(await fleet.whereIs(offer)).toMatchObject({ at: 'queued' })
    }
  })
})

describe('starting a worker', () => {
  const handler = free.handle(() => 1)
  const fleet = new WorkerFleet()
  it.each<[string, Partial<WorkerOptions>]>([
    ['no handler', { handlers: [] }],
    ['two handlers of one kind', { handlers: [handler, handler] }],
    ['a concurrency of 0', { concurrency: 0 }],
    ['a lane that is no plain name', { lanes: ['../x'] }],
    ['no lane', { lanes: [] }],
    ['a worker id that is no plain name', { workerId: 'a b' }],
    ['a negative drain', { drainMs: -1 }],
    ['a claim that cannot be kept alive', { claimTtlMs: 1 }],
  ])('is refused with %s', async (_what, options) => {
    const starting = startWorker({ adapter: fleet.coordinator, handlers: [handler], ...options })
    await expect(starting).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  it.each<[string, unknown]>([
    ['adapter', undefined],
    ['adapter', { queue: null }],
    ['handlers', undefined],
    ['handlers', handler],
    ['handlers', [undefined]],
    ['handlers', [() => 1]],
    ['signingKey', null],
    ['signingKey', 'secret'],
    ['signingKey', { keyId: 'k', privateKey: undefined }],
    ['signingKey', { keyId: undefined, privateKey: 'x' }],
    ['signal', {}],
    ['runtime', {}],
    ['concurency', 4],
  ])('is refused by a message that names the option %s when it is %o', async (option, value) => {
    const options = { adapter: fleet.coordinator, handlers: [handler], [option]: value }
    const error: unknown = await startWorker(options as never).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'INVALID_INPUT', message: expect.stringContaining(option) })
  })

  it('is refused without options at all', async () => {
    await expect(startWorker(undefined as never)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  it('is refused if its signal has aborted before', async () => {
    const starting = startWorker({ adapter: fleet.coordinator, handlers: [handler], signal: AbortSignal.abort() })
    await expect(starting).rejects.toMatchObject({ code: 'ABORTED' })
  })

  it('is given up if its signal aborts meanwhile, and claims nothing', async () => {
    const fleet = new WorkerFleet()
    const abort = new AbortController()
    fleet.intercept(({ method }) => {
      if (method === 'consume') abort.abort()
      return 'go'
    })
    await expect(fleet.worker([handler], { signal: abort.signal })).rejects.toMatchObject({ code: 'ABORTED' })
    const offer = await fleet.offer(free.task('t', null))
    expect(await fleet.whereIs(offer)).toMatchObject({ at: 'queued', deliveries: 0 })
  })

  it('fails as the adapter does, and leaves no lane half consumed', async () => {
    const fleet = new WorkerFleet()
    let consumed = 0
    fleet.intercept(({ method, phase }) => {
      if (method === 'consume' && phase === 'before') consumed++
      return consumed === 2 && phase === 'before' && method === 'consume' ? 'fail' : 'go'
    })
    await expect(fleet.worker([handler], { lanes: ['a', 'b'] })).rejects.toMatchObject({ code: 'ADAPTER_UNAVAILABLE' })
    const offer = await fleet.offer(free.task('t', null, { lane: 'a' }))
    expect(await fleet.whereIs(offer)).toMatchObject({ at: 'queued', deliveries: 0 })
  })

  it('serves each of its lanes with its own slots', async () => {
    const fleet = new WorkerFleet()
    const { handler, contexts } = held()
    await fleet.worker([handler], { lanes: ['a', 'b'], concurrency: 2 })
    for (const lane of ['a', 'b']) {
      for (let i = 0; i < 3; i++) await fleet.offer(free.task(`${lane}-${i}`, null, { lane }))
    }
    expect(contexts.map(({ taskId }) => taskId)).toEqual(['a-0', 'a-1', 'b-0', 'b-1'])
  })

  it('names itself if it is not named', async () => {
    const { worker } = await new WorkerFleet().worker([handler])
    expect(worker.id).toMatch(/^worker-host-1-\d+-[a-z0-9]{8}$/)
  })
})

describe('a listener that throws', () => {
  it('harms neither the attempt nor the worker, and is reported', async () => {
    const fleet = new WorkerFleet()
    const { worker } = await fleet.worker([free.handle(() => 1)])
    for (const name of ['claimed', 'receipt', 'error'] as const) {
      worker.on(name, () => {
        throw new Error(`${name} listener`)
      })
    }
    await fleet.offer(free.task('t', null))
    expect(fleet.receipts()).toMatchObject([{ status: 'completed', runId }])
    expect(fleet.errors()).toMatchObject([{ message: 'claimed listener' }, { message: 'receipt listener' }])
  })
})
