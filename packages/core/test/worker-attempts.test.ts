import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { limits } from '../src/protocol/limits.js'
import { AttemptFailure } from '../src/worker/attempt-failure.js'
import { defineTask } from '../src/worker/define-task.js'
import type { TaskContext } from '../src/worker/task-context.js'
import { gate, runId, WorkerFleet } from './worker-fleet.js'

const echo = defineTask('echo', { input: z.object({ n: z.number() }), output: z.object({ n: z.number() }) })
const free = defineTask('free', { input: z.unknown(), output: z.unknown() })

describe('an attempt that completes', () => {
  it('is answered with a receipt that says who, what, when and for which dispatch', async () => {
    const fleet = new WorkerFleet()
    const { worker } = await fleet.worker([echo.handle(async ({ n }) => ({ n: n + 1 }))], { workerId: 'w-1' })
    const offer = await fleet.offer(echo.task('t', { n: 1 }), { attempt: 3 })
    const [receipt] = fleet.receipts()
    expect(receipt).toMatchObject({
      v: 1,
      runId,
      taskId: 't',
      attempt: 3,
      epoch: 1,
      dispatchDigest: offer.digest,
      worker: { id: 'w-1', host: 'host-1' },
      status: 'completed',
      output: { n: 2 },
      artifacts: [],
      usage: { durationMs: 0 },
    })
    expect(receipt).not.toHaveProperty('signature')
    const [{ sender, seq } = { sender: '', seq: 0 }] = fleet.backend.messagesOf(runId)
    expect(fleet.events).toEqual([
      { name: 'claimed', data: { runId, taskId: 't', attempt: 3 } },
      { name: 'receipt', data: { runId, taskId: 't', attempt: 3, status: 'completed', cause: { sender, seq } } },
    ])
    expect(worker.running).toBe(0)
    expect(await fleet.whereIs(offer)).toEqual({ at: 'unknown' })
  })

  it('is settled only after its receipt is durable', async () => {
    const fleet = new WorkerFleet()
    const calls: string[] = []
    fleet.intercept(({ method, phase }) => {
      if (method === 'send' || method === 'settle') calls.push(`${method} ${phase}`)
      return 'go'
    })
    await fleet.worker([echo.handle((input) => input)])
    await fleet.offer(echo.task('t', { n: 1 }))
    expect(calls).toEqual(['send before', 'send after', 'settle before', 'settle after'])
  })

  it('tells the handler what it is part of', async () => {
    const fleet = new WorkerFleet()
    const seen: TaskContext[] = []
    await fleet.worker([
      echo.handle((input, task) => {
        seen.push(task)
        return input
      }),
    ])
    await fleet.offer({ ...echo.task('child', { n: 1 }), parent: 'mother', traceId: 'trace-1' }, { attempt: 2 })
    expect(seen[0]).toMatchObject({
      runId,
      taskId: 'child',
      attempt: 2,
      deliveries: 1,
      parent: 'mother',
      depth: 0,
      traceId: 'trace-1',
      deadlineAt: '2030-01-01T00:01:00.000Z',
    })
    expect(seen[0]?.signal.aborted).toBe(false)
  })

  it('adds up what was spent, and the time it took', async () => {
    const fleet = new WorkerFleet()
    const hold = gate()
    await fleet.worker([
      free.handle(async (_input, { usage }) => {
        usage({ tokens: 100, costUsd: 0.25 })
        await hold.promise
        usage({ tokens: 20 })
        expect(() => usage({ tokens: -1 })).toThrow(/usage/)
        expect(() => usage({ costUsd: Number.NaN })).toThrow(/usage/)
        expect(() => usage({ tokens: Number.MAX_SAFE_INTEGER })).toThrow(/too large/)
        return null
      }),
    ])
    await fleet.offer(free.task('t', null))
    await fleet.clock.advance(1500)
    hold.open()
    await fleet.clock.settle()
    expect(fleet.receipts()[0]?.usage).toEqual({ tokens: 120, costUsd: 0.25, durationMs: 1500 })
  })

  it('does not report a negative duration when the clock steps back', async () => {
    const fleet = new WorkerFleet()
    const hold = gate()
    await fleet.worker([free.handle(() => hold.promise.then(() => null))])
    await fleet.offer(free.task('t', null))
    fleet.clock.step(-3_600_000)
    hold.open()
    await fleet.clock.settle()
    expect(fleet.receipts()[0]?.usage.durationMs).toBe(0)
  })

  it('carries its spawn requests, and only with it', async () => {
    const fleet = new WorkerFleet()
    await fleet.worker([
      free.handle((fail, task) => {
        task.spawn(echo.task('child', { n: 2 }, { lane: 'io' }))
        if (fail === true) throw new Error('no')
        return null
      }),
    ])
    await fleet.offer(free.task('a', false))
    await fleet.offer(free.task('b', true))
    const [completed, failed] = fleet.receipts()
    expect(completed?.spawnRequests).toMatchObject([{ taskId: 'child', kind: 'echo', input: { n: 2 }, lane: 'io' }])
    expect(failed).not.toHaveProperty('spawnRequests')
  })

  it('refuses spawn requests that are not one, name another parent, or are too many', async () => {
    const fleet = new WorkerFleet()
    const refusals: unknown[] = []
    await fleet.worker([
      free.handle((_input, task) => {
        const spawn = (request: unknown) => {
          try {
            task.spawn(request as Parameters<TaskContext['spawn']>[0])
          } catch (error) {
            refusals.push((error as { code: unknown }).code)
          }
        }
        spawn({ taskId: '', kind: 'echo', input: 1 })
        spawn({ taskId: 'x', kind: 'echo', input: 1, parent: 'somebody-else' })
        for (let i = 0; i <= limits.spawnRequestsMax; i++)
          spawn({ taskId: `x-${i}`, kind: 'echo', input: 1, parent: 't' })
        return null
      }),
    ])
    await fleet.offer(free.task('t', null))
    expect(refusals).toEqual(['INVALID_INPUT', 'INVALID_INPUT', 'TOO_LARGE'])
    expect(fleet.receipts()[0]?.spawnRequests).toHaveLength(limits.spawnRequestsMax)
  })

  it('may be partial: an output that fits, with where it stopped and how to go on', async () => {
    const fleet = new WorkerFleet()
    const stop = { message: 'out of tokens', stoppedAt: 'page 3', resumeInstructions: 'start at page 4' }
    await fleet.worker([echo.handle((input, task) => task.partial(input, stop))])
    await fleet.offer(echo.task('t', { n: 3 }))
    expect(fleet.receipts()[0]).toMatchObject({
      status: 'partial',
      output: { n: 3 },
      error: { ...stop, retryable: true },
    })
  })

  it('shows its progress to whoever asks where it is', async () => {
    const fleet = new WorkerFleet()
    await fleet.worker([
      free.handle((_input, { progress }) => {
        progress({ percent: 40 })
        return gate<null>().promise
      }),
    ])
    const offer = await fleet.offer(free.task('t', null))
    await fleet.clock.advance(10_000)
    expect(await fleet.whereIs(offer)).toMatchObject({ at: 'claimed', progress: { percent: 40 } })
  })
})

