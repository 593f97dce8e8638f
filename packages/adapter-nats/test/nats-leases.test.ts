import { openAdapterProcess } from '@reprise/conformance'
import type { Holder } from '@reprise/core/adapter'
import { startNats, startProxy, type TestServer } from '@reprise/test-servers'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { eventually, failureOf, open } from './log-facts.js'
import { placeOn } from './nats-facts.js'

const script = new URL('./adapter-process.mjs', import.meta.url)
const holder = (id: string): Holder => ({ id, host: 'elsewhere', pid: 1 })

let server: TestServer
beforeAll(async () => {
  server = await startNats()
})
afterAll(async () => {
  await server.stop()
})

const place = () => placeOn(server)

describe('leases in a bucket', () => {
  it('are free at once when the process that took them on this host is gone', async () => {
    const options = place()
    const [dying, heir] = [await openAdapterProcess(script, options), await open(options)]
    expect((await dying.adapter.leases.acquire('run/a', holder('dying'), 3_600_000)).held).toBe(true)
    expect((await heir.leases.acquire('run/a', holder('heir'), 1000)).held).toBe(false)
    await dying.kill()
    for await (const { name } of heir.leases.holders('run/')) throw new Error(`${name} has a dead holder.`)
    const taken = await heir.leases.acquire('run/a', holder('heir'), 1000)
    expect(taken.held && taken.takenFrom).toEqual({ holder: holder('dying'), reason: 'process-gone' })
  })

  it('are renewed and released though the acknowledgement of the renewal before was lost', async () => {
    const options = place()
    const proxy = await startProxy(server.url)
    onTestFinished(() => proxy[Symbol.asyncDispose]())
    const holding = await open({ ...options, servers: proxy.url(server.url) })
    const lease = await holding.leases.acquire('run/a', holder('a'), 60_000)
    if (!lease.held) throw new Error('The lease was not granted.')
    const end = proxy.swallow('toClient')
    expect((await failureOf(() => holding.leases.renew(lease))).code).toBe('ADAPTER_UNAVAILABLE')
    end()
    await eventually('it is renewed', async () => {
      const { code } = await failureOf(async () => expect(await holding.leases.renew(lease)).toBe(true))
      return code === 'none'
    })
    await holding.leases.release(lease)
    const next = await (await open(options)).leases.acquire('run/a', holder('b'), 60_000)
    expect([next.held, next.held && next.takenFrom]).toEqual([true, undefined])
  })

  it('refuse a ttl that is none, one beyond the life of a key, and a note that is too large', async () => {
    const { leases } = await open(place())
    for (const ttlMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 25 * 3_600_000]) {
      expect((await failureOf(() => leases.acquire('run/a', holder('a'), ttlMs))).code).toBe('INVALID_INPUT')
    }
    const lease = await leases.acquire('run/a', holder('a'), 1000)
    if (!lease.held) throw new Error('The lease was not granted.')
    expect((await failureOf(() => leases.renew(lease, 'x'.repeat(17_000)))).code).toBe('TOO_LARGE')
  })

  it('are all listed, though every one is renewed while they are read', { timeout: 60_000 }, async () => {
    const options = place()
    const [holding, looking] = [await open(options), await open(options)]
    const names = Array.from({ length: 600 }, (_, i) => `worker/${i}`)
    const leases = await Promise.all(names.map((name) => holding.leases.acquire(name, holder(name), 600_000)))
    const renewAll = async (note: string): Promise<void> => {
      for (const lease of leases) expect(lease.held && (await holding.leases.renew(lease, note))).toBe(true)
    }
    // Together more than the server sends to somebody who does not read on.
    await renewAll('n'.repeat(15_000))
    const seen: string[] = []
    for await (const { name } of looking.leases.holders('worker/')) {
      if (seen.length === 0) await renewAll('renewed')
      seen.push(name)
    }
    expect(seen.sort()).toEqual(names.sort())
  })

  it('run out by the time of the server, though the machine of the next one slept meanwhile', async () => {
    const options = place()
    const [holding, next] = [await open(options), await open(options)]
    await holding.leases.acquire('run/a', holder('a'), 600_000)
    expect((await next.leases.acquire('run/a', holder('b'), 600_000)).held).toBe(false)
    // From now on for a short time only: nothing that must be done within it.
    expect((await holding.leases.acquire('run/a', holder('a'), 1_500)).held).toBe(true)
    const expired = Date.now() + 1_600
    // The monotonic clock stops while a machine sleeps.
    const stopped = performance.now()
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => stopped)
    onTestFinished(() => clock.mockRestore())
    await eventually('its time has passed', () => Date.now() > expired)
    expect((await next.leases.acquire('run/a', holder('b'), 1_500)).held).toBe(true)
  })
})
