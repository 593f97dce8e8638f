import type { CommitRecord } from '@reprise/core/adapter'
import { describe, expect, it, onTestFinished } from 'vitest'
import { redisKeys } from '../src/keys.js'
import { redisFixture } from './redis-fixture.js'
import {
  appendAll,
  codeOf,
  collect,
  completedEvent,
  eventually,
  failureOf,
  history,
  readAll,
  recordAfter,
  runId,
  textsOf,
} from './redis-history.js'

const run = runId('run-1')
const fixture = redisFixture({ private: true })
const keysNow = () => redisKeys(fixture.prefix)

/** What a backup of the run holds, to be put back later. */
async function backUp(): Promise<() => Promise<void>> {
  const keys = [keysNow().log(run), keysNow().head(run)]
  const dumps = await Promise.all(keys.map((key) => fixture.raw.dumpBuffer(key)))
  return async () => {
    await fixture.raw.del(...keys)
    for (const [i, key] of keys.entries()) {
      const dump = dumps[i]
      if (dump) await fixture.raw.restore(key, 0, dump)
    }
  }
}

/** Begins something that waits for a log; resolves once it does wait. The server may not have seen yet that others left. */
async function onceWaiting<T>(begin: () => T): Promise<{ waiting: T }> {
  const waits = async () => /cmd=xread/.test(String(await fixture.raw.client('LIST')))
  await eventually('the watches of other tests are gone', async () => !(await waits()))
  const waiting = begin()
  await eventually('the watch waits', waits)
  return { waiting }
}

