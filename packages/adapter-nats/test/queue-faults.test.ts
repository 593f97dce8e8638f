import type { ConsumeOptions, Delivery } from '@reprise/core/adapter'
import { startProxy } from '@reprise/test-servers'
import { describe, expect, it } from 'vitest'
import {
  anOffer,
  aPlace,
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

const place = aPlace('faults', { private: true })
const { open } = place

const worker = (workerId: string, options: Partial<ConsumeOptions> = {}): ConsumeOptions => ({
  workerId,
  concurrency: 8,
  claimTtlMs: 1_000,
  ...options,
})

/** Offers until told to stop, trying again as a coordinator does, and says what it has offered. */
function offering({ queue }: QueueParts, atOnce = 10) {
  const offered: string[] = []
  let stopped = false
  const running = (async () => {
    for (let batch = 0; !stopped; batch++) {
      const offers = offersNamed(atOnce, `${batch}-`)
      while (
        !(await queue.offer(offers).then(
          () => true,
          () => false,
        ))
      ) {
        if (stopped) return
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      offered.push(...offers.map(({ taskId }) => taskId))
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  })()
  const stop = async (): Promise<string[]> => {
    stopped = true
    await running
    return offered
  }
  return { offered, stop }
}

const includesAll = (seen: ReadonlySet<string>, wanted: readonly string[]): boolean =>
  wanted.every((taskId) => seen.has(taskId))

describe('a server', () => {
  it('that is killed and started again while workers are at it costs no attempt', { timeout: 90_000 }, async () => {
    const [coordinator, one, other] = [await open(), await open(), await open()]
    const seen = new Set<string>()
    const take = async (delivery: Delivery): Promise<void> => {
      await new Promise((resolve) => setTimeout(resolve, 3))
      seen.add(taskOf(delivery))
    }
    const errors: string[] = []
    const onError = (error: unknown): void => void errors.push((error as Error).message)
    await one.queue.consume('default', take, worker('one', { onError }))
    await other.queue.consume('default', take, worker('other', { onError }))
    const load = offering(coordinator)
    for (let kills = 1; kills <= 3; kills++) {
      const before = seen.size
      await until('work goes on', () => seen.size > before + 50)
      await place.server.kill()
      await place.server.restart()
    }
    const before = seen.size
    await until('work goes on after the last restart', () => seen.size > before + 50)
    const offered = await load.stop()
    await until('everything that was offered was delivered', () => includesAll(seen, offered), 60_000)
    await until('nothing is left', async () => {
      const path = `STREAM.INFO.${place.prefix}-tasks`
      const { state } = await coordinator.connection.api<{ state: { messages: number } }>(path, null, {
        doing: 'Looking',
      })
      return state.messages === 0
    })
    expect(errors.filter((message) => message.includes('was deleted'))).toEqual([])
  })

  it('that hangs for a while costs no attempt, and offering fails by its own deadline', {
    timeout: 90_000,
  }, async () => {
    const coordinator = await open({ requestTimeoutMs: 4_000 })
    const other = await open()
    const seen = new Set<string>()
    await other.queue.consume('default', async (delivery) => void seen.add(taskOf(delivery)), worker('w'))
    await coordinator.queue.offer([anOffer('before')])
    await until('it works', () => seen.has('before'))
    await place.server.pause()
    try {
      await expect(coordinator.queue.offer(offersNamed(3))).rejects.toMatchObject({ code: 'ADAPTER_UNAVAILABLE' })
    } finally {
      await place.server.resume()
    }
    await until('it takes offers again', () =>
      coordinator.queue.offer(offersNamed(5)).then(
        () => true,
        () => false,
      ),
    )
    await until('all are delivered', () =>
      includesAll(
        seen,
        offersNamed(5).map(({ taskId }) => taskId),
      ),
    )
  })

  it('that hangs does not keep a consumer from closing', async () => {
    const parts = await open({ requestTimeoutMs: 4_000 })
    const consumer = await parts.queue.consume('default', async () => {}, worker('w'))
    await place.server.pause()
    try {
      await consumer.close()
    } finally {
      await place.server.resume()
    }
  })
})

describe('a connection', () => {
  it('that is cut again and again costs no attempt', { timeout: 90_000 }, async () => {
    await using proxy = await startProxy(place.server.url)
    const coordinator = await open({ url: proxy.url(place.server.url) })
    const through = await open({ url: proxy.url(place.server.url) })
    const seen = new Set<string>()
    await through.queue.consume('default', async (delivery) => void seen.add(taskOf(delivery)), worker('w'))
    const load = offering(coordinator)
    for (let cuts = 1; cuts <= 8; cuts++) {
      // In the middle of whatever is on its way.
      proxy.cutAfter(1 + 997 * cuts, cuts % 2 === 0 ? 'toServer' : 'toClient')
      await until('it was cut', () => proxy.cuts === cuts)
      const before = seen.size
      await until('work goes on', () => seen.size > before + 60)
    }
    const offered = await load.stop()
    await until('everything is delivered', () => includesAll(seen, offered), 60_000)
    await place.closeAll()
  })

  it('that comes back finds the claims of its worker as they were, and settles them', async () => {
    await using proxy = await startProxy(place.server.url)
    const [coordinator, through] = [await open(), await open({ url: proxy.url(place.server.url) })]
    const [started, done] = [gate(), gate()]
    const seen: Delivery[] = []
    await coordinator.queue.offer([anOffer('a')])
    await through.queue.consume(
      'default',
      async (delivery) => {
        seen.push(delivery)
        started.open()
        await done.opened
      },
      worker('w', { claimTtlMs: longClaimMs }),
    )
    await started.opened
    proxy.refuse()
    proxy.cut()
    // The handler ends while there is no connection.
    await until('the loss is noticed', () => !through.connection.isConnected)
    done.open()
    await proxy.accept()
    await until('it is settled', async () => (await coordinator.queue.locate(run, id('a'), 1)).at === 'unknown')
    expect(seen.map(({ signal, deliveries }) => [signal.aborted, deliveries])).toEqual([[false, 1]])
    await through.close()
  })

  it('that was gone for longer than the claim tells the handler, which settles nothing', async () => {
    await using proxy = await startProxy(place.server.url)
    const [coordinator, through, other] = [await open(), await open({ url: proxy.url(place.server.url) }), await open()]
    const [started, done, heirDone] = [gate(), gate(), gate()]
    await coordinator.queue.offer([anOffer('a')])
    let first: Delivery | undefined
    await through.queue.consume(
      'default',
      async (delivery) => {
        first = delivery
        started.open()
        await done.opened
      },
      worker('cut off', { claimTtlMs: shortClaimMs }),
    )
    await started.opened
    proxy.refuse()
    proxy.cut()
    let heir: Delivery | undefined
    await other.queue.consume(
      'default',
      async (delivery) => {
        heir = delivery
        await heirDone.opened
      },
      worker('heir', { claimTtlMs: shortClaimMs }),
    )
    await until('another worker has it', () => heir !== undefined)
    expect(heir?.deliveries).toBe(2)
    done.open()
    await proxy.accept()
    await until('the first is told', () => first?.signal.aborted === true)
    expect(first?.signal.reason).toMatchObject({ code: 'CLAIM_LOST' })
    const asking = await open({ holderAnswersMs: holderPatienceMs })
    expect(await asking.queue.locate(run, id('a'), 1)).toMatchObject({ at: 'claimed', workerId: 'heir' })
    heirDone.open()
    await until('the heir settles it', async () => (await coordinator.queue.locate(run, id('a'), 1)).at === 'unknown')
    await through.close()
  })

  it('that was gone when an attempt was withdrawn tells the handler afterwards', async () => {
    await using proxy = await startProxy(place.server.url)
    const [coordinator, through] = [await open(), await open({ url: proxy.url(place.server.url) })]
    const started = gate()
    let held: Delivery | undefined
    await coordinator.queue.offer([anOffer('a')])
    await through.queue.consume(
      'default',
      (delivery) => {
        held = delivery
        started.open()
        return new Promise(() => {})
      },
      worker('w', { claimTtlMs: longClaimMs }),
    )
    await started.opened
    proxy.refuse()
    proxy.cut()
    await coordinator.queue.withdraw(run, id('a'), 1)
    await proxy.accept()
    await until('the handler is told', () => held?.signal.aborted === true)
    await through.close()
  })
})

describe('what somebody deletes', () => {
  const api = ({ connection }: QueueParts, path: string) => connection.api(path, null, { doing: 'Deleting' })

  it('a consumer: is said and made again, for idle workers and for those with their hands full', async () => {
    const [coordinator, idle, full] = [await open(), await open(), await open()]
    const errors: string[] = []
    const onError = (error: unknown): void => void errors.push((error as { code: string }).code)
    const [started, done] = [gate(), gate()]
    const seen: string[] = []
    await coordinator.queue.offer([anOffer('a')])
    await full.queue.consume(
      'default',
      async (delivery) => {
        seen.push(taskOf(delivery))
        started.open()
        await done.opened
      },
      worker('full', { concurrency: 1, onError }),
    )
    await started.opened
    await api(coordinator, `CONSUMER.DELETE.${place.prefix}-tasks.default`)
    const later: string[] = []
    // Finds it missing, as a worker does that starts later.
    await idle.queue.consume(
      'default',
      async (delivery) => void later.push(taskOf(delivery)),
      worker('idle', { onError }),
    )
    await api(coordinator, `CONSUMER.DELETE.${place.prefix}-tasks.default`)
    await until('it is said', () => errors.includes('ADAPTER_UNAVAILABLE'))
    await coordinator.queue.offer([anOffer('b')])
    await until('work goes on', () => later.includes('b'))
    done.open()
    await until(
      'what was held is settled',
      async () => (await coordinator.queue.locate(run, id('a'), 1)).at === 'unknown',
    )
  })

  it('the stream: offering says so once and then works; workers say so and go on', async () => {
    const [coordinator, other] = [await open(), await open()]
    const errors: string[] = []
    const seen: string[] = []
    await other.queue.consume(
      'default',
      async (delivery) => void seen.push(taskOf(delivery)),
      worker('w', { onError: (error) => void errors.push((error as Error).message) }),
    )
    await coordinator.queue.offer([anOffer('a')])
    await until('it works', () => seen.includes('a'))
    await api(coordinator, `STREAM.DELETE.${place.prefix}-tasks`)
    await until('the worker says so', () => errors.some((message) => message.includes('made again')))
    await until('offering works again', () =>
      coordinator.queue.offer([anOffer('b')]).then(
        () => true,
        () => false,
      ),
    )
    await until('work goes on', () => seen.includes('b'))
  })

  it('the stream, with nobody listening: offering says so once', async () => {
    const { queue, connection } = await open()
    await connection.api(`STREAM.DELETE.${place.prefix}-tasks`, null, { doing: 'Deleting' })
    await expect(queue.offer([anOffer('a')])).rejects.toMatchObject({ code: 'ADAPTER_UNAVAILABLE' })
    await queue.offer([anOffer('a')])
    const seen: string[] = []
    await queue.consume('default', async (delivery) => void seen.push(taskOf(delivery)), worker('w'))
    await until('it is delivered', () => seen.length === 1)
  })

  it('the stream, held attempts included: their handlers are told and settle nothing of the new one', async () => {
    const [coordinator, other] = [await open(), await open()]
    const [started, done] = [gate(), gate()]
    let held: Delivery | undefined
    await coordinator.queue.offer([anOffer('old')])
    await other.queue.consume(
      'default',
      async (delivery) => {
        if (taskOf(delivery) !== 'old') return new Promise(() => {})
        held = delivery
        started.open()
        await done.opened
      },
      worker('w', { concurrency: 2 }),
    )
    await started.opened
    await api(coordinator, `STREAM.DELETE.${place.prefix}-tasks`)
    await until('the handler is told', () => held?.signal.aborted === true)
    // It takes the same position in the new stream.
    await until('offering works', () =>
      coordinator.queue.offer([anOffer('new')]).then(
        () => true,
        () => false,
      ),
    )
    await until(
      'the new one is claimed',
      async () => (await coordinator.queue.locate(run, id('new'), 1)).at === 'claimed',
    )
    done.open()
    await coordinator.queue.offer([anOffer('last')])
    await until(
      'the last one is claimed',
      async () => (await coordinator.queue.locate(run, id('last'), 1)).at === 'claimed',
    )
    const asking = await open({ holderAnswersMs: holderPatienceMs })
    expect(await asking.queue.locate(run, id('new'), 1)).toMatchObject({ at: 'claimed' })
  })
})
