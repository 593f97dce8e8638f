import type { Delivery } from '@reprise/core/adapter'
import { startNats, startProxy } from '@reprise/test-servers'
import { describe, expect, it, onTestFinished } from 'vitest'
import { namesOf } from '../src/names.js'
import { tasksStream } from '../src/queue/tasks-stream.js'
import { authorization, connectionOf, passwordOf, type Role } from './acl-roles.js'
import { anOffer, gate, id, openParts, type QueueParts, run, taskOf, until } from './queue-parts.js'

const prefix = 'settled'
const stream = `${prefix}-tasks`
const doing = 'Looking'
const ackWaitMs = 700

/**
 * A server as one is that was killed and has forgotten what it removed: it knows which attempts are settled, and has
 * their messages. Here none is removed at all but by us, since the stream is no work queue. Everybody has the rights of
 * his role and no others.
 */
async function forgetfulServer() {
  const server = await startNats({ private: true, config: authorization(prefix) })
  const proxy = await startProxy(server.url)
  onTestFinished(async () => {
    await proxy[Symbol.asyncDispose]()
    await server.stop()
  })
  const open = async (url: string, connection: object): Promise<QueueParts> => {
    const parts = await openParts(url, prefix, { createStreams: false, connection })
    onTestFinished(() => parts.close())
    return parts
  }
  const admin = await open(server.url, { user: 'admin', pass: passwordOf('admin') })
  const config = { ...tasksStream(namesOf(prefix), { replicas: 1 }), retention: 'limits' }
  await admin.connection.api(`STREAM.CREATE.${stream}`, config, { doing: 'Making it' })
  const removed: number[] = []
  admin.connection.client.subscribe(`$JS.API.STREAM.MSG.DELETE.${stream}`, {
    callback: (_, message) => void removed.push(message.json<{ seq: number }>().seq),
  })
  await admin.connection.client.flush()
  // A short one, which a worker may not set.
  const first = await admin.queue.consume('default', async () => {}, {
    ...{ workerId: 'first', concurrency: 1, claimTtlMs: ackWaitMs },
  })
  await first.close()
  return {
    proxy,
    admin,
    /** Positions in the stream that anybody wanted to have removed, in that order. */
    removed,
    openAs: (role: Role, url = server.url) => open(url, connectionOf(role)),
    throughProxy: proxy.url(server.url),
  }
}

const countIn = async ({ connection }: QueueParts): Promise<number> =>
  (await connection.api<{ state: { messages: number } }>(`STREAM.INFO.${stream}`, null, { doing })).state.messages

const floorOf = async ({ connection }: QueueParts): Promise<number> => {
  const path = `CONSUMER.INFO.${stream}.default`
  return (await connection.api<{ ack_floor: { stream_seq: number } }>(path, null, { doing })).ack_floor.stream_seq
}