describe('a log of which the server has lost something', () => {
  it('is refused by whoever has seen more, after FLUSHALL', async () => {
    const [writer, reader] = [await fixture.open(), await fixture.open()]
    const records = history(5)
    await appendAll(writer.log, run, records.slice(0, 4))
    expect((await reader.log.head(run))?.index).toBe(3)
    await fixture.raw.flushall()
    for (const { log } of [writer, reader]) {
      expect(await codeOf(() => log.head(run))).toBe('LOG_CORRUPT')
      expect(await codeOf(() => readAll(log, run))).toBe('LOG_CORRUPT')
      expect(await codeOf(() => collect(log.watch(run, 0, new AbortController().signal)))).toBe('LOG_CORRUPT')
      expect(await codeOf(() => log.append(run, records[4] as CommitRecord))).toBe('LOG_CORRUPT')
      expect(await codeOf(() => log.append(run, records[0] as CommitRecord))).toBe('LOG_CORRUPT')
      expect(await codeOf(() => log.remove(run))).toBe('LOG_CORRUPT')
    }
    expect(await fixture.raw.exists(keysNow().log(run))).toBe(0)
    // Who has seen nothing cannot know; but a gap is never filled.
    const fresh = await fixture.open()
    expect(await fresh.log.head(run)).toBe(null)
    expect(await codeOf(() => fresh.log.append(run, records[4] as CommitRecord))).toBe('VERSION_CONFLICT')
  })

  it('is noticed by a watch that saw it come, though nobody appends any more', async () => {
    const [writer, reader] = [await fixture.open(), await fixture.open()]
    const texts: string[] = []
    const watching = codeOf(async () => {
      for await (const batch of reader.log.watch(run, 0, new AbortController().signal)) texts.push(...batch)
    })
    await appendAll(writer.log, run, history(3))
    await eventually('the watch has seen it', () => texts.length === 3)
    await fixture.raw.flushall()
    expect(await watching).toBe('LOG_CORRUPT')
  })

  it('is refused when an old copy was restored', async () => {
    const adapter = await fixture.open()
    const records = history(6)
    await appendAll(adapter.log, run, records.slice(0, 3))
    const restore = await backUp()
    await appendAll(adapter.log, run, records.slice(3, 5))
    await restore()
    const failure = await failureOf(() => adapter.log.append(run, records[5] as CommitRecord))
    expect(failure).toMatchObject({ code: 'LOG_CORRUPT', details: { seen: 4, found: 2 } })
    expect(await codeOf(() => readAll(adapter.log, run))).toBe('LOG_CORRUPT')
    expect(await readAll((await fixture.open()).log, run)).toEqual(textsOf(records.slice(0, 3)))
  })

  it('is refused when an old copy was restored and others have appended to it', async () => {
    const [before, after] = [await fixture.open(), await fixture.open()]
    const records = history(6)
    await appendAll(before.log, run, records.slice(0, 3))
    const restore = await backUp()
    await appendAll(before.log, run, records.slice(3, 5))
    await restore()
    for (const count of [2, 4]) {
      await appendAll(after.log, run, history(count, 'other', records.slice(0, 3)))
      // First as long as it was, then longer.
      expect(await codeOf(() => before.log.head(run))).toBe('LOG_CORRUPT')
      expect(await codeOf(() => before.log.append(run, records[5] as CommitRecord))).toBe('LOG_CORRUPT')
    }
  })

  it.each([
    ['its stream was evicted', (log: string) => fixture.raw.del(log)],
    ['its stream was trimmed', (log: string) => fixture.raw.xtrim(log, 'MAXLEN', 2)],
    ['one entry was deleted', (log: string) => fixture.raw.xdel(log, '2-0')],
    ['others wrote to it', (log: string) => fixture.raw.xadd(log, '*', 'c', 'something')],
  ] as const)('is refused by everybody when %s', async (_how, damage) => {
    const adapter = await fixture.open()
    const records = history(5)
    await appendAll(adapter.log, run, records.slice(0, 4))
    await damage(keysNow().log(run))
    for (const { log } of [adapter, await fixture.open()]) {
      expect(await codeOf(() => log.head(run))).toBe('LOG_CORRUPT')
      expect(await codeOf(() => readAll(log, run))).toBe('LOG_CORRUPT')
      expect(await codeOf(() => log.append(run, records[4] as CommitRecord))).toBe('LOG_CORRUPT')
    }
  })

  it('is told from one that was removed, and may begin anew', async () => {
    const [one, other] = [await fixture.open(), await fixture.open()]
    const records = history(3)
    const closing = recordAfter(records.at(-1), completedEvent)
    await appendAll(one.log, run, [...records, closing])
    expect((await other.log.head(run))?.index).toBe(3)
    const { waiting: watching } = await onceWaiting(() =>
      codeOf(() => collect(other.log.watch(run, 4, new AbortController().signal))),
    )
    await one.log.remove(run)
    expect(await watching).toBe('RUN_UNKNOWN')
    expect(await other.log.head(run)).toBe(null)
    const next = history(2, 'next life')
    await appendAll(one.log, run, next)
    expect(await readAll(other.log, run)).toEqual(textsOf(next))
    expect(await collect(other.log.list())).toEqual([run])
    expect(await fixture.raw.ttl(keysNow().head(run))).toBe(-1)
    // And that life is guarded as well.
    await fixture.raw.flushall()
    expect(await codeOf(() => other.log.head(run))).toBe('LOG_CORRUPT')
  })

  it('is forgotten once it was removed and even its head is gone', async () => {
    const [one, other] = [await fixture.open(), await fixture.open()]
    const records = history(3)
    await appendAll(one.log, run, [...records, recordAfter(records.at(-1), completedEvent)])
    await one.log.remove(run)
    expect(await other.log.head(run)).toBe(null)
    // As when its time is up.
    await fixture.raw.del(keysNow().head(run))
    const next = history(2, 'next life')
    for (const { log } of [one, other]) expect(await log.head(run)).toBe(null)
    await appendAll(one.log, run, next)
    for (const { log } of [one, other]) expect(await readAll(log, run)).toEqual(textsOf(next))
    await fixture.raw.flushall()
    for (const { log } of [one, other]) expect(await codeOf(() => log.head(run))).toBe('LOG_CORRUPT')
  })

  it('is not followed into its next life, though that grew before the watch could look', async () => {
    const [one, other] = [await fixture.open(), await fixture.open()]
    const records = history(3)
    await appendAll(one.log, run, records)
    const texts: string[] = []
    const { waiting: watching } = await onceWaiting(() =>
      codeOf(async () => {
        for await (const batch of other.log.watch(run, 0, new AbortController().signal)) texts.push(...batch)
      }),
    )
    // In one step, as if the watch had slept: removed, and longer than it was.
    const next = history(8, 'next life')
    const step = fixture.raw.multi().del(keysNow().log(run))
    for (const { index, text } of next) step.xadd(keysNow().log(run), `${index + 1}-0`, 'c', text)
    step.hset(keysNow().head(run), 'index', 7, 'hash', next.at(-1)?.hash ?? '', 'generation', 1)
    await step.exec()
    expect(await watching).toBe('RUN_UNKNOWN')
    expect(texts).toEqual(textsOf(records))
  })
})

