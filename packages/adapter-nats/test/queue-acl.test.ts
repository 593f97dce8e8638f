import type { Delivery } from '@reprise/core/adapter'
import { startNats, type TestServer } from '@reprise/test-servers'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { authorization, connectionOf, passwordOf, type Role } from './acl-roles.js'
import { withNats } from './nats-facts.js'
import {
  anOffer,
  gate,
  holderPatienceMs,
  id,
  openParts,
  type PartsOptions,
  type QueueParts,
  run,
  taskOf,
  until,
} from './queue-parts.js'

const prefix = 'acl'
const lane = 'default'
const opened: QueueParts[] = []
let server: TestServer

beforeAll(async () => {
  server = await startNats({ private: true, config: authorization(prefix, lane) })
  // Whoever sets the server up makes the stream.
  const admin = await openParts(server.url, prefix, { connection: { user: 'admin', pass: passwordOf('admin') } })
  await admin.close()
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((parts) => parts.close()))
})
afterAll(async () => {
  await server.stop()
})

const openAs = async (role: Role, options: PartsOptions = {}): Promise<QueueParts> => {
  const parts = await openParts(server.url, prefix, {
    ...options,
    createStreams: false,
    connection: connectionOf(role),
  })
  opened.push(parts)
  return parts
}

describe('delivery with least privilege', () => {
  it('works for a worker that starts first, with a claim time that it may not set, from offer to withdrawal', async () => {
    const [coordinator, worker] = [await openAs('coordinator'), await openAs('worker')]
    const errors: unknown[] = []
    const seen: Delivery[] = []
    const done = gate()
    await worker.queue.consume(
      lane,
      async (delivery) => {
        seen.push(delivery)
        if (taskOf(delivery) === 'rejected' && delivery.deliveries === 1) throw new Error('not this time')
        if (taskOf(delivery) === 'withdrawn') await done.opened
      },
      { workerId: 'bound', concurrency: 2, claimTtlMs: 30_000, onError: (error) => errors.push(error) },
    )
    // There is no consumer for its lane yet, and it may not make one.
    expect(errors).toMatchObject([{ code: 'ADAPTER_UNAVAILABLE', details: { missing: 'lane' } }])
    await coordinator.queue.offer([anOffer('a'), anOffer('rejected'), anOffer('withdrawn')])
    await until('the last one runs', () => seen.some((delivery) => taskOf(delivery) === 'withdrawn'))
    const asking = await openAs('coordinator', { holderAnswersMs: holderPatienceMs })
    const where = await asking.queue.locate(run, id('withdrawn'), 1)
    expect(where).toMatchObject({ at: 'claimed', workerId: 'bound', deliveries: 1 })
    await coordinator.queue.withdraw(run, id('withdrawn'), 1)
    const last = seen.find((delivery) => taskOf(delivery) === 'withdrawn')
    await until('its handler is told', () => last?.signal.aborted === true)
    done.open()
    for (const taskId of ['a', 'rejected', 'withdrawn']) {
      await until(
        `${taskId} is gone`,
        async () => (await coordinator.queue.locate(run, id(taskId), 1)).at === 'unknown',
      )
    }
    expect(seen.map(taskOf).sort()).toEqual(['a', 'rejected', 'rejected', 'withdrawn'])
    expect(errors.length).toBe(1)
  })

  it('goes on when somebody deletes the consumer of a lane, though nothing is offered meanwhile', async () => {
    const [coordinator, worker] = [await openAs('coordinator'), await openAs('worker')]
    const admin = await openParts(server.url, prefix, { connection: { user: 'admin', pass: passwordOf('admin') } })
    opened.push(admin)
    const seen: string[] = []
    await coordinator.queue.offer([anOffer('before')])
    const [started, done] = [gate(), gate()]
    await worker.queue.consume(
      lane,
      async (delivery) => {
        seen.push(taskOf(delivery))
        if (taskOf(delivery) !== 'before') return
        started.open()
        await done.opened
      },
      { workerId: 'bound', concurrency: 1, claimTtlMs: 2_000 },
    )
    await started.opened
    await coordinator.queue.offer([anOffer('behind')])
    await admin.connection.api(`CONSUMER.DELETE.${prefix}-tasks.${lane}`, null, { doing: 'Deleting' })
    done.open()
    await until('the next one is delivered', () => seen.includes('behind'))
    for (const taskId of ['before', 'behind']) {
      await until(
        `${taskId} is settled`,
        async () => (await coordinator.queue.locate(run, id(taskId), 1)).at === 'unknown',
      )
    }
  })

  it('shows a worker that is asked no inbox in which an acknowledgement is waited for', async () => {
    const coordinator = await openAs('coordinator', { holderAnswersMs: holderPatienceMs })
    const worker = await openAs('worker')
    const inboxes: string[] = []
    const { client } = worker.connection
    client.subscribe(`${prefix}.lanes.${lane}.where`, { callback: (_, { reply }) => void inboxes.push(reply ?? '') })
    const held = gate()
    await worker.queue.consume(
      lane,
      () => {
        held.open()
        return new Promise(() => {})
      },
      { workerId: 'bound', concurrency: 1, claimTtlMs: 20_000 },
    )
    await coordinator.queue.offer([anOffer('asked')])
    await held.opened
    const answers: string[] = []
    await withNats(
      server.url,
      async (listening) => {
        // An admin hears what is said to the coordinator, as the coordinator does.
        listening.subscribe('_INBOX_coordinator.>', { callback: (_, { subject }) => void answers.push(subject) })
        await listening.flush()
        for (let i = 0; i < 3; i++) {
          expect(await coordinator.queue.locate(run, id('asked'), 1)).toMatchObject({ at: 'claimed' })
        }
        await listening.flush()
      },
      { user: 'admin', pass: passwordOf('admin') },
    )
    await coordinator.queue.withdraw(run, id('asked'), 1)
    expect(inboxes.length).toBe(3)
    const inboxOf = (subject: string): string => subject.slice(0, subject.lastIndexOf('.'))
    const ofServer = answers.filter((subject) => !inboxes.includes(subject))
    expect(ofServer.length).toBeGreaterThanOrEqual(3)
    const shared = ofServer.filter((subject) => inboxOf(subject) === inboxOf(inboxes[0] ?? ''))
    expect(shared).toEqual([])
    // Neither the inbox nor the place in it can be guessed from those that were shown.
    for (const name of answers) expect(name).toMatch(/^_INBOX_coordinator\.[0-9a-f]{32}\.[\w-]{16}$/)
  })

  it('takes what is no answer of a holder for none', async () => {
    const coordinator = await openAs('coordinator', { holderAnswersMs: holderPatienceMs })
    const worker = await openAs('worker')
    await coordinator.queue.offer([anOffer('forged')])
    // It is handed out, and whoever has it says nothing.
    const next = `$JS.API.CONSUMER.MSG.NEXT.${prefix}-tasks.${lane}`
    const { client } = worker.connection
    const inbox = worker.connection.newInbox()
    const pulled = gate()
    client.subscribe(inbox, { callback: () => pulled.open() })
    client.publish(next, '{"batch":1,"expires":5000000000}', { reply: inbox })
    await pulled.opened
    const good = { workerId: 'w', deliveries: 1, sinceMs: 0, heartbeatAtMs: 0 }
    const answers = [
      'nonsense',
      '',
      'null',
      '[]',
      '{"workerId":"w","deliveries":1}',
      JSON.stringify({ ...good, workerId: 7 }),
      JSON.stringify({ ...good, deliveries: 0.5 }),
      JSON.stringify({ ...good, sinceMs: 1e300 }),
      JSON.stringify({ ...good, heartbeatAtMs: '2030' }),
      JSON.stringify({ ...good, progress: 'x'.repeat(100_000) }),
    ]
    let answer = ''
    client.subscribe(`${prefix}.lanes.${lane}.where`, { callback: (_, message) => void message.respond(answer) })
    await client.flush()
    for (const forged of answers) {
      answer = forged
      expect([forged, await coordinator.queue.locate(run, id('forged'), 1)]).toEqual([
        forged,
        { at: 'queued', deliveries: 1 },
      ])
    }
    answer = JSON.stringify(good)
    expect(await coordinator.queue.locate(run, id('forged'), 1)).toMatchObject({ at: 'claimed', workerId: 'w' })
    await coordinator.queue.withdraw(run, id('forged'), 1)
  })

  it('keeps a worker to its lane, and from offering, withdrawing and changing consumers', async () => {
    const worker = await openAs('worker')
    const isForbidden = async (subject: string): Promise<boolean> =>
      await worker.connection.request(subject, '{}', { doing: 'Trying' }).then(
        () => false,
        (error: unknown) => (error as { details?: { kind?: string } }).details?.kind === 'forbidden',
      )
    const forbidden = [
      `$JS.API.CONSUMER.INFO.${prefix}-tasks.other`,
      `$JS.API.CONSUMER.MSG.NEXT.${prefix}-tasks.other`,
      `$JS.API.CONSUMER.CREATE.${prefix}-tasks.${lane}.${prefix}.tasks.${lane}.*`,
      `$JS.API.CONSUMER.DELETE.${prefix}-tasks.${lane}`,
      `$JS.API.STREAM.MSG.GET.${prefix}-tasks`,
      `$JS.API.STREAM.MSG.DELETE.${prefix}-tasks`,
      `$JS.API.STREAM.PURGE.${prefix}-tasks`,
      `$JS.API.DIRECT.GET.${prefix}-tasks`,
      `$JS.API.DIRECT.GET.${prefix}-tasks.${prefix}.tasks.other.x`,
      `$JS.ACK.${prefix}-tasks.other.1.1.1.1.1`,
      `${prefix}.tasks.${lane}.x`,
      `${prefix}.lanes.${lane}.withdrawn`,
      `${prefix}.lanes.other.missing`,
      '_INBOX_coordinator.x',
    ]
    for (const subject of forbidden) expect([subject, await isForbidden(subject)]).toEqual([subject, true])
  })
})
