import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type TaskChain, taskChain } from '../src/coordinator/task-chain.js'
import type { MemoryAdapter } from '../src/memory/memory-adapter.js'
import { RepriseError } from '../src/protocol/errors.js'
import type { TaskId } from '../src/protocol/ids.js'
import { defineTask } from '../src/worker/define-task.js'
import { startWorker } from '../src/worker/start-worker.js'
import type { TaskContext } from '../src/worker/task-context.js'
import { RunStage, request, runId } from './run-stage.js'

const links = [
  ...(['planned', 'dispatched', 'offered', 'claimed'] as const),
  ...(['receipt-sent', 'recorded', 'acknowledged', 'settled'] as const),
]
const work = defineTask('count', { input: z.object({ path: z.string() }), output: z.object({ lines: z.number() }) })
const forever = (): Promise<never> => new Promise(() => {})

const chainOf = (stage: RunStage, taskId = 't1', adapter = stage.outside.adapter): Promise<TaskChain> =>
  stage.clock.run(taskChain({ adapter, runId, taskId }))

/** How many links are done, from the first without a gap, and the state of those behind. */
function statesOf(chain: TaskChain): [done: number, rest: string] {
  expect(chain.links.map(({ link }) => link)).toEqual(links)
  const states = chain.links.map(({ state }) => state)
  const done = states.findIndex((state) => state !== 'done')
  return done === -1 ? [states.length, ''] : [done, states.slice(done).join(' ')]
}

const allMissing = (count: number): string => Array<string>(count).fill('missing').join(' ')
const linkOf = (chain: TaskChain, name: (typeof links)[number]) => chain.links.find(({ link }) => link === name)

/** A worker in a process of its own. */
async function worker(
  stage: RunStage,
  handle: (task: TaskContext) => unknown,
  options: object = {},
): Promise<MemoryAdapter> {
  const { adapter, runtime } = stage.process()
  const handler = work.handle((_input, task) => handle(task) as { lines: number })
  await stage.clock.run(startWorker({ adapter, runtime, handlers: [handler], workerId: 'w-1', ...options }))
  return adapter
}

const begin = async (policy: object = {}, tasks = [request('t1')]) => {
  const stage = new RunStage()
  const holding = await stage.open({ policy })
  await stage.clock.run(holding.run.dispatch(tasks))
  return { stage, ...holding }
}