describe('a log with damaged bytes', () => {
  it('names the commit whose bytes are not UTF-8, in reads and in watches', async () => {
    const adapter = await fixture.open()
    const records = history(4)
    await appendAll(adapter.log, run, records)
    const entries = await fixture.raw.xrangeBuffer(keysNow().log(run), '-', '+')
    await fixture.raw.del(keysNow().log(run))
    for (const [i, [id, fields]] of entries.entries()) {
      const text = Buffer.from(fields[1] as Buffer)
      // A flipped bit in a letter of the note: decoding would show U+FFFD.
      if (i === 2) text[text.length - 20] = 0xe3
      await fixture.raw.xadd(keysNow().log(run), id, 'c', text)
    }
    const failure = await failureOf(() => readAll(adapter.log, run))
    expect(failure).toMatchObject({ code: 'LOG_CORRUPT', details: { index: 2, runId: run } })
    expect(failure.message).toContain('2')
    expect(failure.message).toContain(run)
    expect(await codeOf(() => collect(adapter.log.watch(run, 0, new AbortController().signal)))).toBe('LOG_CORRUPT')
    expect(await readAll(adapter.log, run, 3)).toEqual(textsOf(records.slice(3)))
  })
})

describe('a log that takes several pieces to read', () => {
  const records = history(300, 'x'.repeat(5_000))

  it('is read from any index, across the bounds of pieces', async () => {
    const { log } = await fixture.open()
    await appendAll(log, run, records)
    for (const from of [0, 1, 12, 13, 200, 299, 300])
      expect(await readAll(log, run, from)).toEqual(textsOf(records.slice(from)))
    expect((await collect(log.read(run))).length).toBeGreaterThan(2)
  })

  it('names what was damaged, or says that it was removed, while it was being read', async () => {
    const { log } = await fixture.open()
    const other = await fixture.open()
    await appendAll(log, run, records)
    const restore = await backUp()
    const key = keysNow().log(run)
    const harms: [string, () => Promise<unknown>][] = [
      ['LOG_CORRUPT', () => fixture.raw.xdel(key, '291-0')],
      ['LOG_CORRUPT', () => fixture.raw.xtrim(key, 'MINID', '299-0')],
      ['LOG_CORRUPT', () => fixture.raw.del(key)],
      ['LOG_CORRUPT', () => fixture.raw.del(key, keysNow().head(run))],
      [
        'RUN_UNKNOWN',
        async () => {
          const last = recordAfter(records.at(-1), completedEvent)
          await other.log.append(run, last)
          await other.log.remove(run)
          await appendAll(other.log, run, records)
        },
      ],
    ]
    for (const [code, harm] of harms) {
      const reading = log.read(run)[Symbol.asyncIterator]()
      await reading.next()
      await harm()
      const rest = async (): Promise<void> => {
        while ((await reading.next()).done !== true);
      }
      expect(await codeOf(rest)).toBe(code)
      await restore()
    }
  })
})

describe('a log of large commits', () => {
  it.each(['read', 'watch'] as const)('is not copied by scripts to %s it, and comes in pieces', async (how) => {
    const { log } = await fixture.open()
    const large = history(40, 'x'.repeat(450_000))
    await appendAll(log, run, large)
    const stop = new AbortController()
    const monitor = await fixture.raw.monitor()
    onTestFinished(() => monitor.disconnect())
    let copied = 0
    let seen = 0
    monitor.on('monitor', (_time: string, args: string[], source: string) => {
      if (args[0]?.toLowerCase() !== 'xrange') return
      seen++
      if (source === 'lua') copied += Number(args[5] ?? 1)
    })
    const texts: string[] = []
    for await (const batch of how === 'read' ? log.read(run) : log.watch(run, 0, stop.signal)) {
      texts.push(...batch)
      expect(batch.length).toBeLessThan(10)
      if (texts.length >= large.length) stop.abort()
    }
    expect(texts).toEqual(textsOf(large))
    await eventually('the monitor has told', () => seen > 5)
    expect(copied).toBeLessThan(10)
  })
})

describe('names', () => {
  it('keeps adapters with different prefixes apart', async () => {
    const [one, other] = [await fixture.open(), await fixture.open({ prefix: `${fixture.prefix}.run` })]
    await appendAll(one.log, runId('run:x'), history(2))
    expect(await other.log.head(runId('x'))).toBe(null)
    expect(await collect(other.log.list())).toEqual([])
    await appendAll(other.log, runId('x'), history(3, 'other'))
    expect(await readAll(one.log, runId('run:x'))).toEqual(textsOf(history(2)))
    await one.inbox.send(run, [{ sender: 's', seq: 1, kind: 'command', body: '{}' }])
    await one.leases.acquire('run/x', { id: 'a', host: 'h', pid: 1 }, 60_000)
    expect(await collect(other.leases.holders(''))).toEqual([])
  })
})
