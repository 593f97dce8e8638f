import { existsSync, mkdirSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Delivery, TaskId } from '@reprise/core/adapter'
import { describe, expect, it } from 'vitest'
import { AppendFile } from '../src/append-file.js'
import { sealLine } from '../src/offer-line.js'
import { anOffer, gate, offersNamed, openParts, run, taskOf, temporaryFolder, until, worker } from './delivery-parts.js'

const id = (task: string): TaskId => task as TaskId
const segmentsIn = (dir: string): string[] => readdirSync(join(dir, 'lanes', 'default', 'offers'))
const claimsIn = (dir: string): string[] => readdirSync(join(dir, 'lanes', 'default', 'claims'))

describe('delivery', () => {
  it('hands out attempts in the order of their offering', async () => {
    const { queue } = openParts(temporaryFolder())
    await queue.offer(offersNamed(200))
    await queue.offer(offersNamed(200, 'later-'))
    const seen: string[] = []
    await queue.consume(
      'default',
      async (delivery) => void seen.push(taskOf(delivery)),
      worker('w', { concurrency: 3 }),
    )
    await until(() => seen.length === 400)
    expect(seen).toEqual([...offersNamed(200), ...offersNamed(200, 'later-')].map((offer) => offer.taskId))
  })

  it('hands 10,000 attempts to two workers, each once', async () => {
    const dir = temporaryFolder()
    const seen: string[] = []
    for (const name of ['a', 'b']) {
      const take = async (delivery: Delivery): Promise<void> => {
        await Promise.resolve()
        seen.push(taskOf(delivery))
      }
      await openParts(dir).queue.consume('default', take, worker(name, { concurrency: 16 }))
    }
    const { queue } = openParts(dir)
    const offers = offersNamed(10_000)
    for (let i = 0; i < offers.length; i += 500) await queue.offer(offers.slice(i, i + 500))
    await until(() => seen.length >= 10_000)
    expect(new Set(seen).size).toBe(10_000)
    for (const { taskId } of [offers[0]!, offers[5_000]!, offers[9_999]!]) {
      await until(async () => (await queue.locate(run, taskId, 1)).at === 'unknown')
    }
    expect(seen.length).toBe(10_000)
  })

  it('brings ids and bodies across as they are', async () => {
    const { queue } = openParts(temporaryFolder())
    const offers = [
      anOffer('tab\tin "quotes" \\ and ünïcode 😀', { body: '{"text":"\\n\\t😀"}' }),
      anOffer('newlines', { body: '{\n  "a": "\\\\n"\n}\\' }),
      anOffer('empty', { body: '' }),
    ]
    await queue.offer(offers)
    const seen: Delivery[] = []
    await queue.consume('default', async (delivery) => void seen.push(delivery), worker('w'))
    await until(() => seen.length === 3)
    expect(seen.map((delivery) => delivery.offer)).toEqual(offers)
  })

  it('refuses a body that no worker could read, and offers nothing of that call', async () => {
    const { queue } = openParts(temporaryFolder())
    const tooLarge = anOffer('large', { body: 'x'.repeat(2_000_000) })
    await expect(queue.offer([anOffer('small'), tooLarge])).rejects.toMatchObject({ code: 'TOO_LARGE' })
    expect(await queue.locate(run, id('small'), 1)).toEqual({ at: 'unknown' })
  })

  it('redelivers what a handler rejects, counting, and not before a pause', async () => {
    const { queue } = openParts(temporaryFolder())
    const times: number[] = []
    const counts: number[] = []
    const fail = async ({ deliveries }: Delivery): Promise<void> => {
      times.push(performance.now())
      counts.push(deliveries)
      if (deliveries < 3) throw new Error('not this time')
    }
    await queue.consume('default', fail, worker('w'))
    await queue.offer([anOffer('a')])
    await until(async () => counts.length === 3 && (await queue.locate(run, id('a'), 1)).at === 'unknown')
    expect(counts).toEqual([1, 2, 3])
    expect(times[1]! - times[0]!).toBeGreaterThan(45)
    expect(times[2]! - times[1]!).toBeGreaterThan(95)
  })

  it('goes on after a failure of the disk, and reports it', async () => {
    const dir = temporaryFolder()
    const inTheWay = join(dir, 'lanes', 'default', 'offers', '000001')
    mkdirSync(inTheWay, { recursive: true })
    const { queue } = openParts(dir)
    const errors: unknown[] = []
    const seen: string[] = []
    await queue.consume(
      'default',
      async (delivery) => void seen.push(taskOf(delivery)),
      worker('w', { onError: (error) => errors.push(error) }),
    )
    await until(() => errors.length > 0)
    rmdirSync(inTheWay)
    await queue.offer([anOffer('a')])
    await until(() => seen.length === 1)
  })

  it('shows what a handler says of its progress with the next heartbeat', async () => {
    const { queue, leases } = openParts(temporaryFolder())
    const end = gate()
    await queue.offer([anOffer('a')])
    await queue.consume(
      'default',
      async ({ progress }) => {
        progress({ step: 3 })
        expect(() => progress('x'.repeat(2000))).toThrow(expect.objectContaining({ code: 'TOO_LARGE' }))
        await end.opened
      },
      // What a heartbeat has shown is there for seconds: both looks see it.
      worker('w', { claimTtlMs: 6_000 }),
    )
    const shown = async () => {
      const where = await queue.locate(run, id('a'), 1)
      return where.at === 'claimed' && where.progress !== undefined ? where : null
    }
    await until(async () => (await shown()) !== null)
    expect(await shown()).toMatchObject({ workerId: 'w', deliveries: 1, progress: { step: 3 } })
    const holders = []
    for await (const holder of leases.holders('worker/')) holders.push(holder.holder.id)
    expect(holders).toEqual(['w'])
    end.open()
  })

  it('gives back on close what runs, and others have it at once', async () => {
    const dir = temporaryFolder()
    const first = openParts(dir)
    await first.queue.offer([anOffer('a')])
    let reason: unknown
    const started = gate()
    const stuck = async ({ signal }: Delivery): Promise<void> => {
      signal.addEventListener('abort', () => {
        reason = signal.reason
      })
      started.open()
      await new Promise(() => {})
    }
    const consumer = await first.queue.consume('default', stuck, worker('w1'))
    await started.opened
    const counts: number[] = []
    const second = openParts(dir)
    await second.queue.consume('default', async ({ deliveries }) => void counts.push(deliveries), worker('w2'))
    await consumer.close()
    expect(reason).toMatchObject({ code: 'CLOSED' })
    await until(() => counts.length === 1)
    expect(counts).toEqual([2])
  })

  it('ends a drain early when it is closed again without patience', async () => {
    const { queue } = openParts(temporaryFolder())
    await queue.offer([anOffer('a')])
    const started = gate()
    const stuck = async (): Promise<void> => {
      started.open()
      await new Promise(() => {})
    }
    const consumer = await queue.consume('default', stuck, worker('w'))
    await started.opened
    const patient = consumer.close({ drainMs: 600_000 })
    await Promise.all([patient, consumer.close()])
    expect(await queue.locate(run, id('a'), 1)).toEqual({ at: 'queued', deliveries: 1 })
  })
})

