import { describe, expect, it } from 'vitest'
import type { InboxMessage, Offer, RunId, TaskId } from '../src/adapter.js'
import { encodeCommit, genesisHash, MemoryBackend, memoryAdapter, SimulatedClock } from '../src/testing.js'

const runId = 'run-1' as RunId
const record = encodeCommit(
  { index: 0, version: 1, epoch: 0, at: '2030-01-01T00:00:00.000Z', actor: 'test', prev: genesisHash },
  ['{"type":"note-added","v":1,"data":{"text":"x"}}'],
)
const offer = (taskId: string): Offer => ({
  runId,
  taskId: taskId as TaskId,
  attempt: 1,
  lane: 'default',
  digest: 'd',
  body: '{}',
})
const message = (sender: string, seq: number): InboxMessage => ({ sender, seq, kind: 'command', body: '{}' })
const holder = { id: 'coordinator-1', host: 'host-1', pid: 1 }
const consuming = { workerId: 'worker-1', concurrency: 1, claimTtlMs: 3000 }

function simulation(seed = 1) {
  const clock = new SimulatedClock({ seed })
  const backend = new MemoryBackend()
  const open = () => {
    const runtime = clock.process()
    return { runtime, ...memoryAdapter({ backend, runtime }) }
  }
  return { clock, backend, open }
}

const settles = async (clock: SimulatedClock, promise: Promise<unknown>): Promise<boolean> => {
  let settled = false
  const settle = () => {
    settled = true
  }
  promise.then(settle, settle)
  await clock.advance(60_000)
  return settled
}

