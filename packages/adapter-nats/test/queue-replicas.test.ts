import { setTimeout as sleep } from 'node:timers/promises'
import { startNats, startProxy } from '@reprise/test-servers'
import { expect, it, onTestFinished } from 'vitest'
import { namesOf } from '../src/names.js'
import { tasksStream } from '../src/queue/tasks-stream.js'
import { anOffer, gate, openParts, run, taskOf, until } from './queue-parts.js'

const prefix = 'replicated'

// The stream of three servers has no direct reads. One server makes such a stream, too, and nobody answers them there.
it('a worker whose connection was cut asks no replica what it holds, and settles it', async () => {
  const server = await startNats({ private: true })
  onTestFinished(() => server.stop())
  await using proxy = await startProxy(server.url)
  const admin = await openParts(server.url, prefix, { createStreams: false })
  const wanted = { ...tasksStream(namesOf(prefix), { replicas: 3 }), num_replicas: 1 }
  await admin.connection.api(`STREAM.CREATE.${prefix}-tasks`, wanted, { doing: 'Making it' })
  const asked: string[] = []
  admin.connection.client.subscribe('$JS.API.DIRECT.GET.>', { callback: (_, { subject }) => void asked.push(subject) })
  await admin.connection.client.flush()

  const options = { replicas: 3, createStreams: false }
  const worker = await openParts(proxy.url(server.url), prefix, options)
  const coordinator = await openParts(server.url, prefix, options)
  onTestFinished(async () => {
    for (const parts of [worker, coordinator, admin]) await parts.close()
  })
  const held: string[] = []
  const done = gate()
  await coordinator.queue.offer(['a', 'b', 'c'].map((taskId) => anOffer(taskId)))
  await worker.queue.consume(
    'default',
    async (delivery) => {
      held.push(taskOf(delivery))
      await done.opened
      expect(delivery.signal.aborted).toBe(false)
    },
    { workerId: 'w', concurrency: 3, claimTtlMs: 60_000 },
  )
  await until('all are held', () => held.length === 3)
  proxy.cut()
  await until('it is connected again', () => proxy.connections > 0 && worker.connection.isConnected)
  // Time to look, while all are held.
  await sleep(2_000)
  done.open()
  await until('all are settled', async () => {
    const where = await Promise.all(held.map((taskId) => coordinator.queue.locate(run, taskId as never, 1)))
    return where.every(({ at }) => at === 'unknown')
  })
  expect(asked).toEqual([])
})
