import type { Adapter } from '@reprise/core/adapter'
import type { TestServer } from '@reprise/test-servers'
import { Redis } from 'ioredis'
import { expect, it, onTestFinished } from 'vitest'
import { withDeadline } from './deadlines.js'
import { anOffer, gate, offersNamed, open, privateServer, proxyOf, record, run, until } from './queue-stage.js'

const isSettled = async ({ queue }: Adapter, taskId: string): Promise<boolean> =>
  (await queue.locate(run, anOffer(taskId).taskId, 1)).at === 'unknown'

/** As the coordinator does: until it has worked. */
async function offerUntilTaken({ queue }: Adapter, taskIds: readonly string[]): Promise<void> {
  await until(async () => {
    try {
      await queue.offer(taskIds.map((id) => anOffer(id)))
      return true
    } catch {
      return false
    }
  }, 'the offers are taken')
}

async function serverAlways(): Promise<TestServer> {
  // What was acknowledged is there after a crash, so the test can say what must be.
  return privateServer({ settings: { appendfsync: 'always' } })
}

it('goes on consuming when the server was killed and started again, and loses no offer', async () => {
  const server = await serverAlways()
  const [coordinator, adapter] = [await open(server.url), await open(server.url)]
  const done = gate()
  await coordinator.queue.offer(offersNamed(40))
  const worker = await record(adapter, { claimTtlMs: 1_000, concurrency: 4 }, () => done.opened)
  await until(() => worker.deliveries.length >= 4, 'all slots are taken')
  await server.kill()
  done.open()
  await server.restart()
  await offerUntilTaken(coordinator, ['after'])
  const all = [...offersNamed(40).map(({ taskId }) => taskId as string), 'after']
  await until(() => all.every((id) => worker.taskIds().includes(id)), 'all are delivered', 40_000)
  await until(
    async () => (await Promise.all(all.map((id) => isSettled(coordinator, id)))).every(Boolean),
    'all are settled',
  )
}, 90_000)

it('waits out a server that stands still for longer than a claim and a deadline', async () => {
  const server = await privateServer()
  const [coordinator, adapter] = [await open(server.url), await open(server.url)]
  const done = gate()
  await coordinator.queue.offer(offersNamed(8))
  const worker = await record(adapter, { claimTtlMs: 1_000, concurrency: 2 }, () => done.opened)
  await until(() => worker.deliveries.length >= 2, 'both slots are taken')
  await withDeadline(500, async () => {
    await server.pause()
    const late = coordinator.queue.offer([anOffer('late')])
    await expect(late).rejects.toMatchObject({ code: 'ADAPTER_UNAVAILABLE' })
    done.open()
    await until(() => worker.errors.length >= 3, 'the worker has found out')
    await server.resume()
  })
  await offerUntilTaken(coordinator, ['late'])
  const all = [...offersNamed(8).map(({ taskId }) => taskId as string), 'late']
  await until(() => all.every((id) => worker.taskIds().includes(id)), 'all are delivered', 40_000)
  await until(
    async () => (await Promise.all(all.map((id) => isSettled(coordinator, id)))).every(Boolean),
    'all are settled',
  )
  for (const error of worker.errors) expect(error).toMatchObject({ code: 'ADAPTER_UNAVAILABLE' })
}, 90_000)

it('survives connections that are cut again and again', async () => {
  const server = await privateServer()
  const proxy = await proxyOf(server)
  const coordinator = await open(server.url)
  const adapter = await open(proxy.url(server.url))
  const worker = await record(adapter, { claimTtlMs: 1_000, concurrency: 4 })
  for (let round = 0; round < 10; round++) {
    await coordinator.queue.offer(offersNamed(20, `round-${round}`))
    await until(() => worker.taskIds().some((id) => id.startsWith(`round-${round}-`)), `round ${round} has begun`)
    proxy.cut()
  }
  const all = Array.from({ length: 10 }, (_, i) => offersNamed(20, `round-${i}`)).flat()
  await until(() => all.every(({ taskId }) => worker.taskIds().includes(taskId)), 'all are delivered', 40_000)
  await until(async () => {
    const found = await Promise.all(all.map(({ taskId }) => isSettled(coordinator, taskId)))
    return found.every(Boolean)
  }, 'all are settled')
}, 90_000)

it('settles once though the reply is lost, and what that reply brought comes back', async () => {
  const server = await privateServer()
  const proxy = await proxyOf(server)
  const coordinator = await open(server.url)
  const adapter = await open(proxy.url(server.url), { commandTimeoutMs: 5_000 })
  const done = gate()
  await coordinator.queue.offer([anOffer('a'), anOffer('b')])
  const worker = await record(adapter, { claimTtlMs: 6_000, concurrency: 1 }, () => done.opened)
  await until(() => worker.deliveries.length >= 1, 'the first is delivered')
  const end = proxy.swallow('toClient')
  done.open()
  await until(() => isSettled(coordinator, 'a'), 'the server has settled it')
  end()
  proxy.cut()
  await until(() => isSettled(coordinator, 'b'), 'the other is delivered and settled as well')
  expect(worker.taskIds().filter((id) => id === 'a')).toEqual(['a'])
}, 60_000)

it('takes a server that has forgotten its scripts for what it is', async () => {
  const server = await privateServer()
  const redis = new Redis(server.url)
  onTestFinished(() => redis.disconnect())
  const adapter = await open(server.url)
  const worker = await record(adapter, { claimTtlMs: 600_000 })
  for (let round = 0; round < 5; round++) {
    await redis.script('FLUSH')
    await adapter.queue.offer(offersNamed(50, `round-${round}`))
    await redis.script('FLUSH')
    await until(() => worker.deliveries.length >= (round + 1) * 50, `round ${round} is delivered`)
  }
  // The look for the dead sends BullMQ's own script, every two seconds.
  await redis.config('RESETSTAT')
  await redis.script('FLUSH')
  await until(async () => /cmdstat_eval:/.test(await redis.info('commandstats')), 'a script came with its text')
  expect([worker.deliveries.length, worker.errors]).toEqual([250, []])
})

it('fails to consume from a server that is away, in time, and leaves nothing open', async () => {
  const server = await privateServer()
  const adapter = await open(server.url)
  await server.kill()
  await withDeadline(500, () => expect(record(adapter)).rejects.toMatchObject({ code: 'ADAPTER_UNAVAILABLE' }))
  await adapter.close()
  await expect(record(adapter)).rejects.toMatchObject({ code: 'CLOSED' })
})

it('closes in time though the server stands still', async () => {
  const server = await privateServer()
  const adapter = await open(server.url)
  await adapter.queue.offer(offersNamed(4))
  const worker = await record(adapter, {}, () => new Promise(() => {}))
  await until(() => worker.deliveries.length >= 4, 'all slots are taken')
  await server.pause()
  const from = performance.now()
  await withDeadline(500, () => adapter.close())
  expect(performance.now() - from).toBeLessThan(10_000)
  expect(worker.deliveries.every(({ signal }) => signal.aborted)).toBe(true)
  await server.resume()
})
