import type { Lease, LeaseHolder } from '@reprise/core/adapter'
import { describe, expect, it } from 'vitest'
import { redisKeys } from '../src/keys.js'
import { withDeadline } from './deadlines.js'
import { redisFixture } from './redis-fixture.js'
import { codeOf, collect, eventually } from './redis-history.js'

const fixture = redisFixture({ private: true })
const holder = (id: string) => ({ id, host: 'here', pid: 1 })

function granted(answer: Lease | LeaseHolder): Lease {
  if (!answer.held) throw new Error(`${answer.holder.id} holds it.`)
  return answer
}

describe('leases', () => {
  it('are kept and taken by the clock of the server, whatever the clocks of the holders say', async () => {
    const [one, other] = [await fixture.open(), await fixture.open()]
    const lease = granted(await one.leases.acquire('run/a', holder('a'), 600_000))
    const dateNow = Date.now
    Date.now = (): number => dateNow() + 3_600_000
    try {
      expect((await other.leases.acquire('run/a', holder('b'), 600_000)).held).toBe(false)
      expect((await collect(other.leases.holders('run/'))).length).toBe(1)
    } finally {
      Date.now = dateNow
    }
    expect(await one.leases.renew(lease)).toBe(true)
  })

  it('keep their nonce when the holder asks again, and get a later one with each taking', async () => {
    const { leases } = await fixture.open()
    const first = granted(await leases.acquire('run/a', holder('a'), 600_000))
    expect(granted(await leases.acquire('run/a', holder('a'), 600_000)).nonce).toBe(first.nonce)
    const nonces = [first.nonce]
    for (const id of ['b', 'c', 'd']) {
      nonces.push(granted(await leases.acquire('run/a', holder(id), 600_000, { force: true })).nonce)
    }
    expect(nonces).toEqual([...new Set(nonces)].sort())
  })

  it('are taken once when the reply is swallowed, and renewed by their holder after that', async () => {
    const { proxy, adapter } = await fixture.openBehindProxy()
    const other = await fixture.open()
    // The server knows the scripts, and the connection is there: what goes out now is done.
    await adapter.leases.acquire('run/before', holder('a'), 600_000)
    const end = proxy.swallow('toClient')
    const code = await withDeadline(400, () => codeOf(() => adapter.leases.acquire('run/a', holder('a'), 600_000)))
    expect(code).toBe('ADAPTER_UNAVAILABLE')
    const key = redisKeys(fixture.prefix).lease('run/a')
    await eventually('it is on the server', async () => (await fixture.raw.exists(key)) === 1)
    end()
    expect((await other.leases.acquire('run/a', holder('b'), 600_000)).holder).toEqual(holder('a'))
    const lease = granted(await adapter.leases.acquire('run/a', holder('a'), 600_000))
    expect(await adapter.leases.renew(lease)).toBe(true)
  })

  it('are listed again with the next renewal after the register was lost', async () => {
    const adapter = await fixture.open()
    const lease = granted(await adapter.leases.acquire('worker/1', holder('a'), 600_000))
    await fixture.raw.del(redisKeys(fixture.prefix).leases)
    expect(await collect(adapter.leases.holders(''))).toEqual([])
    expect(await adapter.leases.renew(lease, { load: 3 })).toBe(true)
    expect(await collect(adapter.leases.holders(''))).toMatchObject([{ name: 'worker/1', note: { load: 3 } }])
  })

  it('leave nothing for ever: what ran out is forgotten by the server itself', async () => {
    const adapter = await fixture.open()
    await adapter.leases.acquire('worker/1', holder('a'), 50)
    const keys = redisKeys(fixture.prefix)
    expect(await fixture.raw.pttl(keys.lease('worker/1'))).toBeGreaterThan(0)
    await eventually('it has run out', async () => (await collect(adapter.leases.holders(''))).length === 0)
    // As if a day had passed.
    await fixture.raw.zadd(keys.leases, '1', 'worker/1')
    await adapter.leases.acquire('worker/2', holder('b'), 600_000)
    expect(await fixture.raw.zrange(keys.leases, '0', '-1')).toEqual(['worker/2'])
  })

  it.each([
    ['facts', 'x'],
    ['facts', '{}'],
    ['facts', 'null'],
    ['facts', '{"holder":{"id":7,"host":"h","pid":1},"ttlMs":1,"heartbeatAt":"2030-01-01T00:00:00.000Z"}'],
    ['facts', '{"holder":{"id":"a","host":"h","pid":1},"ttlMs":1,"heartbeatAt":"x"}'],
    ['expires', 'x'],
    ['nonce', ''],
  ])('are listed, taken and renewed by others when a worker has written %s = %s into its own', async (field, value) => {
    const { leases } = await fixture.open()
    granted(await leases.acquire('worker/good', holder('good'), 600_000))
    granted(await leases.acquire('worker/evil', holder('evil'), 600_000))
    const key = redisKeys(fixture.prefix).lease('worker/evil')
    await fixture.raw.hset(key, field, value)
    expect((await collect(leases.holders('worker/'))).map(({ name }) => name)).toContain('worker/good')
    for (const found of await collect(leases.holders('worker/'))) expect(found.holder.host).toBe('here')
    const asked = await leases.acquire('worker/evil', holder('other'), 600_000)
    expect(typeof asked.holder.id).toBe('string')
    await fixture.raw.hset(key, 'expires', '1')
    await fixture.raw.hset(key, field, value)
    const taken = granted(await leases.acquire('worker/evil', holder('next'), 600_000, { force: true }))
    expect(taken.takenFrom?.holder).toEqual({
      id: expect.any(String),
      host: expect.any(String),
      pid: expect.any(Number),
    })
    expect(await leases.renew(taken)).toBe(true)
    expect((await collect(leases.holders('worker/'))).map(({ name }) => name).sort()).toEqual([
      'worker/evil',
      'worker/good',
    ])
  })

  it('are taken from an unknown holder when a worker has left it none, and kept by the holder that has lost its nonce', async () => {
    const { leases } = await fixture.open()
    const key = redisKeys(fixture.prefix).lease('worker/1')
    granted(await leases.acquire('worker/1', holder('a'), 600_000))
    await fixture.raw.hset(key, 'facts', 'x')
    expect(await leases.acquire('worker/1', holder('b'), 600_000)).toMatchObject({ held: false, name: 'worker/1' })
    await fixture.raw.hset(key, 'expires', '1')
    expect(granted(await leases.acquire('worker/1', holder('b'), 600_000)).takenFrom).toEqual({
      holder: { id: 'unknown', host: 'unknown', pid: 0 },
      reason: 'lease-expired',
    })
    await fixture.raw.hdel(key, 'nonce')
    const lease = granted(await leases.acquire('worker/1', holder('b'), 600_000))
    expect(await leases.renew(lease)).toBe(true)
    await fixture.raw.hdel(key, 'nonce')
    expect((await leases.acquire('worker/1', holder('c'), 600_000)).held).toBe(false)
  })

  it('refuse a time that is none and a note that is too long', async () => {
    const { leases } = await fixture.open()
    for (const ttl of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(await codeOf(() => leases.acquire('run/a', holder('a'), ttl))).toBe('INVALID_INPUT')
    }
    const lease = granted(await leases.acquire('run/a', holder('a'), 1_000))
    expect(await codeOf(() => leases.renew(lease, 'x'.repeat(16 * 1024)))).toBe('TOO_LARGE')
    expect(await leases.renew(lease, 'x'.repeat(16 * 1024 - 2))).toBe(true)
  })
})