describe('the chain of a task', () => {
  it('is refused for ids that are none, runs that there are not and tasks that a run does not have', async () => {
    const { stage } = await begin()
    const { adapter } = stage.outside
    const codeOf = (runId: string, taskId: string) =>
      stage.clock.run(taskChain({ adapter, runId, taskId }).catch((error: RepriseError) => error.code))
    expect([await codeOf('no id', 't1'), await codeOf(runId, '')]).toEqual(['INVALID_ID', 'INVALID_ID'])
    expect([await codeOf('run-9', 't1'), await codeOf(runId, 't9')]).toEqual(['RUN_UNKNOWN', 'TASK_UNKNOWN'])
    expect(await codeOf(runId, 't1')).toMatchObject({ taskId: 't1' })
    adapter.close()
    expect(await codeOf(runId, 't1')).toBe('CLOSED')
  })

  it.each([
    ['tasks that it needs', {}, [request('t0'), request('t1', { after: ['t0'] })], /for 1 task to be accepted \(t0\)/],
    ['a time', {}, [request('t1', { notBefore: '2031-01-01T00:00:00.000Z' })], /until 2031-01-01T00:00:00.000Z/],
    ['a slot', { inFlightMax: 1 }, [request('t0', { priority: 9 }), request('t1')], /for a slot: 1 attempts? are out/],
  ])('shows that an attempt waits for %s', async (_what, policy, tasks, text) => {
    const { stage } = await begin(policy, tasks)
    const chain = await chainOf(stage)
    expect(statesOf(chain)).toEqual([1, allMissing(7)])
    expect(chain).toMatchObject({ phase: 'planned', attempt: 1, earlier: [], refused: { total: 0, newest: [] } })
    expect(chain.firstMissing).toMatchObject({ link: 'dispatched', text: expect.stringMatching(text) })
    expect(linkOf(chain, 'planned')?.version).toBeGreaterThan(0)
  })

  it.each(['pause', 'block'] as const)('shows that an attempt waits because of a %s', async (type) => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.clock.run(run.execute({ type, reason: 'the\ndisk is full' }))
    await stage.clock.run(run.dispatch(request('t1')))
    const { firstMissing } = await chainOf(stage)
    expect(firstMissing?.text).toMatch(
      type === 'pause' ? /paused \(the\\ndisk is full\): unpause it/ : /blocked .*: unblock it/,
    )
  })

  it('shows that an attempt waits for a decision on what came back, or for a coordinator', async () => {
    const { stage, run, adapter } = await begin({ evaluateFirst: true, inFlightMax: 1 }, [request('t0'), request('t1')])
    await stage.answer('t0')
    expect((await chainOf(stage)).firstMissing?.text).toMatch(/for a decision on 1 receipt/)
    adapter.kill()
    // A large decision stands in several commits; it died between two of them.
    const task = { ...request('t2'), lane: 'default', priority: 5, after: [], depth: 0 }
    const planned = { type: 'planned', v: 1, data: { taskId: 't2', attempt: 1, why: 'no-slot', task } }
    const accepted = { type: 'task-accepted', v: 1, data: { taskId: 't0', attempt: 1 } }
    stage.append([accepted, planned], 'coordinator', run.status.epoch)
    const { firstMissing } = await chainOf(stage, 't2')
    expect(firstMissing).toMatchObject({ link: 'dispatched' })
    expect(firstMissing?.text).toMatch(/for the coordinator: by the log .* holds the run: if it is gone, open the run$/)
  })

  it('names offered when its coordinator was killed between the commit and the offer', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    stage.spoil('queue.offer', 'kill')
    void run.dispatch(request('t1'))
    await stage.clock.advance(1000)
    const chain = await chainOf(stage)
    expect(statesOf(chain)).toEqual([2, allMissing(6)])
    expect(chain.firstMissing).toMatchObject({
      link: 'offered',
      text: expect.stringMatching(/if it is gone, open the run/),
    })
    expect(linkOf(chain, 'dispatched')).toMatchObject({
      version: expect.any(Number),
      at: expect.stringMatching(/^2030-/),
    })
    await stage.open({ takeover: 'now' })
    expect((await chainOf(stage)).firstMissing?.link).toBe('claimed')
  })

  it('names claimed while nobody serves the lane, and says which lane and kind', async () => {
    const { stage } = await begin({}, [request('t1', { lane: 'gpu' })])
    const chain = await chainOf(stage)
    expect(statesOf(chain)).toEqual([3, allMissing(5)])
    expect(chain.firstMissing).toMatchObject({
      link: 'claimed',
      text: expect.stringMatching(/on lane gpu until .*: start a worker for that lane and for tasks of kind count/),
    })
  })

  it('names claimed when its worker has died, and counts how often it came back', async () => {
    const { stage } = await begin()
    const dying = await worker(stage, forever)
    dying.kill()
    await stage.clock.advance(1)
    const chain = await chainOf(stage)
    expect(statesOf(chain)).toEqual([3, allMissing(5)])
    expect(chain.firstMissing?.text).toMatch(/was handed out 1 time before: look why its workers died/)
  })

  it('names receipt-sent while a worker has it, and the worker, also one that is dead and not missed yet', async () => {
    const { stage } = await begin()
    const dying = await worker(stage, forever)
    for (const _ of ['alive', 'dead']) {
      const chain = await chainOf(stage)
      expect(statesOf(chain)).toEqual([4, allMissing(4)])
      expect(linkOf(chain, 'claimed')).toMatchObject({ workerId: 'w-1', at: expect.stringMatching(/^2030-/) })
      expect(linkOf(chain, 'claimed')?.evidence).toMatch(/worker w-1 has it, handed out once, last heartbeat 2030-/)
      expect(chain.firstMissing).toMatchObject({ link: 'receipt-sent', state: 'missing' })
      dying.kill({ noticed: false })
    }
  })

  it('names recorded when the coordinator died before the receipt came, and whoever opens the run records it', async () => {
    const { stage, adapter } = await begin()
    adapter.kill()
    // The worker dies between the receipt and its end: the queue still says that it has the attempt.
    const { adapter: dying, runtime } = stage.process()
    stage.spoil('queue.settle', 'kill')
    const handlers = [work.handle(() => ({ lines: 1 }))]
    await stage.clock.run(startWorker({ adapter: dying, runtime, handlers, workerId: 'w-1' }))
    await stage.clock.settle()
    const chain = await chainOf(stage)
    expect(statesOf(chain)).toEqual([5, allMissing(3)])
    const [message] = stage.backend.messagesOf(runId)
    const place = { sender: message?.sender, seq: message?.seq }
    expect(linkOf(chain, 'receipt-sent')).toMatchObject({ workerId: 'w-1', message: place })
    expect(chain.firstMissing).toMatchObject({
      link: 'recorded',
      text: expect.stringMatching(/lies in the inbox .* open the run/),
    })
    await stage.open({ takeover: 'now' })
    await stage.clock.settle()
    const next = await chainOf(stage)
    expect(statesOf(next)).toEqual([7, 'missing'])
    expect(linkOf(next, 'recorded')).toMatchObject({ workerId: 'w-1', message: place })
  })

  it('names acknowledged when the coordinator died between the record and the acknowledgement', async () => {
    const { stage } = await begin()
    stage.spoil('inbox.ack', 'kill')
    await stage.answer('t1')
    const chain = await chainOf(stage)
    expect(statesOf(chain)).toEqual([6, allMissing(2)])
    expect(chain.firstMissing).toMatchObject({
      link: 'acknowledged',
      text: expect.stringMatching(/though it is recorded: nothing is lost/),
    })
    const { run } = await stage.open({ takeover: 'now' })
    expect(statesOf(await chainOf(stage))).toEqual([7, 'missing'])
    expect(run.status.counts.receiptsRejected).toBe(0)
  })

  it('names settled until somebody decides, and nothing once it is accepted', async () => {
    const { stage, run } = await begin()
    await stage.answer('t1')
    const chain = await chainOf(stage)
    expect(statesOf(chain)).toEqual([7, 'missing'])
    expect(chain).toMatchObject({
      phase: 'received',
      firstMissing: { link: 'settled', text: expect.stringMatching(/accept, reject or retry it/) },
    })
    await stage.clock.run(run.accept('t1'))
    const whole = await chainOf(stage)
    expect(statesOf(whole)).toEqual([8, ''])
    expect(whole).toMatchObject({ phase: 'accepted', firstMissing: null, version: stage.commits.at(-1)?.version })
    expect(JSON.parse(JSON.stringify(whole))).toEqual(whole)
    expect(await chainOf(stage)).toEqual(whole)
  })

  it('says of a receipt that was recorded and accepted, and is still in the inbox of a closed run, that nothing is to be done', async () => {
    const { stage, run } = await begin()
    const acknowledging = stage.hold('inbox.ack')
    await stage.answer('t1')
    await stage.clock.run(run.accept('t1'))
    await stage.clock.run(run.complete('done'))
    expect(acknowledging.held).toBe(1)
    const chain = await chainOf(stage)
    expect(chain.firstMissing).toMatchObject({
      link: 'acknowledged',
      text: expect.stringMatching(/nothing is to be done$/),
    })
    acknowledging.release()
    await stage.clock.settle()
    expect((await chainOf(stage)).firstMissing).toBe(null)
  })
})