describe('memory adapter under faults', () => {
  it('fails an append before it happened', async () => {
    const { backend, open } = simulation()
    const adapter = open()
    backend.intercept = ({ phase }) => (phase === 'before' ? 'fail' : 'go')
    await expect(adapter.log.append(runId, record)).rejects.toMatchObject({ code: 'ADAPTER_UNAVAILABLE' })
    expect(backend.recordsOf(runId)).toEqual([])
  })

  it('fails an append after it happened, and takes the same record again', async () => {
    const { backend, open } = simulation()
    const adapter = open()
    backend.intercept = ({ phase }) => (phase === 'after' ? 'fail' : 'go')
    await expect(adapter.log.append(runId, record)).rejects.toMatchObject({ code: 'ADAPTER_UNAVAILABLE' })
    backend.intercept = () => 'go'
    await adapter.log.append(runId, record)
    expect(backend.recordsOf(runId)).toEqual([record])
  })

  it('kills the caller in the middle of a call, which then never settles', async () => {
    const { clock, backend, open } = simulation()
    const [adapter, other] = [open(), open()]
    backend.intercept = ({ pid, phase }) => (pid === adapter.runtime.pid && phase === 'after' ? 'kill' : 'go')
    expect(await settles(clock, adapter.log.append(runId, record))).toBe(false)
    expect(await settles(clock, adapter.runtime.sleep(1))).toBe(false)
    expect(await clock.run(other.log.head(runId))).toEqual({ index: 0, hash: record.hash })
  })

  it('delays a call while its interceptor is pending, and while its process is paused', async () => {
    const { clock, backend, open } = simulation()
    const adapter = open()
    const slow = clock.process()
    backend.intercept = ({ phase }) => (phase === 'before' ? slow.sleep(500).then(() => 'go' as const) : 'go')
    const startedAt = clock.now()
    await clock.run(adapter.log.append(runId, record))
    expect(clock.now() - startedAt).toBe(500)
    adapter.runtime.pause()
    const head = adapter.log.head(runId)
    expect(await settles(clock, head)).toBe(false)
    adapter.runtime.resume()
    expect(await clock.run(head)).toMatchObject({ index: 0 })
  })

  it.each([
    { noticed: true, reason: 'process-gone', afterMs: 0 },
    { noticed: false, reason: 'lease-expired', afterMs: 3000 },
  ])('frees the lease of a dead process: $reason', async ({ noticed, reason, afterMs }) => {
    const { clock, open } = simulation()
    const [dead, heir] = [open(), open()]
    await dead.leases.acquire('run/run-1', holder, 3000)
    dead.kill({ noticed })
    await clock.advance(afterMs)
    const lease = await clock.run(heir.leases.acquire('run/run-1', { ...holder, id: 'coordinator-2' }, 3000))
    expect(lease).toMatchObject({ held: true, takenFrom: { holder, reason } })
  })

  it.each([true, false])('delivers again what a dead worker held (noticed: %s)', async (noticed) => {
    const { clock, open } = simulation()
    const [dead, heir] = [open(), open()]
    const seen: string[] = []
    await dead.queue.offer([offer('a')])
    await dead.queue.consume('default', () => new Promise(() => {}), consuming)
    await clock.settle()
    dead.kill({ noticed })
    const take = async ({ deliveries }: { deliveries: number }) => {
      seen.push(`delivery ${deliveries}`)
    }
    await clock.run(heir.queue.consume('default', take, { ...consuming, workerId: 'worker-2' }))
    await clock.runUntil(() => seen.length > 0, 5000)
    await clock.advance(60_000)
    expect(seen).toEqual(['delivery 2'])
  })

  it('hands an attempt to another worker when heartbeats fail, and tells the first that it lost it', async () => {
    const { clock, backend, open } = simulation()
    const [silent, heir] = [open(), open()]
    backend.intercept = ({ method, pid }) => (method === 'heartbeat' && pid === silent.runtime.pid ? 'fail' : 'go')
    const failures: unknown[] = []
    const signals: AbortSignal[] = []
    const hold = async ({ signal }: { signal: AbortSignal }) => {
      signals.push(signal)
      await new Promise(() => {})
    }
    await silent.queue.offer([offer('a')])
    await silent.queue.consume('default', hold, { ...consuming, onError: (error) => failures.push(error) })
    await clock.settle()
    await heir.queue.consume('default', hold, { ...consuming, workerId: 'worker-2' })
    await clock.runUntil(() => signals.length === 2, 10_000)
    expect(failures).not.toEqual([])
    backend.intercept = () => 'go'
    await clock.runUntil(() => signals[0]?.aborted === true, 10_000)
    expect(signals[0]?.reason).toMatchObject({ code: 'CLAIM_LOST' })
    expect(signals[1]?.aborted).toBe(false)
  })

  it('delivers messages again when their acknowledgement is lost', async () => {
    const { clock, backend, open } = simulation()
    const adapter = open()
    const batches: number[][] = []
    let failures = 2
    backend.intercept = ({ method, phase }) =>
      method === 'ack' && phase === 'before' && failures-- > 0 ? 'fail' : 'go'
    const stop = new AbortController()
    await adapter.inbox.send(runId, [message('a', 1), message('a', 2)])
    const receive = async (messages: readonly InboxMessage[]) => {
      batches.push(messages.map(({ seq }) => seq))
    }
    const receiving = adapter.inbox.receive(runId, receive, stop.signal)
    await clock.advance(1000)
    stop.abort()
    await clock.run(receiving)
    expect(batches).toEqual([
      [1, 2],
      [1, 2],
      [1, 2],
    ])
    expect(backend.messagesOf(runId)).toEqual([])
  })

  it('mixes senders and order of delivery as it is told, each sender in order', async () => {
    const { clock, backend, open } = simulation(3)
    backend.choose = (count) => Math.floor(clock.random() * count)
    const adapter = open()
    const seen: string[] = []
    const stop = new AbortController()
    for (const sender of ['a', 'b', 'c']) {
      await adapter.inbox.send(
        runId,
        [1, 2, 3, 4].map((seq) => message(sender, seq)),
      )
    }
    const receive = async (messages: readonly InboxMessage[]) => {
      for (const { sender, seq } of messages) seen.push(`${sender}${seq}`)
    }
    void adapter.inbox.receive(runId, receive, stop.signal)
    await clock.settle()
    expect(seen).not.toEqual([...seen].sort())
    for (const sender of ['a', 'b', 'c']) {
      expect(seen.filter((one) => one.startsWith(sender))).toEqual([1, 2, 3, 4].map((seq) => `${sender}${seq}`))
    }
  })

  it('lets a test change an artifact behind its back, and notices', async () => {
    const { clock, backend, open } = simulation()
    const adapter = open()
    const source = async function* () {
      yield Buffer.from('hello')
    }
    const stored = await clock.run(adapter.artifacts.put(source(), 100))
    expect(await adapter.artifacts.check(stored, 100)).toEqual({ ok: true, artifact: stored })
    backend.files.set(stored.path, Buffer.from('hellO'))
    expect(await adapter.artifacts.check(stored, 100)).toMatchObject({ ok: false, reason: 'wrong-digest' })
  })
})
