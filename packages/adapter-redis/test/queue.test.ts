import { fork } from 'node:child_process'
import { once } from 'node:events'
import { isRepriseError, type TaskId } from '@reprise/core/adapter'
import { startRedis, type TestServer } from '@reprise/test-servers'
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest'
import { redisKeys } from '../src/keys.js'
import { jobId, laneKeys, queueName } from '../src/queue/lane-keys.js'
import { uncountDelivery, withdrawAttempt } from '../src/queue/queue-scripts.js'
import { anOffer, gate, offersNamed, open, prefix, record, run, startWorkerProcess, until } from './queue-stage.js'

let server: TestServer
beforeAll(async () => {
  server = await startRedis({ private: true })
})
afterAll(() => server[Symbol.asyncDispose]())
beforeEach(async () => {
  const redis = client()
  // Before the server has noticed that the workers of the last test are gone, it may still hand them something.
  await until(
    async () =>
      String(await redis.client('LIST'))
        .trim()
        .split('\n').length === 1,
    'nobody else is left',
  )
  await redis.flushall()
})

const keys = laneKeys(redisKeys(prefix), 'default')
const idOf = (taskId: string): string => jobId(run, taskId, 1)

function client(): Redis {
  const redis = new Redis(server.url, { maxRetriesPerRequest: null })
  onTestFinished(() => redis.disconnect())
  return redis
}

const reasonCode = (signal: AbortSignal | undefined): unknown =>
  isRepriseError(signal?.reason) ? signal.reason.code : signal?.reason

it('stores an attempt in the form in which BullMQ itself stores a job', async () => {
  const redis = client()
  const queue = new Queue(queueName, { connection: redis, prefix: keys.prefix })
  onTestFinished(() => queue.close())
  await queue.add('name', {}, { jobId: 'theirs' })
  const [theirs, marker] = [
    await redis.hgetall(keys.job('theirs')),
    await redis.call('ZRANGE', keys.marker, 0, -1, 'WITHSCORES'),
  ]
  await redis.flushall()
  await (await open(server.url)).queue.offer([anOffer('ours')])
  const ours = await redis.hgetall(keys.job(idOf('ours')))
  expect(Object.keys(ours).sort()).toEqual(Object.keys(theirs).sort())
  for (const field of ['delay', 'priority']) expect([field, ours[field]]).toEqual([field, theirs[field]])
  expect(await redis.lrange(keys.wait, 0, -1)).toEqual([idOf('ours')])
  expect(await redis.call('ZRANGE', keys.marker, 0, -1, 'WITHSCORES')).toEqual(marker)
  expect((await queue.getJob(idOf('ours')))?.data).toEqual({
    ...{ runId: run, taskId: 'ours', attempt: 1 },
    dispatch: { taskId: 'ours' },
  })
  expect(await queue.getJobCounts('wait', 'active', 'failed')).toEqual({ wait: 1, active: 0, failed: 0 })
})

it('claims as BullMQ itself does', async () => {
  const redis = client()
  const adapter = await open(server.url)
  const look = async (): Promise<unknown> => {
    const id = idOf('a')
    const hash = await redis.hgetall(keys.job(id))
    const { ats, pb, data } = hash
    const lockMs = await redis.pttl(keys.lock(id))
    return [
      Object.keys(hash).sort(),
      ats,
      pb,
      data,
      lockMs > 595_000 && lockMs <= 600_000,
      await redis.lrange(keys.active, 0, -1),
    ]
  }
  await adapter.queue.offer([anOffer('a')])
  const settings = { connection: redis, prefix: keys.prefix, name: 'w', lockDuration: 600_000, autorun: false }
  const worker = new Worker(queueName, null, settings)
  onTestFinished(() => worker.close(true))
  expect((await worker.getNextJob('token', { block: false }))?.id).toBe(idOf('a'))
  const theirs = await look()
  await redis.flushall()
  await adapter.queue.offer([anOffer('a')])
  const ours = await record(adapter, { workerId: 'w', claimTtlMs: 600_000 }, () => new Promise(() => {}))
  await until(() => ours.deliveries.length > 0, 'it is delivered')
  expect(await look()).toEqual(theirs)
})