describe('an attempt whose handler throws', () => {
  const failing = (thrown: unknown) => [
    free.handle(() => {
      throw thrown
    }),
  ]

  it('fails, with the message and code, and may be tried again', async () => {
    const fleet = new WorkerFleet()
    await fleet.worker(failing(Object.assign(new Error('no such file'), { code: 'ENOENT' })))
    await fleet.offer(free.task('t', null))
    expect(fleet.receipts()[0]).toMatchObject({
      status: 'failed',
      output: null,
      error: { message: 'no such file', code: 'ENOENT', retryable: true },
    })
  })

  it('says what an AttemptFailure says, from whatever copy of the package', async () => {
    const fields = { code: 'QUOTA', retryable: false, stoppedAt: 'page 3', resumeInstructions: 'wait a day' }
    const foreign = Object.assign(new Error('quota exceeded'), fields, {
      [Symbol.for('reprise.attempt-failure')]: true,
    })
    for (const thrown of [new AttemptFailure('quota exceeded', fields), foreign]) {
      const fleet = new WorkerFleet()
      await fleet.worker(failing(thrown))
      await fleet.offer(free.task('t', null))
      expect(fleet.receipts()[0]?.error).toEqual({ message: 'quota exceeded', ...fields })
    }
  })

  const unreadable = {
    get message() {
      throw new Error('gotcha')
    },
    toString() {
      throw new Error('gotcha')
    },
  }
  it.each([
    ['a string', 'oops'],
    ['nothing', undefined],
    ['an error with a huge message', new Error('x'.repeat(1_000_000))],
    [
      'a failure with a huge text',
      new AttemptFailure('x', { stoppedAt: '€'.repeat(1_000_000), code: 'y'.repeat(1000) }),
    ],
    [
      'an AttemptFailure whose texts are none',
      new AttemptFailure(7 as never, { code: 7 as never, stoppedAt: {} as never }),
    ],
    ['what cannot be read', unreadable],
    ['a null prototype', Object.create(null)],
  ])('fails within the limits when %s is thrown', async (_what, thrown) => {
    const fleet = new WorkerFleet()
    await fleet.worker(failing(thrown))
    const offer = await fleet.offer(free.task('t', null))
    expect(fleet.receipts()[0]).toMatchObject({ status: 'failed', error: { retryable: true } })
    expect(await fleet.whereIs(offer)).toEqual({ at: 'unknown' })
  })
})