describe('a refused receipt', () => {
  it('shows as sent and not recorded, with its gate, once its worker has done with the attempt', async () => {
    const publicKey = generateKeyPairSync('ed25519')
      .publicKey.export({ format: 'der', type: 'spki' })
      .toString('base64')
    const { stage } = await begin({ workerKeys: [{ keyId: 'k1', publicKey }] })
    await worker(stage, () => ({ lines: 1 }))
    await stage.clock.settle()
    const chain = await chainOf(stage)
    expect(statesOf(chain)).toEqual([5, allMissing(3)])
    expect(linkOf(chain, 'recorded')?.evidence).toMatch(/^refused by event \d+ at gate signature: /)
    expect(chain.firstMissing).toMatchObject({
      link: 'recorded',
      text: expect.stringMatching(/mend that, and wait until 2030-/),
    })
    expect(chain.refused).toMatchObject({ total: 1, newest: [{ gate: 'signature', attempt: 1, message: { seq: 1 } }] })
  })

  it('is forgotten once another receipt of the attempt lies in the inbox that no gate would stop', async () => {
    const { stage, adapter } = await begin()
    const untilAborted = ({ signal }: TaskContext) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    await worker(stage, untilAborted)
    await stage.answer('t1', { artifacts: [{ name: 'a', path: 'nowhere', sha256: '0'.repeat(64), bytes: 1 }] })
    expect(statesOf(await chainOf(stage))).toEqual([4, allMissing(4)])
    await stage.clock.run(stage.outside.adapter.queue.withdraw(runId, 't1' as TaskId, 1))
    await stage.clock.advance(10_000)
    const refused = await chainOf(stage)
    expect(refused.firstMissing?.text).toMatch(/refused by event \d+ at gate artifacts/)
    adapter.kill()
    await stage.answer('t1')
    const waiting = await chainOf(stage)
    expect(statesOf(waiting)).toEqual([5, allMissing(3)])
    expect(waiting.firstMissing?.text).toMatch(/its receipt lies in the inbox/)
  })

  it('that was forged changes no link, whether it lies in the inbox or was refused', async () => {
    const { stage, adapter } = await begin()
    await stage.answer('t1', { dispatchDigest: '0'.repeat(64) })
    const refused = await chainOf(stage)
    expect(statesOf(refused)).toEqual([3, allMissing(5)])
    expect(refused.refused).toMatchObject({ total: 1, newest: [{ gate: 'dispatch-digest' }] })
    adapter.kill()
    await stage.answer('t1', { dispatchDigest: '1'.repeat(64) })
    const waiting = await chainOf(stage)
    expect(statesOf(waiting)).toEqual([3, allMissing(5)])
    expect(linkOf(waiting, 'receipt-sent')?.evidence).toMatch(
      /message 2 of sender-1 says that it is its receipt, and will be refused at gate dispatch-digest/,
    )
  })

  it('is one of many of which the newest are kept, and all are counted', async () => {
    const { stage } = await begin()
    for (let i = 0; i < 20; i++) await stage.answer('t1', { attempt: 7 })
    const { refused } = await chainOf(stage)
    expect(refused.total).toBe(20)
    expect(refused.newest.map(({ message }) => message?.seq)).toEqual(Array.from({ length: 16 }, (_, i) => i + 5))
  })
})