it('keeps to what is set in BullMQ: a pause, a limit for all workers, priorities', async () => {
  const redis = client()
  const queue = new Queue(queueName, { connection: redis, prefix: keys.prefix })
  onTestFinished(() => queue.close())
  const adapter = await open(server.url)
  await adapter.queue.offer(offersNamed(6))
  await (await queue.getJob(idOf('task-3')))?.changePriority({ priority: 5 })
  await queue.pause()
  await queue.setGlobalConcurrency(1)
  await redis.config('RESETSTAT')
  let [running, most] = [0, 0]
  const worker = await record(adapter, { concurrency: 4 }, async () => {
    most = Math.max(most, ++running)
    await new Promise((resolve) => setTimeout(resolve, 2))
    running--
  })
  const looks = async (): Promise<number> =>
    Number(/cmdstat_bzpopmin:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1])
  await until(async () => (await looks()) > 0, 'it has looked, and waits')
  expect(worker.deliveries).toEqual([])
  await queue.resume()
  await until(() => worker.deliveries.length === 6 && running === 0, 'all are delivered')
  expect([most, worker.taskIds().sort()]).toEqual([1, offersNamed(6).map(({ taskId }) => taskId)])
})

it('loads BullMQ into processes that consume, not into those that offer', async () => {
  const child = fork(new URL('./offering-process.mjs', import.meta.url), [server.url, prefix])
  const [[loaded]] = await Promise.all([once(child, 'message'), once(child, 'exit')])
  expect(loaded).toEqual({ offering: false, consuming: true })
})

it('leaves nothing behind of what was settled or withdrawn, and keeps the events of BullMQ short', async () => {
  const redis = client()
  const adapter = await open(server.url)
  const gone = anOffer('gone')
  await adapter.queue.offer([...offersNamed(600), gone])
  await adapter.queue.withdraw(run, gone.taskId, 1)
  const worker = await record(adapter)
  await until(() => worker.deliveries.length >= 600, 'all are delivered')
  await worker.consumer.close({ drainMs: 20_000 })
  const left = await redis.keys(`${keys.jobs}*`)
  expect(left.filter((key) => key.includes('run-1'))).toEqual([])
  for (const list of [keys.wait, keys.active]) expect(await redis.llen(list)).toBe(0)
  expect(await redis.xlen(`${keys.jobs}events`)).toBeLessThan(300)
})

it('refuses an attempt that is there with another digest, and says which', async () => {
  const { queue } = await open(server.url)
  await queue.offer([anOffer('a'), anOffer('b', { attempt: 3 })])
  const again = queue.offer([anOffer('a'), anOffer('b', { attempt: 3, body: '"other"' }), anOffer('c')])
  await expect(again).rejects.toMatchObject({
    code: 'DISPATCH_MISMATCH',
    details: { runId: run, taskId: 'b', attempt: 3 },
  })
  expect((await queue.locate(run, 'c' as TaskId, 1)).at).toBe('queued')
})

it('costs one command per offer batch and one per job while there is work', async () => {
  const redis = client()
  const adapter = await open(server.url)
  const done = gate()
  await adapter.queue.offer([anOffer('warm-up')])
  const worker = await record(adapter, { concurrency: 4, claimTtlMs: 600_000 }, () => done.opened)
  await until(() => worker.deliveries.length > 0, 'the first is delivered')
  await redis.config('RESETSTAT')
  await adapter.queue.offer(offersNamed(400))
  await until(() => worker.deliveries.length >= 4, 'all slots are taken')
  done.open()
  await until(() => worker.deliveries.length >= 401, 'all are delivered')
  const stats = await redis.info('commandstats')
  const calls = (name: string): number => Number(stats.match(new RegExp(`cmdstat_${name}:calls=(\\d+)`))?.[1] ?? 0)
  expect(calls('evalsha') + calls('eval')).toBeLessThan(430)
  expect(calls('bzpopmin')).toBeLessThan(20)
})