describe('what a server forgot to remove', () => {
  it('is not out: it is unknown, and is offered anew, also with another content', async () => {
    const { admin, removed, openAs } = await forgetfulServer()
    const [coordinator, worker] = [await openAs('coordinator'), await openAs('worker')]
    const seen: Delivery[] = []
    await coordinator.queue.offer([anOffer('a')])
    await worker.queue.consume('default', async (delivery) => void seen.push(delivery), {
      ...{ workerId: 'w', concurrency: 1, claimTtlMs: 60_000 },
    })
    await until('the server knows that it is settled', async () => (await floorOf(admin)) === 1)
    expect(await countIn(admin)).toBe(1)
    expect(await coordinator.queue.locate(run, id('a'), 1)).toEqual({ at: 'unknown' })
    const other = anOffer('a', { body: '{"other":true}' })
    await coordinator.queue.offer([other])
    await until('the second is settled', async () => (await floorOf(admin)) === 2)
    expect(seen.map(({ offer }) => offer)).toEqual([anOffer('a'), other])
    expect(removed).toEqual([1])
  })

  it('is removed after the first offer and after a lost connection, once nothing is out, and nothing else is', async () => {
    const { proxy, admin, removed, openAs, throughProxy } = await forgetfulServer()
    const [before, worker] = [await openAs('coordinator'), await openAs('worker')]
    // The server counts them from 1, in this order.
    const tasks = ['one', 'two', 'elsewhere', 'three', 'held', 'four', 'five', 'held-too', 'queued', 'queued-too']
    const offerOf = (taskId: string) => anOffer(taskId, taskId.startsWith('elsewhere') ? { lane: 'other' } : {})
    const namesOfRemoved = (): string[] => removed.map((seq) => tasks[seq - 1] ?? `position ${seq}`)
    await before.queue.offer(tasks.map(offerOf))
    const done = new Map(['held', 'held-too'].map((taskId) => [taskId, gate()]))
    const seen: string[] = []
    await worker.queue.consume(
      'default',
      async (delivery) => {
        seen.push(taskOf(delivery))
        await done.get(taskOf(delivery))?.opened
      },
      { workerId: 'w', concurrency: 2, claimTtlMs: 60_000 },
    )
    await until('both hands are full', () => seen.includes('held-too'))
    await until('what came before is settled', async () => (await floorOf(admin)) === 4)
    expect(removed).toEqual([])

    const coordinator = await openAs('coordinator', throughProxy)
    tasks.push('last', 'elsewhere-too')
    await coordinator.queue.offer(tasks.slice(-2).map(offerOf))
    // Three lie below the floor, which proves nothing while others are out.
    const end = Date.now() + 5 * ackWaitMs
    await until('it has had the time to look', () => Date.now() > end)
    expect(removed).toEqual([])
    expect(await countIn(admin)).toBe(tasks.length)

    for (const gateOf of done.values()) gateOf.open()
    await until('all that was handed out before the look is removed', () => removed.length >= 7)
    expect(namesOfRemoved().sort()).toEqual(['five', 'four', 'held', 'held-too', 'one', 'three', 'two'])
    // It may pass what is of other lanes.
    await until('the rest is settled', async () => (await floorOf(admin)) > tasks.indexOf('last'))
    proxy.cut()
    await until('what was settled since then is removed', () => removed.length >= 10)
    expect(namesOfRemoved().slice(7).sort()).toEqual(['last', 'queued', 'queued-too'])

    // Nobody was there for the other lane: all of it is still out.
    await until('nothing else is there', async () => (await countIn(admin)) === 2)
    const left: string[] = []
    await admin.queue.consume('other', async (delivery) => void left.push(taskOf(delivery)), {
      ...{ workerId: 'late', concurrency: 1, claimTtlMs: 60_000 },
    })
    await until('it is delivered', () => left.length === 2)
    expect(left).toEqual(['elsewhere', 'elsewhere-too'])
    expect(seen).toEqual(tasks.filter((taskId) => !taskId.startsWith('elsewhere')))
    expect(removed.length).toBe(10)
  })

  it('is not what a worker is at, nor what waits, though the server takes it for settled', async () => {
    const { admin, removed, openAs } = await forgetfulServer()
    const [before, worker] = [await openAs('coordinator'), await openAs('worker')]
    const [started, done] = [gate(), gate()]
    const seen: string[] = []
    await before.queue.offer(['held', 'waiting', 'waiting-too'].map((taskId) => anOffer(taskId)))
    await worker.queue.consume(
      'default',
      async (delivery) => {
        seen.push(taskOf(delivery))
        started.open()
        await done.opened
      },
      { workerId: 'w', concurrency: 1, claimTtlMs: 60_000 },
    )
    await started.opened
    // As from before a restart: the third in the stream, under the number that the first now has. Servers 2.9 believe it.
    await admin.connection.client.publish(`$JS.ACK.${stream}.default.1.3.1.1.0`, '+ACK')
    await admin.connection.client.flush()
    const coordinator = await openAs('coordinator')
    await coordinator.queue.offer([anOffer('last')])
    const end = Date.now() + 5 * ackWaitMs
    await until('it has had the time to look', () => Date.now() > end)
    expect(await coordinator.queue.locate(run, id('held'), 1)).toMatchObject({ at: 'claimed', workerId: 'w' })
    expect(await coordinator.queue.locate(run, id('waiting'), 1)).toEqual({ at: 'queued', deliveries: 0 })
    expect(removed).toEqual([])
    done.open()
    await until('all are delivered', () => seen.length === 4)
    expect(seen).toEqual(['held', 'waiting', 'waiting-too', 'last'])
  })
})
