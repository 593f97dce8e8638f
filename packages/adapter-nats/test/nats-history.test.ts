import { describe, expect, it } from 'vitest'
import {
  appendAll,
  closedHistory,
  eventually,
  failureOf,
  history,
  messages,
  open,
  readAll,
  receive,
  recordAfter,
  run,
  type Scene,
  scene,
  textsOf,
  untilThere,
  watch,
} from './log-facts.js'
import { removeStreams } from './nats-facts.js'

/** While those behind the proxy have no connection. */
async function unseen({ proxy }: Scene, work: () => Promise<void>): Promise<void> {
  proxy.refuse()
  proxy.cut()
  await work()
  await proxy.accept()
}

describe('when the server comes back with another history', () => {
  it('appends nothing to it, though it is as long as the one that is known', async () => {
    const place = await scene()
    const records = history(4)
    const other = [...records.slice(0, 2), recordAfter(records[1]!, 'another third')]
    for (const call of ['append', 'remove'] as const) {
      const closed = closedHistory(3)
      const adapter = await open(place.faulty)
      await appendAll(adapter.log, call === 'append' ? records.slice(0, 3) : closed)
      await unseen(place, async () => {
        await removeStreams(place.sound.servers, place.sound.prefix)
        await appendAll((await open(place.sound)).log, other)
      })
      const failure = await untilAnswered(() =>
        call === 'append' ? adapter.log.append(run, records[3]!) : adapter.log.remove(run),
      )
      expect([call, failure.code]).toEqual([call, 'LOG_CORRUPT'])
      expect(failure.message).toContain('went back')
      expect(await readAll((await open(place.sound)).log)).toEqual(textsOf(other))
      await removeStreams(place.sound.servers, place.sound.prefix)
    }
  })

  it('appends nothing to it when the append itself waited for the connection', async () => {
    const place = await scene()
    const records = history(3)
    const other = history(2, 'another')
    const adapter = await open({ ...place.faulty, requestTimeoutMs: 20_000 })
    await appendAll(adapter.log, records.slice(0, 2))
    let appending: Promise<Error & { code: string }> | null = null
    await unseen(place, async () => {
      appending = failureOf(() => adapter.log.append(run, records[2]!))
      await removeStreams(place.sound.servers, place.sound.prefix)
      await appendAll((await open(place.sound)).log, other)
    })
    expect((await appending!).code).toBe('LOG_CORRUPT')
    expect(await readAll((await open(place.sound)).log)).toEqual(textsOf(other))
  })

  it('goes on when it is the same', async () => {
    const place = await scene()
    const records = history(8)
    const adapter = await open(place.faulty)
    for (const record of records) {
      place.proxy.cut()
      await untilThere(() => adapter.log.append(run, record))
    }
    expect(await readAll(adapter.log)).toEqual(textsOf(records))
  })

  it('ends a watch that has read more than is there, though as much was there when it began', async () => {
    const place = await scene()
    const records = history(6)
    await appendAll((await open(place.sound)).log, records.slice(0, 2))
    const follower = watch((await open(place.faulty)).log)
    await eventually('the watch is there', () => follower.texts.length === 2)
    await appendAll((await open(place.sound)).log, records.slice(2, 4))
    await eventually('the watch has all', () => follower.texts.length === 4)
    await unseen(place, async () => {
      await removeStreams(place.sound.servers, place.sound.prefix)
      const { log } = await open(place.sound)
      // The first two as they were, in the same places; then another history.
      let last = records[1]!
      await appendAll(log, records.slice(0, 2))
      for (const text of ['a', 'b', 'c', 'd']) {
        last = recordAfter(last, text)
        await log.append(run, last)
      }
    })
    expect(await follower.ended).toMatchObject({ code: 'LOG_CORRUPT' })
    expect(follower.texts).toEqual(textsOf(records.slice(0, 4)))
  })

  it('hands over every message of an inbox that was made again, and purges none unread', async () => {
    const { proxy, faulty, sound } = await scene()
    const worker = await open(sound)
    const coordinator = await open({ ...faulty, requestTimeoutMs: 20_000 })
    const receiver = receive(coordinator)
    for (const message of messages('worker-1', 20)) await worker.inbox.send(run, [message])
    await eventually('the first are there', () => receiver.received.length >= 20)
    // Whatever the receiver asks meanwhile is answered once the stream is there: one that is gone would end it.
    proxy.hold('toServer')
    await removeStreams(sound.servers, sound.prefix)
    const other = await open(sound)
    proxy.release('toServer')
    for (const message of messages('worker-2', 30)) await other.inbox.send(run, [message])
    const seen = () => receiver.received.filter(({ sender }) => sender === 'worker-2').map(({ seq }) => seq)
    await eventually('all are there', () => new Set(seen()).size === 30)
    expect(seen().slice(0, 30)).toEqual(messages('worker-2', 30).map(({ seq }) => seq))
  })
})

/** Once the server is there again: what it answers with. */
async function untilAnswered(call: () => Promise<void>): Promise<Error & { code: string }> {
  for (;;) {
    const failure = await failureOf(call)
    if (failure.code !== 'ADAPTER_UNAVAILABLE') return failure
  }
}