it('tells a worker that its attempt was withdrawn long before its heartbeat asks', async () => {
  const [coordinator, adapter] = [await open(server.url), await open(server.url)]
  await coordinator.queue.offer([anOffer('a')])
  const worker = await record(adapter, { claimTtlMs: 600_000 }, () => new Promise(() => {}))
  await until(() => worker.deliveries.length > 0, 'it is delivered')
  await coordinator.queue.withdraw(run, anOffer('a').taskId, 1)
  await until(() => reasonCode(worker.deliveries[0]?.signal) === 'ATTEMPT_WITHDRAWN', 'its handler is told')
  expect(await coordinator.queue.locate(run, anOffer('a').taskId, 1)).toEqual({ at: 'unknown' })
})

it('tells a worker of a withdrawal by its heartbeat if it missed the news', async () => {
  const redis = client()
  const adapter = await open(server.url)
  await adapter.queue.offer([anOffer('a')])
  const worker = await record(adapter, { claimTtlMs: 15_000 }, () => new Promise(() => {}))
  await until(() => worker.deliveries.length > 0, 'it is delivered')
  // As `withdraw` does, but for the news, which go where nobody listens: a cut connection might be back in time.
  const id = idOf('a')
  const all = [keys.job(id), keys.lock(id), keys.wait, keys.active, keys.delayed, keys.stalled]
  expect(await redis.eval(withdrawAttempt.lua, all.length, ...all, id, 'unheard')).toBe(1)
  await until(() => reasonCode(worker.deliveries[0]?.signal) === 'ATTEMPT_WITHDRAWN', 'its handler is told')
})

it('drops a job whose data was removed, reports it, and delivers what is behind it', async () => {
  const redis = client()
  const adapter = await open(server.url)
  await adapter.queue.offer([anOffer('a'), anOffer('b')])
  await redis.del(keys.job(idOf('a')))
  const worker = await record(adapter)
  await until(() => worker.taskIds().includes('b'), 'the next is delivered')
  expect(worker.taskIds()).toEqual(['b'])
  expect(worker.errors).toMatchObject([{ code: 'DISPATCH_MISMATCH' }])
  await worker.consumer.close({ drainMs: 20_000 })
  expect(await redis.exists(keys.job(idOf('a')), keys.wait, keys.active)).toBe(0)
})

it('settles in peace what was removed while its handler ran', async () => {
  const redis = client()
  const adapter = await open(server.url)
  const done = gate()
  await adapter.queue.offer([anOffer('a'), anOffer('b')])
  const worker = await record(adapter, { concurrency: 1 }, () => done.opened)
  await until(() => worker.deliveries.length > 0, 'it is delivered')
  await redis.del(keys.job(idOf('a')))
  done.open()
  await until(() => worker.taskIds().includes('b'), 'the next is delivered')
  expect([worker.taskIds(), worker.errors]).toEqual([['a', 'b'], []])
})

it('takes up a claim again that ran out before anybody noticed', async () => {
  const redis = client()
  const adapter = await open(server.url)
  const done = gate()
  await adapter.queue.offer([anOffer('a')])
  const worker = await record(adapter, { claimTtlMs: 15_000 }, () => done.opened)
  await until(() => worker.deliveries.length > 0, 'it is delivered')
  // BullMQ's note that somebody has just looked for the dead: the next heartbeat comes before the next look.
  await redis.set(`${keys.jobs}stalled-check`, 'noted', 'PX', 600_000)
  // As after a pause of the server that was longer than the claim.
  await redis.del(keys.lock(idOf('a')))
  await until(async () => (await redis.exists(keys.lock(idOf('a')))) === 1, 'the next heartbeat has renewed it')
  done.open()
  await until(async () => (await adapter.queue.locate(run, anOffer('a').taskId, 1)).at === 'unknown', 'it is settled')
  expect(worker.deliveries.map(({ deliveries, signal }) => [deliveries, signal.aborted])).toEqual([[1, false]])
})