describe('offering again', () => {
  it('changes nothing, whoever does it, settled or not', async () => {
    const dir = temporaryFolder()
    const first = openParts(dir)
    await first.queue.offer([anOffer('settled'), anOffer('withdrawn'), anOffer('waiting', { lane: 'other' })])
    await first.queue.withdraw(run, id('withdrawn'), 1)
    const seen: string[] = []
    await first.queue.consume('default', async (delivery) => void seen.push(taskOf(delivery)), worker('w'))
    await until(async () => (await first.queue.locate(run, id('settled'), 1)).at === 'unknown')

    const second = openParts(dir)
    const again = [anOffer('settled'), anOffer('withdrawn'), anOffer('waiting', { lane: 'other' }), anOffer('new')]
    await second.queue.offer(again)
    await second.queue.offer([...again, ...again])
    await first.queue.offer(again)
    await second.queue.consume('other', async (delivery) => void seen.push(taskOf(delivery)), worker('w2'))
    await until(() => seen.length >= 3)
    await until(async () => (await second.queue.locate(run, id('new'), 1)).at === 'unknown')
    expect(seen.sort()).toEqual(['new', 'settled', 'waiting'])
  })

  it('is not mistaken for another attempt of the task', async () => {
    const { queue } = openParts(temporaryFolder())
    await queue.offer([anOffer('a'), anOffer('a', { attempt: 2 })])
    const seen: number[] = []
    await queue.consume('default', async ({ offer }) => void seen.push(offer.attempt), worker('w'))
    await until(() => seen.length === 2)
    expect(seen).toEqual([1, 2])
  })

  it('by two coordinators at once leaves one', async () => {
    const dir = temporaryFolder()
    const coordinators = [openParts(dir), openParts(dir), openParts(dir)]
    const offers = offersNamed(300)
    await Promise.all(
      coordinators.map(async ({ queue }, i) => {
        for (let from = 0; from < offers.length; from += 10) {
          await queue.offer(offers.slice(from, from + 10))
          if (i % 2 === from % 20) await Promise.resolve()
        }
      }),
    )
    const seen: string[] = []
    await coordinators[0]!.queue.consume('default', async (delivery) => void seen.push(taskOf(delivery)), worker('w'))
    await until(() => seen.length >= 300)
    expect(seen).toEqual(offers.map((offer) => offer.taskId))
  })
})

