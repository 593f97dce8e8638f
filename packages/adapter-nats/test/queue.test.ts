import { headers } from '@nats-io/transport-node'
import type { ConsumeOptions, Delivery } from '@reprise/core/adapter'
import { describe, expect, it } from 'vitest'
import { namesOf } from '../src/names.js'
import { laneNames } from '../src/queue/lane-names.js'
import {
  anOffer,
  aPlace,
  type Gate,
  gate,
  holderPatienceMs,
  id,
  longClaimMs,
  offersNamed,
  type QueueParts,
  run,
  shortClaimMs,
  taskOf,
  until,
} from './queue-parts.js'

const place = aPlace('queue')
const { open } = place

const worker = (workerId: string, options: Partial<ConsumeOptions> = {}): ConsumeOptions => ({
  workerId,
  concurrency: 1,
  claimTtlMs: 20_000,
  onError: (error) => expect.fail(String(error)),
  ...options,
})

const never = (): Promise<void> => new Promise(() => {})

const openThenHold = (started: Gate) => (): Promise<void> => {
  started.open()
  return never()
}

/** What the server says of the lane. */
async function consumerOf({ connection }: QueueParts, lane = 'default') {
  const { consumer } = laneNames(namesOf(place.prefix), lane)
  return await connection.api<{
    config: { ack_wait: number }
    num_waiting: number
    num_ack_pending: number
  }>(`CONSUMER.INFO.${place.prefix}-tasks.${consumer}`, null, { doing: 'Looking' })
}

const messagesIn = async ({ connection }: QueueParts): Promise<number> => {
  const info = await connection.api<{ state: { messages: number } }>(`STREAM.INFO.${place.prefix}-tasks`, null, {
    doing: 'Looking',
  })
  return info.state.messages
}

describe('offering', () => {
  it('refuses another digest for an attempt that is out, names it, and offers all others', async () => {
    const { queue } = await open()
    await queue.offer([anOffer('a')])
    const other = anOffer('a', { body: '{"other":true}' })
    const refused = queue.offer([anOffer('b'), other, anOffer('c')])
    await expect(refused).rejects.toMatchObject({
      code: 'DISPATCH_MISMATCH',
      details: { runId: run, taskId: 'a', attempt: 1 },
    })
    const seen: Delivery[] = []
    await queue.consume('default', async (delivery) => void seen.push(delivery), worker('w'))
    await until('all three are delivered', () => seen.length === 3)
    expect(seen.map(({ offer }) => offer)).toEqual([anOffer('a'), anOffer('b'), anOffer('c')])
  })

  it('refuses another digest also while the attempt is claimed', async () => {
    const { queue } = await open()
    await queue.offer([anOffer('a')])
    const started = gate()
    await queue.consume('default', openThenHold(started), worker('w'))
    await started.opened
    await expect(queue.offer([anOffer('a', { body: '{}' })])).rejects.toMatchObject({ code: 'DISPATCH_MISMATCH' })
    await queue.offer([anOffer('a')])
  })

  it('is idempotent beyond the memory of the server for repeated messages', async () => {
    const parts = await open()
    await parts.queue.offer(offersNamed(10))
    const forgetful = { duplicate_window: 100 * 1e6 }
    const { config } = await parts.connection.api<{ config: object }>(`STREAM.INFO.${place.prefix}-tasks`, null, {
      doing: 'Looking',
    })
    await parts.connection.api(
      `STREAM.UPDATE.${place.prefix}-tasks`,
      { ...config, ...forgetful },
      { doing: 'Changing' },
    )
    const subject = laneNames(namesOf(place.prefix), 'default').taskSubject('probe')
    const probe = headers()
    probe.set('Nats-Msg-Id', 'probe')
    await parts.connection.publish(subject, 'x', { doing: 'Probing', headers: probe })
    // Refused by its subject, no longer taken for a repetition: the window has passed for the offers, too.
    await until('the server has forgotten', () =>
      parts.connection.publish(subject, 'x', { doing: 'Probing', headers: probe }).then(
        () => false,
        () => true,
      ),
    )
    await parts.queue.offer(offersNamed(10))
    expect(await messagesIn(parts)).toBe(11)
  })

  it('does not run again what was settled a moment ago', async () => {
    const [coordinator, other] = [await open(), await open()]
    const seen: string[] = []
    await other.queue.consume('default', async (delivery) => void seen.push(taskOf(delivery)), worker('w'))
    await coordinator.queue.offer([anOffer('a')])
    await until('it is settled', async () => (await coordinator.queue.locate(run, id('a'), 1)).at === 'unknown')
    await other.queue.offer([anOffer('a'), anOffer('b')])
    await until('the next one is delivered', () => seen.includes('b'))
    expect(seen).toEqual(['a', 'b'])
  })

  it('refuses a body that no message can carry, and offers nothing of that call', async () => {
    const { queue } = await open()
    const large = anOffer('large', { body: 'x'.repeat(2 * 1024 * 1024) })
    await expect(queue.offer([anOffer('small'), large])).rejects.toMatchObject({ code: 'TOO_LARGE' })
    expect(await queue.locate(run, id('small'), 1)).toEqual({ at: 'unknown' })
  })

  it('by three coordinators at once leaves one of each, in order', async () => {
    const coordinators = [await open(), await open(), await open()]
    const offers = offersNamed(300)
    await Promise.all(
      coordinators.map(async ({ queue }) => {
        for (let from = 0; from < offers.length; from += 10) await queue.offer(offers.slice(from, from + 10))
      }),
    )
    const seen: string[] = []
    const [parts] = coordinators
    await parts?.queue.consume('default', async (delivery) => void seen.push(taskOf(delivery)), worker('w'))
    await until('all are delivered', () => seen.length >= 300)
    expect(seen).toEqual(offers.map((offer) => offer.taskId))
  })
})