it('hands the work of a process that stood still to another, and the first cannot settle it any more', async () => {
  const claimTtlMs = 6_000
  const { queue } = await open(server.url)
  const done = gate()
  const blocked = await startWorkerProcess(server.url, { claimTtlMs, task: 'stubborn' })
  await queue.offer([anOffer('a')])
  await until(() => blocked.of('delivered').length > 0, 'the first has it')
  // No timer fires, no reply is read, until another has its work.
  blocked.process.kill('SIGSTOP')
  const heir = await record({ queue }, { claimTtlMs: 600_000 }, () => done.opened)
  await until(() => heir.deliveries.length > 0, 'the second has it')
  blocked.process.kill('SIGCONT')
  expect(heir.deliveries.map(({ deliveries }) => deliveries)).toEqual([2])
  await until(() => blocked.of('aborted').length > 0, 'the first was told')
  expect(blocked.of('aborted')).toMatchObject([{ taskId: 'a', code: 'CLAIM_LOST' }])
  await until(() => blocked.of('ended').length > 0, 'the handler of the first has ended')
  // It works on, and what it would settle now is still with the other.
  await queue.offer([anOffer('b')])
  await until(() => blocked.of('delivered').length + heir.deliveries.length >= 3, 'the next is delivered')
  expect(await queue.locate(run, anOffer('a').taskId, 1)).toMatchObject({ at: 'claimed', deliveries: 2 })
  done.open()
  await until(async () => (await queue.locate(run, anOffer('a').taskId, 1)).at === 'unknown', 'the second settled it')
})

it('hands over each of 5,000 attempts though one of three processes is killed', async () => {
  const adapter = await open(server.url)
  const settings = { concurrency: 16, claimTtlMs: 1_000 }
  const processes = await Promise.all([1, 2, 3].map(() => startWorkerProcess(server.url, settings)))
  await adapter.queue.offer(offersNamed(5_000))
  const [victim] = processes
  await until(() => (victim?.of('delivered').length ?? 0) > 100, 'the victim is at work')
  await victim?.kill()
  const ended = (): Set<unknown> => new Set(processes.flatMap((one) => one.of('ended').map(({ taskId }) => taskId)))
  await until(() => ended().size >= 5_000, 'every attempt was handled', 60_000)
  const redis = client()
  await until(async () => (await redis.exists(keys.wait, keys.active)) === 0, 'every attempt was settled', 60_000)
}, 120_000)

it('lets the process end once it is closed', async () => {
  const { queue } = await open(server.url)
  const worker = await startWorkerProcess(server.url, { task: 'forever' })
  await queue.offer([anOffer('a')])
  await until(() => worker.of('delivered').length > 0, 'it is at work')
  const exit = once(worker.process, 'exit')
  worker.process.send('close')
  expect(await exit).toEqual([0, null])
  // Its end may be known before its last words are read.
  await until(() => worker.of('aborted').length > 0, 'it has told')
  expect(worker.of('aborted')).toMatchObject([{ code: 'CLOSED' }])
  expect(await queue.locate(run, anOffer('a').taskId, 1)).toEqual({ at: 'queued', deliveries: 1 })
})

it('does not count what a consumer claimed while it was being closed', async () => {
  const adapter = await open(server.url)
  let seen = 0
  const worker = await record(adapter, { concurrency: 8 }, async () => {
    seen++
    // In the middle, with claims under way, however fast they are.
    if (seen === 20) void worker.consumer.close()
  })
  await adapter.queue.offer(offersNamed(300))
  await until(() => seen >= 20, 'it is at work')
  await worker.consumer.close()
  const found = await Promise.all(offersNamed(300).map(({ taskId }) => adapter.queue.locate(run, taskId, 1)))
  // Those that were handled may be settled or, cut short, handed out again: what nobody saw was never delivered.
  const handled = new Set(worker.taskIds())
  const untouched = found.filter((_, i) => !handled.has(`task-${i}`))
  expect(untouched.length).toBeGreaterThan(0)
  expect(new Set(untouched.map((one) => JSON.stringify(one)))).toEqual(new Set(['{"at":"queued","deliveries":0}']))
})

it('consumes a lane under a signal that has aborted already, and leaves nothing behind', async () => {
  const redis = client()
  const adapter = await open(server.url)
  await adapter.queue.offer([anOffer('a')])
  const worker = await record(adapter, { signal: AbortSignal.abort() })
  await worker.consumer.close()
  expect(worker.deliveries).toEqual([])
  const listeners = async () => (await redis.pubsub('NUMSUB', keys.withdrawn))[1]
  await until(async () => (await listeners()) === 0, 'the server has seen that nobody listens')
})