describe('attempts that another has followed', () => {
  it('are told in short, and the chain is that of the newest', async () => {
    const { stage } = await begin({ attemptTimeoutMs: 60_000, retryBackoffMs: 30_000 })
    await stage.clock.advance(60_001)
    const second = await chainOf(stage)
    expect(second).toMatchObject({ phase: 'planned', attempt: 2, firstMissing: { link: 'dispatched' } })
    expect(second.firstMissing?.text).toMatch(/until 2030-01-01T00:01:30/)
    await worker(stage, () => Promise.reject(new Error('no luck')))
    expect(second.earlier).toMatchObject([
      { attempt: 1, dispatchedAt: '2030-01-01T00:00:00.000Z', workerId: null, status: null, ended: { how: 'expired' } },
    ])
    await stage.clock.advance(30_000)
    const third = await chainOf(stage)
    expect(third.attempt).toBe(3)
    expect(
      third.earlier.map(({ attempt, workerId, status, ended }) => [attempt, workerId, status, ended?.how]),
    ).toEqual([
      [1, null, null, 'expired'],
      [2, 'w-1', 'failed', 'rejected'],
    ])
  })

  it('are not followed by themselves once they are used up: a decision is missing', async () => {
    const { stage, run } = await begin({ attemptTimeoutMs: 60_000, attemptsMax: 1 })
    await stage.clock.advance(60_001)
    const chain = await chainOf(stage)
    expect(chain).toMatchObject({ phase: 'stopped', attempt: 1 })
    expect(chain.firstMissing?.text).toMatch(
      /^attempt 1 has stopped \(.*no receipt by .*\) and waits for a decision: retry, abandon or cancel/,
    )
    await stage.clock.run(run.abandon('t1', 'not worth it'))
    const settled = await chainOf(stage)
    expect(settled).toMatchObject({ phase: 'abandoned', firstMissing: null })
    expect(linkOf(settled, 'settled')?.evidence).toMatch(/^abandoned by event \d+: not worth it$/)
  })

  it('leave a late receipt in the inbox, which is not taken for that of the newest', async () => {
    const { stage, adapter } = await begin({ attemptTimeoutMs: 60_000, retryBackoffMs: 1 })
    const late = stage.receipt(stage.offer('t1'))
    await stage.clock.advance(61_000)
    adapter.kill()
    await stage.send('receipt', late)
    const chain = await chainOf(stage)
    expect(chain.attempt).toBe(2)
    expect(statesOf(chain)).toEqual([3, allMissing(5)])
  })
})

