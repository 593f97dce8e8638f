import { codeOf, collect } from '../outcome.js'
import { appendAll, completed, history, note, readAll, recordAfter, runId, textsOf } from '../sample-records.js'
import type { Suite } from '../suite.js'

const run = runId('run-1')

export function logSuite({ describe, it, expect }: Suite): void {
  describe('log', () => {
    it('has neither a head nor records for a run that nobody wrote to', async ({ open }) => {
      const { log } = await open()
      expect(await log.head(run)).toBe(null)
      expect(await readAll(log, run)).toEqual([])
      expect(await readAll(log, run, 5)).toEqual([])
    })

    it('gives back what was appended, in order, from any index', async ({ open }) => {
      const { log } = await open()
      const records = history(300)
      await appendAll(log, run, records)
      expect(await readAll(log, run)).toEqual(textsOf(records))
      for (const from of [0, 1, 150, 299, 300, 1000]) {
        expect(await readAll(log, run, from)).toEqual(textsOf(records.slice(from)))
      }
    })

    it('shows what is stored as it is, if it can: every record whole, in order, each in a place of its own', async ({
      open,
    }) => {
      const { log } = await open()
      if (log.stored === undefined) return
      const records = history(300)
      await appendAll(log, run, records)
      const pieces = await collect(log.stored(run))
      expect(pieces.map(({ bytes }) => Buffer.from(bytes).toString('utf8'))).toEqual(textsOf(records))
      expect(pieces.every(({ bytes, length, whole }) => whole && bytes.length === length)).toBe(true)
      expect(new Set(pieces.map(({ place }) => place)).size).toBe(records.length)
      expect(await collect(log.stored(runId('nobody')))).toEqual([])
    })

    it('shows nothing that is stored of a run that was removed, and then what it begins anew', async ({ open }) => {
      const { log } = await open()
      if (log.stored === undefined) return
      const first = history(3)
      await appendAll(log, run, [...first, recordAfter(first[2] ?? null, completed)])
      await log.remove(run)
      expect(await collect(log.stored(run))).toEqual([])
      const again = history(2, 'again')
      await appendAll(log, run, again)
      const pieces = await collect(log.stored(run))
      expect(pieces.map(({ bytes }) => Buffer.from(bytes).toString('utf8'))).toEqual(textsOf(again))
    })

    it('names the newest record as the head, whichever adapter appended it', async ({ open }) => {
      const [one, other] = [await open(), await open()]
      for (const [i, record] of history(6).entries()) {
        await (i % 2 === 0 ? one : other).log.append(run, record)
        const head = { index: record.index, hash: record.hash }
        expect(await one.log.head(run)).toEqual(head)
        expect(await other.log.head(run)).toEqual(head)
      }
    })

    it('takes the same record again as a success, at the head and below it, and stores it once', async ({ open }) => {
      const [one, other] = [await open(), await open()]
      const records = history(5)
      await appendAll(one.log, run, records)
      await appendAll(one.log, run, records)
      await appendAll(other.log, run, records)
      expect(await readAll(other.log, run)).toEqual(textsOf(records))
    })

    it('refuses another record at a taken index and changes nothing', async ({ open }) => {
      const [one, other] = [await open(), await open()]
      const records = history(3)
      await appendAll(one.log, run, records)
      for (const intruder of history(3, 'intruder')) {
        expect(await codeOf(() => other.log.append(run, intruder))).toBe('VERSION_CONFLICT')
        expect(await codeOf(() => one.log.append(run, intruder))).toBe('VERSION_CONFLICT')
      }
      expect(await readAll(one.log, run)).toEqual(textsOf(records))
    })

    it('refuses a record that would leave a gap and changes nothing', async ({ open }) => {
      const { log } = await open()
      const records = history(5)
      const [first, , third, , fifth] = records
      if (first === undefined || third === undefined || fifth === undefined) return
      expect(await codeOf(() => log.append(run, third))).toBe('VERSION_CONFLICT')
      await log.append(run, first)
      expect(await codeOf(() => log.append(run, third))).toBe('VERSION_CONFLICT')
      expect(await codeOf(() => log.append(run, fifth))).toBe('VERSION_CONFLICT')
      expect(await readAll(log, run)).toEqual([first.text])
    })

    it('goes on after a conflict', async ({ open }) => {
      const [one, other] = [await open(), await open()]
      const records = history(2)
      await appendAll(one.log, run, records)
      const late = recordAfter(records[0] ?? null, note('late'))
      expect(await codeOf(() => other.log.append(run, late))).toBe('VERSION_CONFLICT')
      const next = recordAfter(records[1] ?? null, note('next'))
      await other.log.append(run, next)
      expect(await readAll(one.log, run)).toEqual(textsOf([...records, next]))
    })

    it('ends a read at the head as it was when the read began', async ({ open }) => {
      const { log } = await open()
      const records = history(40)
      await appendAll(log, run, records.slice(0, 20))
      const texts: string[] = []
      let appended = 20
      for await (const batch of log.read(run)) {
        texts.push(...batch)
        // A read that went on with these would never end.
        await appendAll(log, run, records.slice(appended, appended + 1))
        appended++
      }
      expect(texts).toEqual(textsOf(records.slice(0, 20)))
    })

    it('keeps the histories of runs apart', async ({ open }) => {
      const { log } = await open()
      const runs = ['run-1', 'run-2', 'run-10', 'run'].map(runId)
      for (const id of runs) await appendAll(log, id, history(3, id))
      for (const id of runs) expect(await readAll(log, id)).toEqual(textsOf(history(3, id)))
    })

    it('lets several readers go their own ways', async ({ open }) => {
      const { log } = await open()
      const records = history(50)
      await appendAll(log, run, records)
      const reads = await Promise.all([0, 10, 20, 30].map((from) => collect(log.read(run, from))))
      expect(reads.map((batches) => batches.flat().length)).toEqual([50, 40, 30, 20])
    })
  })
}