it('makes a job anew of which somebody left a part, and hands it over once', async () => {
  const redis = client()
  const adapter = await open(server.url)
  const names = ['waiting', 'claimed', 'delayed']
  await adapter.queue.offer(names.map((id) => anOffer(id)))
  await redis.lrem(keys.wait, 1, idOf('claimed'))
  await redis.lpush(keys.active, idOf('claimed'))
  await redis.set(keys.lock(idOf('claimed')), 'somebody', 'PX', 600_000)
  await redis.lrem(keys.wait, 1, idOf('delayed'))
  await redis.zadd(keys.delayed, Date.now() * 4096, idOf('delayed'))
  for (const name of names) await redis.hdel(keys.job(idOf(name)), 'name')
  await adapter.queue.offer(names.map((id) => anOffer(id)))
  const worker = await record(adapter)
  await until(() => worker.deliveries.length >= 3, 'all are delivered')
  await worker.consumer.close({ drainMs: 20_000 })
  expect([worker.taskIds().sort(), worker.errors]).toEqual([[...names].sort(), []])
  expect(await redis.exists(...names.map((name) => keys.job(idOf(name))), keys.wait, keys.active, keys.delayed)).toBe(0)
})

it('takes back the count of a delivery once, however often the call arrives', async () => {
  const redis = client()
  const adapter = await open(server.url)
  await adapter.queue.offer([anOffer('a')])
  const id = idOf('a')
  await redis.hset(keys.job(id), 'ats', 3)
  await redis.set(keys.lock(id), 'token')
  for (let time = 0; time < 2; time++) {
    await redis.eval(uncountDelivery.lua, 2, keys.job(id), keys.lock(id), 'token', 3)
  }
  expect(await redis.hget(keys.job(id), 'ats')).toBe('2')
})

it('does not wait for clocks that differ: a pause set by a clock an hour ahead ends within seconds', async () => {
  const redis = client()
  const adapter = await open(server.url)
  const worker = await record(adapter, { concurrency: 1 })
  await until(async () => (await redis.zcard(keys.marker)) === 0, 'it waits')
  const names = ['a', 'b', 'c']
  await adapter.queue.offer(names.map((id) => anOffer(id)))
  await until(() => worker.deliveries.length === 3, 'all are delivered')
  await worker.consumer.close({ drainMs: 20_000 })
  await adapter.queue.offer(names.map((id) => anOffer(id)))
  await redis.del(keys.wait, keys.marker)
  const aheadMs = Date.now() + 3_600_000
  // As BullMQ does: the marker says when the first of them is due.
  for (const [i, name] of names.entries()) await redis.zadd(keys.delayed, (aheadMs + i) * 4096, idOf(name))
  const heir = await record(adapter, { concurrency: 1 })
  await redis.zadd(keys.marker, aheadMs, '1')
  await until(() => heir.deliveries.length === 3, 'all are delivered again')
  expect(heir.taskIds().sort()).toEqual(names)
})

it('tells where an attempt is whatever a worker has written into its job', async () => {
  const redis = client()
  const adapter = await open(server.url)
  await adapter.queue.offer([anOffer('a')])
  const worker = await record(adapter, { claimTtlMs: 600_000 }, () => new Promise(() => {}))
  await until(() => worker.deliveries.length > 0, 'it is delivered')
  const job = keys.job(idOf('a'))
  const locate = () => adapter.queue.locate(run, anOffer('a').taskId, 1)
  await redis.hset(job, 'beat', '1 5 {x')
  const torn = await locate()
  expect(torn).toMatchObject({ at: 'claimed', heartbeatAt: '1970-01-01T00:00:00.005Z' })
  expect(torn).not.toHaveProperty('progress')
  await redis.hset(job, 'beat', `1 ${'9'.repeat(30)} 1`, 'processedOn', 'yesterday')
  expect(await locate()).toMatchObject({ at: 'claimed', since: new Date(0).toISOString(), progress: 1 })
  await redis.hset(job, 'ats', 'many')
  expect(await locate()).toMatchObject({ at: 'claimed', deliveries: 0 })
})
