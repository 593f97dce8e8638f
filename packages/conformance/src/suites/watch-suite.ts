import type { CommitLog } from '@reprise/core/adapter'
import { eventually, within } from '../eventually.js'
import { collect } from '../outcome.js'
import { appendAll, history, runId, textsOf } from '../sample-records.js'
import type { Suite } from '../suite.js'

const run = runId('run-1')

interface RecordingWatch {
  readonly texts: string[]
  /** Aborts the signal; resolves when the iteration has ended. */
  stop(): Promise<void>
}

function startWatch(log: CommitLog, fromIndex: number): RecordingWatch {
  const controller = new AbortController()
  const texts: string[] = []
  const watch = async (): Promise<void> => {
    for await (const batch of log.watch(run, fromIndex, controller.signal)) texts.push(...batch)
  }
  const watching = watch()
  return {
    texts,
    stop: () => {
      controller.abort()
      return within('a watch whose signal aborted', watching)
    },
  }
}

export function watchSuite({ describe, it, expect }: Suite): void {
  describe('watch', () => {
    it('yields what is there, then what is appended later by others, and ends without error', async ({ open }) => {
      const [reader, writer] = [await open(), await open()]
      const records = history(30)
      await appendAll(writer.log, run, records.slice(0, 10))
      const watch = startWatch(reader.log, 0)
      await eventually('the watch has yielded what was there', () => watch.texts.length >= 10)
      await appendAll(writer.log, run, records.slice(10, 20))
      await eventually('the watch has yielded what was appended', () => watch.texts.length >= 20)
      await appendAll(reader.log, run, records.slice(20))
      await eventually('the watch has yielded what its own adapter appended', () => watch.texts.length >= 30)
      await watch.stop()
      expect(watch.texts).toEqual(textsOf(records))
    })

    it('waits for a run that does not exist yet', async ({ open }) => {
      const [reader, writer] = [await open(), await open()]
      const watch = startWatch(reader.log, 0)
      const records = history(3)
      await appendAll(writer.log, run, records)
      await eventually('the watch has seen the new run', () => watch.texts.length >= 3)
      await watch.stop()
      expect(watch.texts).toEqual(textsOf(records))
    })

    it('starts at the index it is told, also at one that is not taken yet', async ({ open }) => {
      const { log } = await open()
      const records = history(12)
      await appendAll(log, run, records.slice(0, 6))
      const [middle, ahead] = [startWatch(log, 4), startWatch(log, 8)]
      await appendAll(log, run, records.slice(6))
      await eventually('both watches have caught up', () => middle.texts.length >= 8 && ahead.texts.length >= 4)
      await Promise.all([middle.stop(), ahead.stop()])
      expect(middle.texts).toEqual(textsOf(records.slice(4)))
      expect(ahead.texts).toEqual(textsOf(records.slice(8)))
    })

    it('serves many watches of one run at once', async ({ open }) => {
      const { log } = await open()
      const records = history(20)
      const watches = Array.from({ length: 16 }, () => startWatch(log, 0))
      await appendAll(log, run, records)
      await eventually('every watch has everything', () => watches.every(({ texts }) => texts.length >= 20))
      await Promise.all(watches.map((watch) => watch.stop()))
      for (const { texts } of watches) expect(texts).toEqual(textsOf(records))
    })

    it('ends at once when its signal has aborted before', async ({ open }) => {
      const { log } = await open()
      await appendAll(log, run, history(3))
      await within('a watch under an aborted signal', collect(log.watch(run, 3, AbortSignal.abort())))
    })

    it('can be left early', async ({ open }) => {
      const { log } = await open()
      await appendAll(log, run, history(3))
      const controller = new AbortController()
      const leave = async (): Promise<number> => {
        for await (const batch of log.watch(run, 0, controller.signal)) return batch.length
        return 0
      }
      expect((await within('leaving a watch', leave())) > 0).toBe(true)
    })
  })
}
