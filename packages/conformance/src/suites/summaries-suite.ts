import { type Adapter, type CommitRecord, limits, type RunId, type RunSummaries } from '@reprise/core/adapter'
import { collect } from '../outcome.js'
import { appendAll, completed, history, recordAfter, runId } from '../sample-records.js'
import type { Suite } from '../suite.js'

const run = runId('run-1')
const [first, second] = history(2) as [CommitRecord, CommitRecord]

const storeOf = ({ summaries }: Adapter): RunSummaries => {
  if (summaries === undefined) throw new Error('The capabilities promise summaries, but the adapter has none.')
  return summaries
}

const put = (adapter: Adapter, record: CommitRecord, text: string, of: RunId = run): Promise<void> =>
  storeOf(adapter).put(of, { index: record.index, hash: record.hash }, text)

/** Each run that is listed and its summary, by name; a run that is listed twice stands there twice. */
async function listed(adapter: Adapter, prefix?: string): Promise<[string, string | null][]> {
  const runs = (await collect(storeOf(adapter).list(prefix))).flat()
  return runs
    .map(({ runId: id, summary }): [string, string | null] => [id, summary])
    .sort(([a], [b]) => (a < b ? -1 : 1))
}

/** The longest summary, of characters with as many bytes as there are. */
const long = (label: string): string => `${label} `.padEnd(limits.runSummaryMax, '\u20ac')

const manyRuns = 1_000
const atOnce = 50

export function summariesSuite({ describe, it, expect, capabilities }: Suite): void {
  if (capabilities.summaries !== true) {
    describe('summaries', () => {
      it('keeps no summaries, as its capabilities say', async ({ open }) => {
        expect((await open()).summaries).toBe(undefined)
      })
    })
    return
  }

  describe('summaries', () => {
    it('gives every adapter the text that was put, character by character', async ({ open }) => {
      const [one, other] = [await open(), await open()]
      expect(await listed(one)).toEqual([])
      await appendAll(one.log, run, [first])
      expect(await listed(other)).toEqual([[run, null]])
      for (const text of ['{"a":1}', 'x', '\u0000\u2028\ufffd\u{1f680}\r\n\n', long('long'), 'short again']) {
        await put(one, first, text)
        for (const adapter of [one, other]) expect(await listed(adapter)).toEqual([[run, text]])
      }
      await put(other, first, 'of the other')
      expect(await listed(one)).toEqual([[run, 'of the other']])
    })

    it('gives none once the log has gone on, whoever appended, until there is one of the new end', async ({ open }) => {
      const [one, other] = [await open(), await open()]
      await appendAll(one.log, run, [first])
      await put(one, first, 'of the first')
      await appendAll(other.log, run, [second])
      for (const adapter of [one, other]) expect(await listed(adapter)).toEqual([[run, null]])
      await put(one, first, 'of the first, late')
      for (const adapter of [one, other]) expect(await listed(adapter)).toEqual([[run, null]])
      await put(one, second, 'of the second')
      for (const adapter of [one, other]) expect(await listed(adapter)).toEqual([[run, 'of the second']])
    })

    it('gives none of a commit that the log does not have', async ({ open }) => {
      const adapter = await open()
      const [foreign] = history(1, 'foreign') as [CommitRecord]
      await appendAll(adapter.log, run, [first])
      await put(adapter, foreign, 'of another log')
      expect(await listed(adapter)).toEqual([[run, null]])
      await put(adapter, second, 'too early')
      expect(await listed(adapter)).toEqual([[run, null]])
    })

    it('knows no run by its summary alone', async ({ open }) => {
      const adapter = await open()
      await put(adapter, first, 'of nothing')
      expect([await listed(adapter), await collect(adapter.log.list())]).toEqual([[], []])
    })

    it('goes with the run when that is removed', async ({ open }) => {
      const [one, other] = [await open(), await open()]
      const last = recordAfter(first, completed)
      await appendAll(one.log, run, [first, last])
      await put(one, last, 'of the old run')
      await other.log.remove(run)
      for (const adapter of [one, other]) expect(await listed(adapter)).toEqual([])
      await put(one, last, 'late')
      expect(await listed(other)).toEqual([])
      // The same commits again, which no other run would have: the old text must not stand for them.
      await appendAll(other.log, run, [first])
      for (const adapter of [one, other]) expect(await listed(adapter)).toEqual([[run, null]])
      await appendAll(other.log, run, [last])
      for (const adapter of [one, other]) expect(await listed(adapter)).toEqual([[run, null]])
    })

    it('keeps those of different runs apart', async ({ open }) => {
      const adapter = await open()
      const names = ['A', 'CON', 'a', 'a.b', 'a:b'].map(runId)
      for (const name of names) await appendAll(adapter.log, name, [first])
      for (const name of names) await put(adapter, first, `of ${name}`, name)
      expect(await listed(adapter)).toEqual(names.map((name) => [name, `of ${name}`]))
    })

    it('lists every run of a thousand once, with the summaries that there are, and by prefix', async ({ open }) => {
      const adapter = await open()
      const names = Array.from({ length: manyRuns }, (_, n) => runId(`${n % 10 === 0 ? 'ten' : 'run'}-${n}`))
      for (let begin = 0; begin < manyRuns; begin += atOnce) {
        await Promise.all(
          names.slice(begin, begin + atOnce).map(async (name, n) => {
            await appendAll(adapter.log, name, [first])
            if (n % 3 !== 0) await put(adapter, first, `of ${name}`, name)
          }),
        )
      }
      const expected = names
        .map((name, n): [string, string | null] => [name, (n % atOnce) % 3 === 0 ? null : `of ${name}`])
        .sort(([a], [b]) => (a < b ? -1 : 1))
      const heir = await open()
      expect(await listed(heir)).toEqual(expected)
      expect(await listed(heir, 'ten-')).toEqual(expected.filter(([name]) => name.startsWith('ten-')))
      expect(await listed(heir, 'nothing')).toEqual([])
    })

    it('gives no half of one that was being put when its process was killed, and takes the next one', async ({
      open,
      openMortal,
    }) => {
      const heir = await open()
      await appendAll(heir.log, run, [first])
      await put(heir, first, 'old')
      const texts = [0, 1, 2, 3].map((n) => long(`new ${n}`))
      for (let death = 0; death < 3; death++) {
        const dying = await openMortal()
        // Nobody will ever hear how these ended.
        const putting = texts.map((text) => put(dying.adapter, first, text).catch(() => {}))
        if (death > 0) await putting[death - 1]
        await dying.kill()
        const [found] = await listed(heir)
        expect(['old', ...texts].includes(found?.[1] ?? 'none')).toBe(true)
      }
      await put(heir, first, 'the next')
      expect(await listed(await open())).toEqual([[run, 'the next']])
    })
  })
}
