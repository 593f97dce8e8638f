import { generateKeyPairSync, verify } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { RunId } from '../src/protocol/ids.js'
import { signedBytes } from '../src/protocol/receipt.js'
import { defineTask } from '../src/worker/define-task.js'
import { startWorker, type WorkerOptions } from '../src/worker/start-worker.js'
import { runId, WorkerFleet } from './worker-fleet.js'

const free = defineTask('free', { input: z.unknown(), output: z.unknown() })
const handlers = [free.handle((input) => input)]

/** Offers the tasks at once. */
async function offerAll(fleet: WorkerFleet, ids: readonly string[], run: RunId = runId) {
  await fleet.coordinator.queue.offer(ids.map((id) => fleet.offerOf(free.task(id, null), { runId: run })))
  await fleet.clock.settle()
}

const messages = (fleet: WorkerFleet, run: RunId = runId) => fleet.backend.messagesOf(run)

describe('receipts on their way', () => {
  it('that are ready at the same time share one send', async () => {
    const fleet = new WorkerFleet()
    await fleet.worker(handlers)
    await offerAll(fleet, ['a', 'b', 'c', 'd', 'e'])
    expect(fleet.sends).toEqual([5])
  })

  it('gather while the send before is under way', async () => {
    const fleet = new WorkerFleet()
    await fleet.worker(handlers)
    let release = (): void => {}
    const held = new Promise<'go'>((resolve) => {
      release = () => resolve('go')
    })
    let first = true
    fleet.intercept(({ method, phase }) => {
      if (method !== 'send' || phase !== 'after' || !first) return 'go'
      first = false
      return held
    })
    await offerAll(fleet, ['a'])
    await offerAll(fleet, ['b'])
    await offerAll(fleet, ['c'])
    expect(messages(fleet)).toHaveLength(1)
    release()
    await fleet.clock.settle()
    expect(messages(fleet)).toHaveLength(3)
    expect(fleet.sends).toEqual([2])
  })

  it('are numbered from 1 without gaps, per run, under a name that no other process has', async () => {
    const fleet = new WorkerFleet()
    const other = 'run-2' as RunId
    await fleet.worker(handlers, { workerId: 'w' })
    await offerAll(fleet, ['a', 'b'])
    await offerAll(fleet, ['a', 'b', 'c'], other)
    await offerAll(fleet, ['c'])
    expect(messages(fleet).map(({ seq }) => seq)).toEqual([1, 2, 3])
    expect(messages(fleet, other).map(({ seq }) => seq)).toEqual([1, 2, 3])
    const senders = new Set([...messages(fleet), ...messages(fleet, other)].map(({ sender }) => sender))
    expect([...senders]).toEqual([expect.stringMatching(/^w\.[a-z0-9]{16,}$/)])

    const again = new WorkerFleet()
    again.clock.process()
    await again.worker(handlers, { workerId: 'w' })
    await offerAll(again, ['a'])
    expect(messages(again)[0]?.sender).not.toBe([...senders][0])
  })

  it('are told to their owner with the message that each travels in, also when a send has failed before', async () => {
    const fleet = new WorkerFleet()
    await fleet.worker(handlers)
    await offerAll(fleet, ['a', 'b', 'c'])
    let failing = true
    fleet.intercept(({ method, phase }) => (failing && method === 'send' && phase === 'before' ? 'fail' : 'go'))
    await offerAll(fleet, ['d', 'e'])
    failing = false
    await fleet.clock.advance(60_000)
    const told = fleet.events.flatMap(({ name, data }) =>
      name === 'receipt' ? [data as { taskId: string; cause: { sender: string; seq: number } }] : [],
    )
    const sent = messages(fleet).map(({ sender, seq, body }) => ({
      taskId: JSON.parse(body).taskId,
      cause: { sender, seq },
    }))
    expect(told.map(({ taskId, cause }) => ({ taskId, cause }))).toEqual(sent)
    expect(sent).toHaveLength(5)
  })

  it('have ids of their own', async () => {
    const fleet = new WorkerFleet()
    await fleet.worker(handlers)
    await fleet.worker(handlers)
    await offerAll(
      fleet,
      Array.from({ length: 40 }, (_, i) => `t-${i}`),
    )
    expect(new Set(fleet.receipts().map(({ receiptId }) => receiptId)).size).toBe(40)
  })

  it('are sent again with the same numbers until the inbox takes them, and none overtakes', async () => {
    const fleet = new WorkerFleet()
    await fleet.worker(handlers)
    let failures = 4
    fleet.intercept(({ method, phase }) => {
      if (method !== 'send' || failures === 0) return 'go'
      // Every other time the messages arrive and only the reply is lost.
      if (phase === (failures % 2 === 0 ? 'before' : 'after')) {
        failures--
        return 'fail'
      }
      return 'go'
    })
    await offerAll(fleet, ['a', 'b'])
    await offerAll(fleet, ['c', 'd'])
    await fleet.clock.runUntil(() => fleet.receipts().length === 4)
    expect(fleet.receipts().map(({ taskId }) => taskId)).toEqual(['a', 'b', 'c', 'd'])
    expect(messages(fleet).map(({ seq }) => seq)).toEqual([1, 2, 3, 4])
    expect(fleet.errors()).toHaveLength(4)
    expect(fleet.errors()).toMatchObject(Array(4).fill({ code: 'ADAPTER_UNAVAILABLE' }))
  })

  it('wait longer and longer between tries, but never more than five seconds', async () => {
    const fleet = new WorkerFleet()
    await fleet.worker(handlers)
    const tries: number[] = []
    fleet.intercept(({ method, phase }) => {
      if (method !== 'send' || phase !== 'before') return 'go'
      tries.push(fleet.clock.now())
      return 'fail'
    })
    await offerAll(fleet, ['a'])
    await fleet.clock.runUntil(() => tries.length === 12)
    const waits = tries.slice(1).map((at, i) => at - (tries[i] ?? 0))
    expect(waits.slice(0, 3)).toEqual([50, 100, 200])
    expect(Math.max(...waits)).toBe(5000)
  })

  it('that the inbox refuses for good are dropped, and what follows has a new sender', async () => {
    const fleet = new WorkerFleet()
    const { adapter, worker } = await fleet.worker(handlers)
    const send = adapter.inbox.send
    const { RepriseError } = await import('../src/protocol/errors.js')
    await offerAll(fleet, ['a'])
    Object.assign(adapter.inbox, {
      send: () => Promise.reject(new RepriseError('RUN_UNKNOWN', 'the run was removed')),
    })
    await offerAll(fleet, ['b'])
    Object.assign(adapter.inbox, { send })
    await offerAll(fleet, ['c'])
    expect(fleet.receipts().map(({ taskId }) => taskId)).toEqual(['a', 'c'])
    const [before, after] = messages(fleet)
    expect(after?.seq).toBe(1)
    expect(after?.sender).not.toBe(before?.sender)
    expect(fleet.errors()).toMatchObject([{ code: 'RUN_UNKNOWN' }])
    expect(worker.running).toBe(0)
  })

  it('for more runs than are remembered never use a number twice', async () => {
    const fleet = new WorkerFleet()
    await fleet.worker(handlers)
    await offerAll(fleet, ['a'])
    for (let i = 0; i < 1100; i += 100) {
      const runs = Array.from({ length: 100 }, (_, k) => `other-${i + k}` as RunId)
      await fleet.coordinator.queue.offer(runs.map((run) => fleet.offerOf(free.task('t', null), { runId: run })))
      await fleet.clock.settle()
    }
    await offerAll(fleet, ['b'])
    const [first, second] = messages(fleet)
    expect(second?.seq).toBe(1)
    expect(second?.sender).not.toBe(first?.sender)
  })
})

describe('signed receipts', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

  it.each([
    ['a PEM text', pem],
    ['a KeyObject', privateKey],
  ])('verify with the public half of a key given as %s', async (_what, key) => {
    const fleet = new WorkerFleet()
    await fleet.worker(handlers, { signingKey: { keyId: 'k-1', privateKey: key } })
    await offerAll(fleet, ['a'])
    const [receipt] = fleet.receipts()
    const { keyId, value } = receipt?.signature ?? { keyId: '', value: '' }
    expect(keyId).toBe('k-1')
    expect(verify(null, signedBytes(keyId, receipt?.checksum ?? ''), publicKey, Buffer.from(value, 'base64'))).toBe(
      true,
    )
  })

  it.each([
    ['is no key', 'not a key SECRET'],
    ['is public', publicKey],
    ['is of another kind', generateKeyPairSync('x25519').privateKey],
  ])('cannot be had with a key that %s, and the refusal does not quote it', async (_what, key) => {
    const fleet = new WorkerFleet()
    const starting = startWorker({
      adapter: fleet.coordinator,
      handlers,
      signingKey: { keyId: 'k-1', privateKey: key },
    } as WorkerOptions)
    await expect(starting).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.not.stringContaining('SECRET'),
    })
  })
})
