import type { CommitRecord } from '@reprise/core/adapter'
import { describe, expect, it } from 'vitest'
import { openRedis } from '../src/index.js'
import { redisKeys } from '../src/keys.js'
import { withDeadline } from './deadlines.js'
import { redisFixture } from './redis-fixture.js'
import {
  appendAll,
  codeOf,
  eventually,
  history,
  noteEvent,
  readAll,
  recordAfter,
  runId,
  textsOf,
} from './redis-history.js'

const run = runId('run-1')
const fixture = redisFixture({ private: true, settings: { appendfsync: 'always' } })

const streamLength = (): Promise<number> => fixture.raw.xlen(redisKeys(fixture.prefix).log(run))

describe('the connection under the log', () => {
  it('appends once when the reply is swallowed, says that it does not know, and takes the record again', async () => {
    const { proxy, adapter } = await fixture.openBehindProxy()
    const records = history(3)
    await appendAll(adapter.log, run, records.slice(0, 2))
    const end = proxy.swallow('toClient')
    const code = await withDeadline(500, () => codeOf(() => adapter.log.append(run, records[2] as CommitRecord)))
    expect(code).toBe('ADAPTER_UNAVAILABLE')
    await eventually('it is on the server', async () => (await streamLength()) === 3)
    end()
    await adapter.log.append(run, records[2] as CommitRecord)
    expect(await streamLength()).toBe(3)
    expect(await readAll(adapter.log, run)).toEqual(textsOf(records))
  })

  it.each(['toServer', 'toClient'] as const)(
    'appends, looks and reads as if nothing had been when the connection is cut at any byte %s',
    async (direction) => {
      const { proxy, adapter } = await fixture.openBehindProxy()
      const step = direction === 'toServer' ? 61 : 3
      const records = history(24)
      // A cut waits until its byte comes, in whichever exchange that is.
      const cutAgain = () => {
        if (!proxy.cutPending) proxy.cutAfter(1 + proxy.cuts * step, direction)
      }
      for (const [i, record] of records.entries()) {
        cutAgain()
        await adapter.log.append(run, record)
        cutAgain()
        expect((await adapter.log.head(run))?.index).toBe(i)
        cutAgain()
        expect(await readAll(adapter.log, run)).toEqual(textsOf(records.slice(0, i + 1)))
      }
      expect(await streamLength()).toBe(records.length)
      expect(proxy.cuts).toBeGreaterThan(10)
      expect(proxy.connectionsTotal).toBeGreaterThan(10)
    },
  )

  it('takes everything byte by byte', async () => {
    const { proxy, adapter } = await fixture.openBehindProxy({ commandTimeoutMs: 600_000 })
    proxy.trickle(1)
    const records = history(3)
    await appendAll(adapter.log, run, records)
    expect(await readAll(adapter.log, run)).toEqual(textsOf(records))
  })

  it('goes on when the server has forgotten its scripts', async () => {
    const adapter = await fixture.open()
    const records = history(4)
    for (const record of records) {
      await adapter.log.append(run, record)
      await fixture.raw.script('FLUSH')
      expect(await readAll(adapter.log, run)).toEqual(textsOf(records.slice(0, record.index + 1)))
      await fixture.raw.script('FLUSH')
    }
  })

  it('has every reported commit after the server was killed and started again', async () => {
    const adapter = await fixture.open()
    const records: CommitRecord[] = []
    let [reported, restarts] = [0, 0]
    const appending = (async () => {
      // Until the last restart is over, however fast the appending is.
      while (reported < 200 || restarts < 3) {
        const record = recordAfter(records.at(-1), noteEvent(`commit ${reported}`))
        records.push(record)
        while ((await codeOf(() => adapter.log.append(run, record))) !== 'ok');
        reported++
      }
    })()
    for (const count of [20, 80, 140]) {
      await eventually(`${count} commits are reported`, () => reported >= count)
      await fixture.server.kill()
      const known = reported
      await fixture.server.restart()
      expect((await readAll((await fixture.open()).log, run)).length).toBeGreaterThanOrEqual(known)
      restarts++
    }
    await appending
    expect(await readAll(adapter.log, run)).toEqual(textsOf(records))
  }, 60_000)

  it('fails by its deadline while the server is paused, and goes on when it is not', async () => {
    const adapter = await fixture.open()
    const records = history(2)
    await adapter.log.append(run, records[0] as CommitRecord)
    await fixture.server.pause()
    try {
      const from = performance.now()
      const codes = await withDeadline(400, () =>
        Promise.all([
          codeOf(() => adapter.log.append(run, records[1] as CommitRecord)),
          codeOf(() => adapter.log.head(run)),
          codeOf(() => readAll(adapter.log, run)),
          codeOf(() => adapter.inbox.send(run, [{ sender: 's', seq: 1, kind: 'command', body: '{}' }])),
          codeOf(() => adapter.leases.acquire('run/run-1', { id: 'a', host: 'h', pid: 1 }, 1000)),
          codeOf(() => adapter.diagnose()),
          codeOf(() => openRedis({ url: fixture.server.url, commandTimeoutMs: 400 })),
        ]),
      )
      expect([...new Set(codes)]).toEqual(['ADAPTER_UNAVAILABLE'])
      expect(performance.now() - from).toBeLessThan(10_000)
    } finally {
      await fixture.server.resume()
    }
    await eventually('it goes on', async () => (await codeOf(() => adapter.log.head(run))) === 'ok')
    await adapter.log.append(run, records[1] as CommitRecord)
    expect(await readAll(adapter.log, run)).toEqual(textsOf(records))
    expect(await streamLength()).toBe(2)
  })

  it('closes without waiting for a deadline while the server is paused', async () => {
    const adapter = await fixture.open({ commandTimeoutMs: 600_000 })
    const watching = readAllOfWatch(adapter.log.watch(run, 0, new AbortController().signal))
    await fixture.server.pause()
    try {
      const head = codeOf(() => adapter.log.head(run))
      const from = performance.now()
      await adapter.close()
      expect(await head).toBe('CLOSED')
      expect(await watching).toEqual([])
      expect(performance.now() - from).toBeLessThan(10_000)
    } finally {
      await fixture.server.resume()
    }
  })

  it('follows a log while connections are cut and the server is killed', async () => {
    const { proxy, adapter } = await fixture.openBehindProxy()
    const writer = await fixture.open()
    const records = history(40)
    const stop = new AbortController()
    const texts: string[] = []
    const watching = (async () => {
      for await (const batch of adapter.log.watch(run, 0, stop.signal)) texts.push(...batch)
    })()
    for (const record of records) {
      await writer.log.append(run, record)
      // The first cut finds a watch that follows.
      if (record.index === 0) await eventually('it has begun', () => texts.length > 0)
      if (record.index % 5 === 2) proxy.cut()
      if (record.index === 20) {
        await fixture.server.kill()
        await fixture.server.restart()
      }
    }
    await eventually('it has seen all', () => texts.length >= records.length)
    stop.abort()
    await watching
    expect(texts).toEqual(textsOf(records))
  })
})

async function readAllOfWatch(batches: AsyncIterable<string[]>): Promise<string[]> {
  const texts: string[] = []
  for await (const batch of batches) texts.push(...batch)
  return texts
}