describe('what cannot be asked', () => {
  const failing = (why: string) => async () => {
    throw new RepriseError('ADAPTER_UNAVAILABLE', why)
  }

  it('is unknown, and what comes later in the log proves it all the same', async () => {
    const { stage } = await begin()
    const { adapter } = stage.outside
    const blind = {
      ...adapter,
      queue: { ...adapter.queue, locate: failing('this user may not locate') },
      inbox: { ...adapter.inbox, peek: failing('this user may not look') },
    }
    const before = await chainOf(stage, 't1', blind)
    expect(statesOf(before)).toEqual([2, 'unknown unknown unknown missing missing missing'])
    expect(before.firstMissing).toEqual({
      link: 'offered',
      state: 'unknown',
      text: 'the queue could not be asked: this user may not locate: ask again with an adapter that can and may tell',
    })
    await stage.answer('t1')
    expect(statesOf(await chainOf(stage, 't1', blind))).toEqual([6, 'unknown missing'])
  })

  it.each(['queue', 'inbox'] as const)(
    'is unknown also behind a receipt that was refused: another may be on its way, if the %s fails',
    async (port) => {
      const { stage } = await begin()
      const untilAborted = ({ signal }: TaskContext) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      await worker(stage, untilAborted)
      await stage.answer('t1', { artifacts: [{ name: 'a', path: 'nowhere', sha256: '0'.repeat(64), bytes: 1 }] })
      if (port === 'inbox') {
        await stage.clock.run(stage.outside.adapter.queue.withdraw(runId, 't1' as TaskId, 1))
        await stage.clock.advance(10_000)
        expect((await chainOf(stage)).firstMissing?.text).toMatch(/refused by event/)
      }
      const { adapter } = stage.outside
      const fails = { locate: failing('no'), peek: failing('no') }
      const chain = await chainOf(stage, 't1', { ...adapter, [port]: { ...adapter[port], ...fails } })
      expect(chain.refused.total).toBe(1)
      expect(chain.firstMissing).toMatchObject({
        state: 'unknown',
        text: expect.stringContaining(`the ${port} could not`),
      })
      if (port === 'queue') return
      const flood = { sender: 'flood', kind: 'receipt', body: '{}' } as const
      const peek = async () => Array.from({ length: 1_000 }, (_, i) => ({ ...flood, seq: i + 1 }))
      const full = await chainOf(stage, 't1', { ...adapter, inbox: { ...adapter.inbox, peek } })
      expect(full.firstMissing).toMatchObject({ state: 'unknown' })
    },
  )

  it('leaves open whether an attempt that has left the queue was offered, if its receipt may lie in an inbox', async () => {
    const { stage, adapter } = await begin()
    adapter.kill()
    await worker(stage, () => ({ lines: 1 }))
    await stage.clock.runUntil(() => stage.queued.length === 0)
    expect(statesOf(await chainOf(stage))).toEqual([5, allMissing(3)])
    const { inbox } = stage.outside.adapter
    const chain = await chainOf(stage, 't1', { ...stage.outside.adapter, inbox: { ...inbox, peek: failing('no') } })
    expect(statesOf(chain)).toEqual([2, 'unknown unknown unknown missing missing missing'])
    const flood = { sender: 'flood', kind: 'receipt', body: '{}' } as const
    const full = { ...inbox, peek: async () => Array.from({ length: 1_000 }, (_, i) => ({ ...flood, seq: i + 1 })) }
    const { firstMissing } = await chainOf(stage, 't1', { ...stage.outside.adapter, inbox: full })
    expect(firstMissing).toMatchObject({
      link: 'offered',
      state: 'unknown',
      text: expect.stringMatching(/taken more of it in$/),
    })
  })

  it('is unknown as well when more lies in the inbox than one look shows', async () => {
    const { stage, adapter } = await begin()
    await worker(stage, forever)
    adapter.kill()
    const flood = Array.from(
      { length: 1_000 },
      (_, i) => ({ sender: 'flood', seq: i + 1, kind: 'receipt', body: '{}' }) as const,
    )
    await stage.clock.run(stage.outside.adapter.inbox.send(runId, flood))
    const { firstMissing } = await chainOf(stage)
    expect(firstMissing).toMatchObject({ link: 'receipt-sent', state: 'unknown' })
    expect(firstMissing?.text).toMatch(/ask again when a coordinator has taken more of it in$/)
  })

  it('is a log that contradicts itself: LOG_CORRUPT, with the commit that does', async () => {
    const { stage } = await begin()
    const index = stage.commits.length
    stage.append([{ type: 'task-rejected', v: 1, data: { taskId: 'nobody' } }], 'forger', 2)
    await expect(chainOf(stage)).rejects.toMatchObject({ code: 'LOG_CORRUPT', details: { index } })
  })

  it('is asked again when the log goes on meanwhile: no link is missing that the log has', async () => {
    const { stage, run } = await begin()
    const { adapter } = stage.outside
    let peeks = 0
    const moving = {
      ...adapter,
      inbox: {
        ...adapter.inbox,
        // Between the first reading of the log and this look, the receipt comes, is recorded and acknowledged.
        peek: async (id: typeof runId, max: number) => {
          peeks++
          if (peeks === 1)
            await adapter.inbox.send(runId, [
              { sender: 's', seq: 1, kind: 'receipt', body: stage.receipt(stage.offer('t1')) },
            ])
          while (run.status.counts.received === 0 || stage.backend.messagesOf(runId).length > 0)
            await stage.outside.runtime.sleep(1)
          return adapter.inbox.peek(id, max)
        },
      },
    }
    const chain = await chainOf(stage, 't1', moving)
    expect(statesOf(chain)).toEqual([7, 'missing'])
    expect(peeks).toBe(2)
  })

  it('is asked in the order in which a receipt travels: one that is sent meanwhile does not pass by unseen', async () => {
    const { stage, adapter } = await begin()
    adapter.kill()
    let finish = (): void => {}
    const wanted = new Promise<void>((resolve) => {
      finish = resolve
    })
    await worker(stage, async () => {
      await wanted
      return { lines: 1 }
    })
    const outside = stage.outside.adapter
    const slow = {
      ...outside,
      queue: {
        ...outside.queue,
        // While the queue is asked, the worker sends its receipt and is done with the attempt.
        locate: async (...attempt: Parameters<typeof outside.queue.locate>) => {
          finish()
          while (stage.queued.length > 0) await stage.outside.runtime.sleep(1)
          return outside.queue.locate(...attempt)
        },
      },
    }
    const chain = await chainOf(stage, 't1', slow)
    expect(statesOf(chain)).toEqual([5, allMissing(3)])
    expect(chain.firstMissing?.text).toMatch(/its receipt lies in the inbox/)
  })

  it('shows what comes from outside on one line', async () => {
    const { stage, adapter } = await begin()
    adapter.kill()
    const offer = stage.offer('t1')
    const worker = { id: 'evil\n## Done', host: 'h', pid: 1 }
    await stage.send('receipt', stage.receipt(offer, { worker }), 'sender\u2028one')
    const unfit = linkOf(await chainOf(stage), 'receipt-sent')
    expect(unfit?.evidence).toMatch(
      /of sender\\u\{2028\}one says that it is its receipt, and will be refused at gate schema/,
    )
    await stage.send('receipt', stage.receipt(offer), 'sender\u2028two')
    const chain = await chainOf(stage)
    expect(linkOf(chain, 'receipt-sent')).toMatchObject({ state: 'done', message: { sender: 'sender\u2028two' } })
    for (const { evidence } of chain.links) expect(evidence).not.toMatch(/[\n\u2028]/)
    expect(chain.firstMissing?.text).not.toMatch(/[\n\u2028]/)
  })
})
