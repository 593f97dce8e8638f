import type { Adapter, Holder, Lease, LeaseHolder } from '@reprise/core/adapter'
import { eventually, throughout } from '../eventually.js'
import { collect } from '../outcome.js'
import type { Suite } from '../suite.js'

const name = 'run/run-1'
// Another host, so that no adapter looks for these processes on this one.
const holder = (id: string): Holder => ({ id, host: 'elsewhere', pid: 4711 })

/** The lease, or a failed test. */
function granted(answer: Lease | LeaseHolder): Lease {
  if (!answer.held) throw new Error(`The lease was not granted: ${answer.holder.id} holds it.`)
  return answer
}

export function leasesSuite({ describe, it, expect, ttlMs, longTtlMs }: Suite): void {
  const acquire = async ({ leases }: Adapter, id: string, ttl = longTtlMs): Promise<Lease> =>
    granted(await leases.acquire(name, holder(id), ttl))

  describe('leases', () => {
    it('grants a free lease and tells others who holds it', async ({ open }) => {
      const [one, other] = [await open(), await open()]
      const lease = await acquire(one, 'a')
      expect([lease.name, lease.holder, lease.ttlMs, lease.takenFrom]).toEqual([
        name,
        holder('a'),
        longTtlMs,
        undefined,
      ])
      const answer = await other.leases.acquire(name, holder('b'), longTtlMs)
      expect([answer.held, answer.name, answer.holder, answer.ttlMs]).toEqual([false, name, holder('a'), longTtlMs])
    })

    it('grants it again to its holder, who may not have learnt the first answer', async ({ open }) => {
      const { leases } = await open()
      await leases.acquire(name, holder('a'), longTtlMs)
      const again = granted(await leases.acquire(name, holder('a'), longTtlMs))
      expect(again.takenFrom).toBe(undefined)
      expect(await leases.renew(again)).toBe(true)
    })

    it('grants leases of other names independently', async ({ open }) => {
      const adapter = await open()
      await acquire(adapter, 'a')
      granted(await adapter.leases.acquire('run/run-2', holder('b'), longTtlMs))
      granted(await adapter.leases.acquire('worker/run-1', holder('c'), longTtlMs))
    })

    it('shows the note of the last renewal to others', async ({ open }) => {
      const [one, other] = [await open(), await open()]
      const lease = await acquire(one, 'a')
      const seen = async (): Promise<LeaseHolder | undefined> => (await collect(other.leases.holders(name)))[0]
      expect((await seen())?.note).toBe(undefined)
      for (const text of ['first', 'second \u2028 \ud83d\ude80']) {
        expect(await one.leases.renew(lease, { text })).toBe(true)
        expect((await seen())?.note).toEqual({ text })
      }
    })

    it('frees a released lease, and nobody is said to have lost it', async ({ open }) => {
      const [one, other] = [await open(), await open()]
      const lease = await acquire(one, 'a')
      await one.leases.release(lease)
      expect((await acquire(other, 'b')).takenFrom).toBe(undefined)
      expect(await one.leases.renew(lease)).toBe(false)
      await one.leases.release(lease)
      expect((await one.leases.acquire(name, holder('a'), longTtlMs)).holder).toEqual(holder('b'))
    })

    it('gives a lease that ran out to the next who asks, and says from whom', async ({ open }) => {
      const [one, other] = [await open(), await open()]
      const lease = await acquire(one, 'a', ttlMs)
      let answer: Lease | LeaseHolder | undefined
      await eventually('the lease is granted to another', async () => {
        answer = await other.leases.acquire(name, holder('b'), longTtlMs)
        return answer.held
      })
      expect(answer?.held && answer.takenFrom).toEqual({ holder: holder('a'), reason: 'lease-expired' })
      expect(await one.leases.renew(lease)).toBe(false)
      await one.leases.release(lease)
      expect((await one.leases.acquire(name, holder('c'), longTtlMs)).holder).toEqual(holder('b'))
    })

    it('keeps a lease that is renewed in time, for as long as it is', async ({ open }) => {
      const [one, other] = [await open(), await open()]
      const lease = await acquire(one, 'a', 2 * ttlMs)
      await throughout('the lease is held', 6 * ttlMs, async () => {
        const renewed = await one.leases.renew(lease)
        return renewed && !(await other.leases.acquire(name, holder('b'), longTtlMs)).held
      })
    })

    it('takes a lease by force, and the earlier holder learns it', async ({ open }) => {
      const [one, other] = [await open(), await open()]
      const lost = await acquire(one, 'a')
      const taken = granted(await other.leases.acquire(name, holder('b'), longTtlMs, { force: true }))
      expect(taken.takenFrom).toEqual({ holder: holder('a'), reason: 'forced' })
      expect(taken.nonce === lost.nonce).toBe(false)
      expect(await one.leases.renew(lost)).toBe(false)
      await one.leases.release(lost)
      expect(await other.leases.renew(taken)).toBe(true)
    })

    it('lists live holders by prefix, and neither released nor expired ones', async ({ open }) => {
      const [one, other] = [await open(), await open()]
      const held = async (prefix: string): Promise<string[]> =>
        (await collect(other.leases.holders(prefix))).map((found) => found.name).sort()
      expect(await held('')).toEqual([])
      for (const id of ['worker/1', 'worker/2', 'worker/3', 'run/1']) {
        await one.leases.acquire(id, holder(id), id === 'worker/3' ? ttlMs : longTtlMs)
      }
      const released = granted(await one.leases.acquire('worker/4', holder('worker/4'), longTtlMs))
      await one.leases.release(released)
      await eventually('the expired holder is gone', async () => (await held('worker/')).join() === 'worker/1,worker/2')
      expect(await held('run/')).toEqual(['run/1'])
      const [worker] = await collect(other.leases.holders('worker/1'))
      expect([worker?.held, worker?.holder, worker?.ttlMs]).toEqual([false, holder('worker/1'), longTtlMs])
      expect(Number.isNaN(Date.parse(worker?.heartbeatAt ?? ''))).toBe(false)
    })

    it('lets one of several that ask at once have it', async ({ open }) => {
      const adapters = await Promise.all(Array.from({ length: 8 }, () => open()))
      const answers = await Promise.all(
        adapters.map(({ leases }, i) => leases.acquire(name, holder(`holder-${i}`), longTtlMs)),
      )
      const winners = answers.filter((answer) => answer.held)
      expect(winners.length).toBe(1)
      for (const answer of answers) expect(answer.holder).toEqual(winners[0]?.holder)
    })

    it('frees the lease of a process that was killed', async ({ open, openMortal }) => {
      const [dead, heir] = [await openMortal(), await open()]
      await acquire(dead.adapter, 'a', ttlMs)
      await dead.kill()
      await eventually('the lease is granted to another', async () => {
        const answer = await heir.leases.acquire(name, holder('b'), longTtlMs)
        return answer.held && answer.takenFrom?.holder.id === 'a'
      })
    })
  })
}