describe('an attempt that no handler runs', () => {
  const handled = vi.fn((input: { n: number }) => input)

  it('of an unknown kind is refused, for another worker may know it', async () => {
    const fleet = new WorkerFleet()
    await fleet.worker([echo.handle(handled)])
    const offer = await fleet.offer(free.task('t', null))
    expect(fleet.receipts()[0]).toMatchObject({ status: 'refused', error: { code: 'UNKNOWN_KIND', retryable: true } })
    expect(await fleet.whereIs(offer)).toEqual({ at: 'unknown' })
  })

  it('with an input that does not fit is refused for good', async () => {
    const fleet = new WorkerFleet()
    await fleet.worker([echo.handle(handled)])
    await fleet.offer({ taskId: 't', kind: 'echo', input: { n: 'one' } })
    const [receipt] = fleet.receipts()
    expect(receipt).toMatchObject({ status: 'refused', error: { code: 'INVALID_INPUT', retryable: false } })
    expect(receipt?.error?.message).toContain('n: ')
  })

  it('handed out more often than allowed fails as poison', async () => {
    const fleet = new WorkerFleet()
    fleet.clock.process()
    await fleet.coordinator.queue.offer([fleet.offerOf(echo.task('t', { n: 1 }), { deliveriesMax: 2 })])
    for (const workerId of ['unlucky-1', 'unlucky-2']) {
      const { adapter } = await fleet.worker([echo.handle(() => gate<{ n: number }>().promise)], { workerId })
      await fleet.clock.settle()
      adapter.kill()
    }
    await fleet.worker([echo.handle(handled)])
    await fleet.clock.settle()
    expect(fleet.receipts()).toMatchObject([{ status: 'failed', error: { code: 'POISON', retryable: false } }])
    expect(fleet.receipts()[0]?.error?.message).toBe(
      'the attempt was handed out 3 times, 2 are allowed: its workers died or gave it back (unlucky-1, unlucky-2)',
    )
  })

  it('whose dispatch is not what its digest says is settled without an answer, and reported', async () => {
    const fleet = new WorkerFleet()
    await fleet.worker([echo.handle(handled)])
    const good = fleet.offerOf(echo.task('t', { n: 1 }))
    const other = fleet.offerOf(echo.task('other', { n: 1 }))
    const damaged = { ...good, body: good.body.replace('"n":1', '"n":2') }
    const foreign = { ...good, attempt: 2, body: other.body, digest: other.digest }
    for (const offer of [damaged, foreign]) {
      await fleet.coordinator.queue.offer([offer])
      await fleet.clock.settle()
      expect(await fleet.whereIs(offer)).toEqual({ at: 'unknown' })
    }
    expect(fleet.receipts()).toEqual([])
    expect(fleet.errors()).toMatchObject([{ code: 'DISPATCH_MISMATCH' }, { code: 'DISPATCH_MISMATCH' }])
  })

  it('whose text is no dispatch, though its digest is right, is not run either', async () => {
    const { hash } = await import('node:crypto')
    const fleet = new WorkerFleet()
    await fleet.worker([echo.handle(handled)])
    const good = fleet.offerOf(echo.task('t', { n: 1 }))
    const dispatch = JSON.parse(good.body)
    const bodies = [
      '',
      'null',
      '[]',
      '{',
      { ...dispatch, v: 2 },
      { ...dispatch, deadlineAt: 'soon' },
      { ...dispatch, epoch: '1' },
    ]
    for (const [i, content] of bodies.entries()) {
      const body = typeof content === 'string' ? content : JSON.stringify({ ...content, attempt: i + 1 })
      await fleet.coordinator.queue.offer([{ ...good, attempt: i + 1, body, digest: hash('sha256', body) }])
      await fleet.clock.settle()
    }
    expect(fleet.receipts()).toEqual([])
    expect(fleet.errors()).toHaveLength(bodies.length)
  })

  it('never reaches a handler', () => {
    expect(handled).not.toHaveBeenCalled()
  })
})