describe('delivery', () => {
  it('brings ids and bodies across as they are', async () => {
    const { queue } = await open()
    const offers = [
      anOffer('tab\tin "quotes" \\ and ünïcode 😀', { body: '{"text":"\\n\\t😀"}' }),
      anOffer('newlines', { body: '{\n  "a": "\\\\n"\n}\\' }),
      anOffer('\ufeffmarked', { body: '\ufeff{}' }),
      anOffer('empty', { body: '' }),
    ]
    await queue.offer(offers)
    const seen: Delivery[] = []
    await queue.consume('default', async (delivery) => void seen.push(delivery), worker('w'))
    await until('all are delivered', () => seen.length === offers.length)
    expect(seen.map((delivery) => delivery.offer)).toEqual(offers)
  })

  it('asks for no more than it has slots, so others get the rest', async () => {
    const parts = await open()
    await parts.queue.offer(offersNamed(10))
    const held: string[] = []
    await parts.queue.consume(
      'default',
      async (delivery) => {
        held.push(taskOf(delivery))
        await never()
      },
      worker('w', { concurrency: 4 }),
    )
    await until('all slots are taken', () => held.length === 4)
    expect(await consumerOf(parts)).toMatchObject({ num_ack_pending: 4, num_waiting: 0 })
    const rest: string[] = []
    const other = await open()
    await other.queue.consume('default', async (delivery) => void rest.push(taskOf(delivery)), worker('other'))
    await until('the other worker has the rest', () => rest.length === 6)
  })

  it('runs slow handlers once, though they take many times the claim', async () => {
    const { queue } = await open()
    await queue.offer(offersNamed(16))
    const counts = new Map<string, number>()
    const done = gate()
    await queue.consume(
      'default',
      async (delivery) => {
        counts.set(taskOf(delivery), (counts.get(taskOf(delivery)) ?? 0) + 1)
        await done.opened
      },
      worker('w', { concurrency: 16, claimTtlMs: shortClaimMs }),
    )
    await until('all run', () => counts.size === 16)
    const other: string[] = []
    const idle = await open()
    await idle.queue.consume(
      'default',
      async (delivery) => void other.push(taskOf(delivery)),
      worker('idle', { concurrency: 16, claimTtlMs: shortClaimMs }),
    )
    const end = Date.now() + 3.5 * shortClaimMs
    await until('time passes', () => Date.now() > end || other.length > 0)
    done.open()
    await until('all are settled', async () => (await messagesIn(idle)) === 0)
    expect([[...counts.values()], other]).toEqual([Array(16).fill(1), []])
  })

  it('removes what is not an offer, and says so', async () => {
    const parts = await open()
    const errors: unknown[] = []
    const seen: string[] = []
    await parts.connection.publish(laneNames(namesOf(place.prefix), 'default').taskSubject('junk'), 'junk', {
      doing: 'x',
    })
    await parts.queue.offer([anOffer('a')])
    await parts.queue.consume(
      'default',
      async (delivery) => void seen.push(taskOf(delivery)),
      worker('w', { onError: (error) => errors.push(error) }),
    )
    await until('the offer behind it is delivered', () => seen.length === 1)
    await until('both are gone', async () => (await messagesIn(parts)) === 0)
    expect(errors).toMatchObject([{ code: 'INVALID_INPUT' }])
  })

  it('pauses before it hands out again what a handler rejected, longer each time', async () => {
    const { queue } = await open()
    const times: number[] = []
    await queue.offer([anOffer('a')])
    await queue.consume(
      'default',
      async ({ deliveries }) => {
        times.push(performance.now())
        if (deliveries < 4) throw new Error('not this time')
      },
      worker('w'),
    )
    await until('the fourth succeeds', async () => (await queue.locate(run, id('a'), 1)).at === 'unknown')
    const pauses = times.slice(1).map((time, i) => time - (times[i] ?? 0))
    expect(pauses.length).toBe(3)
    for (const [i, least] of [45, 90, 190].entries()) expect(pauses[i]).toBeGreaterThan(least)
  })

  it('has an ack wait that suits all workers of the lane', async () => {
    const parts = await open()
    await parts.queue.offer([anOffer('a')])
    const ackWaitMs = async (): Promise<number> => (await consumerOf(parts)).config.ack_wait / 1e6
    expect(await ackWaitMs()).toBe(10_000)
    const short = await parts.queue.consume('default', async () => {}, worker('short', { claimTtlMs: 700 }))
    expect(await ackWaitMs()).toBe(700)
    const long = await parts.queue.consume('default', async () => {}, worker('long', { claimTtlMs: 9_000 }))
    expect(await ackWaitMs()).toBe(9_000)
    await parts.queue.consume('default', async () => {}, worker('middle', { claimTtlMs: 3_000 }))
    expect(await ackWaitMs()).toBe(9_000)
    await Promise.all([short.close(), long.close()])
  })

  it('refuses a consumer that would lose attempts, and says why', async () => {
    const { queue, connection } = await open()
    const config = { name: 'odd', durable_name: 'odd', ack_policy: 'explicit', max_deliver: 3 }
    const create = `CONSUMER.CREATE.${place.prefix}-tasks.odd.${place.prefix}.tasks.odd.*`
    const filtered = { ...config, filter_subject: `${place.prefix}.tasks.odd.*` }
    await connection.api(create, { stream_name: `${place.prefix}-tasks`, config: filtered }, { doing: 'Making it' })
    const consuming = queue.consume('odd', async () => {}, worker('w'))
    await expect(consuming).rejects.toMatchObject({ code: 'UNSAFE_SERVER', details: { consumer: 'odd' } })
  })
})