describe('withdrawing', () => {
  it('an attempt that waits: it is never delivered', async () => {
    const dir = temporaryFolder()
    const { queue } = openParts(dir)
    await queue.offer(offersNamed(3))
    // By a process that has offered nothing.
    await openParts(dir).queue.withdraw(run, id('task-1'), 1)
    expect(await queue.locate(run, id('task-1'), 1)).toEqual({ at: 'unknown' })
    const seen: string[] = []
    await queue.consume('default', async (delivery) => void seen.push(taskOf(delivery)), worker('w'))
    await until(async () => (await queue.locate(run, id('task-2'), 1)).at === 'unknown')
    expect(seen).toEqual(['task-0', 'task-2'])
  })

  it('an attempt that runs: its signal aborts, and it is not delivered again', async () => {
    const { queue } = openParts(temporaryFolder())
    await queue.offer([anOffer('a')])
    const started = gate()
    const reasons: unknown[] = []
    const stuck = ({ signal }: Delivery): Promise<void> => {
      started.open()
      return new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => {
          reasons.push(signal.reason)
          reject(signal.reason)
        }),
      )
    }
    await queue.consume('default', stuck, worker('w'))
    await started.opened
    await queue.withdraw(run, id('a'), 1)
    await until(() => reasons.length > 0)
    expect(reasons).toEqual([expect.objectContaining({ code: 'ATTEMPT_WITHDRAWN' })])
    expect(await queue.locate(run, id('a'), 1)).toEqual({ at: 'unknown' })
  })

  it('an attempt that nobody knows changes nothing', async () => {
    const { queue } = openParts(temporaryFolder())
    await queue.withdraw(run, id('a'), 1)
    await queue.offer([anOffer('a')])
    await queue.withdraw(run, id('a'), 2)
    expect(await queue.locate(run, id('a'), 1)).toEqual({ at: 'queued', deliveries: 0 })
  })
})