describe('an attempt whose output cannot be taken', () => {
  it('fails, and may be tried again, if the output does not fit the schema', async () => {
    const fleet = new WorkerFleet()
    await fleet.worker([echo.handle(() => ({ n: 'one' }) as never), free.handle(() => undefined)])
    await fleet.offer(echo.task('t', { n: 1 }))
    await fleet.offer(free.task('u', null))
    for (const receipt of fleet.receipts()) {
      expect(receipt).toMatchObject({
        status: 'failed',
        output: null,
        error: { code: 'OUTPUT_INVALID', retryable: true },
      })
    }
  })

  it.each([
    ['a function', () => () => 1],
    ['a class instance', () => ({ at: new Date(0) })],
    ['NaN', () => Number.NaN],
    ['a key named __proto__', () => JSON.parse('{"__proto__":1}')],
    [
      'an endless nesting',
      () => {
        const loop: { loop?: unknown } = {}
        loop.loop = loop
        return loop
      },
    ],
  ])('fails if the output holds %s', async (_what, make) => {
    const fleet = new WorkerFleet()
    await fleet.worker([free.handle(() => make())])
    await fleet.offer(free.task('t', null))
    expect(fleet.receipts()[0]).toMatchObject({ status: 'failed', error: { code: 'OUTPUT_INVALID' } })
  })

  it('fails for good if the output is too large', async () => {
    const fleet = new WorkerFleet()
    await fleet.worker([free.handle((bytes) => 'x'.repeat(Number(bytes) - 2))])
    await fleet.offer(free.task('fits', limits.outputBytesMax))
    await fleet.offer(free.task('does not', limits.outputBytesMax + 1))
    const [fits, doesNot] = fleet.receipts()
    expect(fits?.status).toBe('completed')
    expect(doesNot).toMatchObject({ status: 'failed', output: null, error: { code: 'TOO_LARGE', retryable: false } })
    expect(fleet.events.at(-1)?.data).toMatchObject({ status: 'failed' })
  })

  it('fails for good if the whole receipt would be too large, however it came to be', async () => {
    const fleet = new WorkerFleet()
    await fleet.worker([
      free.handle((_input, task) => {
        for (let i = 0; i < 40; i++) task.spawn(free.task(`t-${i}`, 'x'.repeat(10_000)))
        return null
      }),
    ])
    await fleet.offer(free.task('t', null))
    const [receipt] = fleet.receipts()
    expect(receipt).toMatchObject({ status: 'failed', error: { code: 'TOO_LARGE', retryable: false } })
    expect(receipt).not.toHaveProperty('spawnRequests')
  })
})