describe('claims', () => {
  it('show who holds an attempt, since when, and how far it is', async () => {
    const [coordinator, other] = [await open({ holderAnswersMs: holderPatienceMs }), await open()]
    await coordinator.queue.offer([anOffer('a')])
    const started = gate()
    await other.queue.consume(
      'default',
      async ({ progress }) => {
        progress({ step: 3 })
        expect(() => progress('x'.repeat(2000))).toThrow(expect.objectContaining({ code: 'TOO_LARGE' }))
        started.open()
        await never()
      },
      worker('w'),
    )
    await started.opened
    const where = await coordinator.queue.locate(run, id('a'), 1)
    expect(where).toMatchObject({ at: 'claimed', workerId: 'w', deliveries: 1, progress: { step: 3 } })
  })

  it('are given back on close, and others have them at once, with those still on the way', async () => {
    const [first, second] = [await open(), await open()]
    await first.queue.offer(offersNamed(200))
    const seen = new Set<string>()
    for (let i = 0; i < 20; i++) {
      // Each is closed while the server sends: what it is handed must not wait for its claim to run out.
      const closing = await first.queue.consume(
        'default',
        never,
        worker(`w${i}`, { concurrency: 8, claimTtlMs: longClaimMs }),
      )
      await closing.close()
    }
    await second.queue.consume(
      'default',
      async (delivery) => void seen.add(taskOf(delivery)),
      worker('heir', { claimTtlMs: longClaimMs }),
    )
    await until('the heir has them all', () => seen.size === 200)
  })

  it('end a drain early when it is closed again without patience', async () => {
    const { queue } = await open()
    await queue.offer([anOffer('a')])
    const started = gate()
    const consumer = await queue.consume('default', openThenHold(started), worker('w'))
    await started.opened
    const patient = consumer.close({ drainMs: 600_000 })
    await Promise.all([patient, consumer.close()])
    expect(await queue.locate(run, id('a'), 1)).toMatchObject({ at: 'queued' })
  })

  it('end when the client gives its connection up for good: the handler is told', async () => {
    const { queue, connection } = await open()
    await queue.offer([anOffer('a')])
    let held: Delivery | undefined
    const take = (delivery: Delivery): Promise<void> => {
      held = delivery
      return never()
    }
    const consumer = await queue.consume('default', take, worker('w'))
    await until('it is claimed', () => held !== undefined)
    await connection.client.close()
    await until('the handler is told', () => held?.signal.aborted === true)
    expect(held?.signal.reason).toMatchObject({ code: 'CLOSED' })
    await consumer.close()
    await expect(queue.offer([anOffer('b')])).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('end when the attempt is withdrawn: the handler is told, and nobody gets it again', async () => {
    const [coordinator, other] = [await open(), await open()]
    await coordinator.queue.offer([anOffer('a')])
    const started = gate()
    const reasons: unknown[] = []
    const seen: string[] = []
    const take = (delivery: Delivery): Promise<void> => {
      seen.push(taskOf(delivery))
      if (taskOf(delivery) !== 'a') return Promise.resolve()
      started.open()
      return new Promise((_resolve, reject) =>
        delivery.signal.addEventListener('abort', () => {
          reasons.push(delivery.signal.reason)
          reject(delivery.signal.reason)
        }),
      )
    }
    await other.queue.consume('default', take, worker('w'))
    await started.opened
    // By a process that has offered nothing and knows no lane.
    await (await open()).queue.withdraw(run, id('a'), 1)
    await until('the handler is told', () => reasons.length === 1)
    expect(reasons).toMatchObject([{ code: 'ATTEMPT_WITHDRAWN' }])
    expect(await coordinator.queue.locate(run, id('a'), 1)).toEqual({ at: 'unknown' })
    await coordinator.queue.offer([anOffer('b')])
    await until('the next one is delivered', () => seen.includes('b'))
    await until('the server knows of no claim', async () => (await consumerOf(coordinator)).num_ack_pending === 0)
    expect(seen).toEqual(['a', 'b'])
  })
})