describe('segments', () => {
  it('follow one another, and go when everything in them is settled', async () => {
    const dir = temporaryFolder()
    const { queue } = openParts(dir, { segmentBytesMax: 4_000 })
    const seen: string[] = []
    await openParts(dir).queue.consume('default', async (delivery) => void seen.push(taskOf(delivery)), worker('w'))
    const offers = offersNamed(1_000)
    for (let i = 0; i < offers.length; i += 7) await queue.offer(offers.slice(i, i + 7))
    await until(() => seen.length === 1_000)
    expect(seen).toEqual(offers.map((offer) => offer.taskId))
    await until(() => segmentsIn(dir).length === 1)
    expect(Number(segmentsIn(dir)[0])).toBeGreaterThan(20)
    expect(claimsIn(dir)).toEqual(segmentsIn(dir))
  })

  it('stay while one attempt in them is open, and others pass it by', async () => {
    const dir = temporaryFolder()
    const { queue } = openParts(dir, { segmentBytesMax: 2_000 })
    const slow = gate()
    const seen: string[] = []
    const take = async (delivery: Delivery): Promise<void> => {
      seen.push(taskOf(delivery))
      if (taskOf(delivery) === 'task-0') await slow.opened
    }
    await queue.consume('default', take, worker('w'))
    await queue.offer(offersNamed(200))
    await until(() => seen.length === 200)
    await until(() => segmentsIn(dir).length === 2)
    expect(segmentsIn(dir)[0]).toBe('000001')
    slow.open()
    await until(() => segmentsIn(dir).length === 1)
  })

  it('take no offer behind their seal: it goes into the next one', async () => {
    const dir = temporaryFolder()
    const { queue } = openParts(dir)
    await queue.offer([anOffer('before')])
    const other = AppendFile.open(join(dir, 'lanes', 'default', 'offers', '000001'))
    other.append([sealLine()])
    other.close()
    await queue.offer([anOffer('behind')])
    expect(segmentsIn(dir)).toEqual(['000001', '000002'])
    const seen: string[] = []
    await queue.consume('default', async (delivery) => void seen.push(taskOf(delivery)), worker('w'))
    await until(() => seen.length === 2)
    expect(seen).toEqual(['before', 'behind'])
  })

  it('are not hidden by one that a paused coordinator makes long after its time', async () => {
    const dir = temporaryFolder()
    const { queue } = openParts(dir, { segmentBytesMax: 1_000 })
    const seen: string[] = []
    await queue.consume('default', async (delivery) => void seen.push(taskOf(delivery)), worker('w'))
    await queue.offer(offersNamed(50))
    await until(() => seen.length === 50 && segmentsIn(dir).length === 1)
    const stray = join(dir, 'lanes', 'default', 'offers', '000002')
    writeFileSync(stray, '')
    const late = openParts(dir)
    await late.queue.offer([anOffer('late')])
    await late.queue.consume('default', async (delivery) => void seen.push(taskOf(delivery)), worker('w2'))
    await until(() => seen.includes('late'))
    expect(existsSync(stray)).toBe(false)
  })

  it('are the only place where the text of an offer is', async () => {
    const dir = temporaryFolder()
    const { queue } = openParts(dir)
    const body = 'x'.repeat(4_000)
    const block = gate()
    let ended = 0
    const take = async (delivery: Delivery): Promise<void> => {
      if (taskOf(delivery) === 'kept-0') await block.opened
      ended++
    }
    await openParts(dir).queue.consume('default', take, worker('w', { concurrency: 16 }))
    const before = heapUsed()
    // One that stays open in each of many segments: nothing of its neighbours stays with it.
    await queue.offer([anOffer('kept-0', { body })])
    for (let i = 0; i < 100; i++) {
      await queue.offer(Array.from({ length: 80 }, (_, k) => anOffer(`${i}-${k}`, { body })))
      await until(() => ended >= (i + 1) * 80)
    }
    expect(heapUsed() - before).toBeLessThan(8_000_000)
    block.open()
  })
})

function heapUsed(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return process.memoryUsage().heapUsed
}
