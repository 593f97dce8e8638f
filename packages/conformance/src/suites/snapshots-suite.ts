import { type Adapter, limits, type SnapshotStore } from '@reprise/core/adapter'
import { codeOf, collect } from '../outcome.js'
import { appendAll, completed, history, recordAfter, runId } from '../sample-records.js'
import type { Suite } from '../suite.js'

const run = runId('run-1')
const broken = new Error('The source has failed.')

async function* inPieces(pieces: readonly string[]): AsyncIterable<string> {
  yield* pieces
}

/** These pieces, then a failure. */
async function* failing(pieces: readonly string[]): AsyncIterable<string> {
  yield* pieces
  throw broken
}

/** Pieces of the largest size, of characters with as many bytes as there are. */
const large = (label: string, count: number): string[] =>
  Array.from({ length: count }, (_, n) => `${label} ${n} `.padEnd(limits.snapshotPieceMax, '\u20ac'))

const storeOf = ({ snapshots }: Adapter): SnapshotStore => {
  if (snapshots === undefined) throw new Error('The capabilities promise snapshots, but the adapter has no store.')
  return snapshots
}

const kept = async (adapter: Adapter, of = run): Promise<string> => (await collect(storeOf(adapter).load(of))).join('')
const save = (adapter: Adapter, pieces: readonly string[], of = run): Promise<void> =>
  storeOf(adapter).save(of, inPieces(pieces))

/** How a save ends whose source fails: with that error, or with another one. */
const endOf = (saving: Promise<void>): Promise<string> =>
  saving.then(
    () => 'saved',
    () => 'failed',
  )

export function snapshotsSuite({ describe, it, expect, capabilities }: Suite): void {
  if (capabilities.snapshots !== true) {
    describe('snapshots', () => {
      it('keeps none, as its capabilities say', async ({ open }) => {
        expect((await open()).snapshots).toBe(undefined)
      })
    })
    return
  }

  describe('snapshots', () => {
    it('has none of a run that nobody kept one of', async ({ open }) => {
      const adapter = await open()
      expect(await collect(storeOf(adapter).load(run))).toEqual([])
      await appendAll(adapter.log, run, history(2))
      expect(await collect(storeOf(adapter).load(run))).toEqual([])
    })

    it('gives every adapter the text that was kept, character by character', async ({ open }) => {
      const [one, other] = [await open(), await open()]
      await appendAll(one.log, run, history(1))
      for (const pieces of [['{"a":1}\n'], ['\u0000\u2028\ufffd', '\u{1f680}\r\n', '\n'], large('piece', 3)]) {
        await save(one, pieces)
        expect((await kept(other)) === pieces.join('')).toBe(true)
        expect((await kept(one)) === pieces.join('')).toBe(true)
      }
    })

    it('replaces the one before as a whole, whichever is longer', async ({ open }) => {
      const [one, other] = [await open(), await open()]
      await appendAll(one.log, run, history(1))
      for (const [adapter, pieces] of [
        [one, large('long', 5)],
        [other, ['short']],
        [one, large('longer', 7)],
        [other, ['s', 'h', 'o', 'r', 't']],
      ] as const) {
        await save(adapter, pieces)
        expect((await kept(one)) === pieces.join('')).toBe(true)
      }
    })

    it('keeps the one before until the new one is whole, and if that fails on the way', async ({ open }) => {
      const [one, other] = [await open(), await open()]
      await appendAll(one.log, run, history(1))
      expect(await endOf(storeOf(one).save(run, failing(['half'])))).toBe('failed')
      expect(await kept(other)).toBe('')
      await save(one, ['old'])
      let seen = ''
      const looking = async function* (): AsyncIterable<string> {
        yield 'new '
        yield 'and whole'
        seen = await kept(other)
      }
      for (const pieces of [[], ['half'], large('much', 4)]) {
        expect(await endOf(storeOf(one).save(run, failing(pieces)))).toBe('failed')
        expect(await kept(other)).toBe('old')
      }
      await storeOf(one).save(run, looking())
      expect([seen, await kept(other)]).toEqual(['old', 'new and whole'])
    })

    it('keeps one of those that are saved at once, whole', async ({ open }) => {
      const adapters = [await open(), await open(), await open()]
      await appendAll((await open()).log, run, history(1))
      const candidates = adapters.map((_, n) => large(`candidate ${n}`, 3))
      await Promise.all(adapters.map((adapter, n) => save(adapter, candidates[n] ?? [])))
      const text = await kept(await open())
      expect(candidates.some((pieces) => pieces.join('') === text)).toBe(true)
    })

    it('keeps those of different runs apart', async ({ open }) => {
      const adapter = await open()
      const names = ['a', 'A', 'a.b', 'a:b', 'CON'].map(runId)
      for (const name of names) await appendAll(adapter.log, name, history(1))
      for (const name of names) await save(adapter, [`of ${name}`], name)
      for (const name of names) expect(await kept(adapter, name)).toBe(`of ${name}`)
    })

    it('keeps none of a run without a log', async ({ open }) => {
      const adapter = await open()
      expect(await codeOf(() => save(adapter, ['x']))).toBe('RUN_UNKNOWN')
      expect(await kept(adapter)).toBe('')
      await appendAll(adapter.log, run, history(1))
      expect(await kept(adapter)).toBe('')
    })

    it('goes with the run when that is removed, also one that is on its way', async ({ open }) => {
      const [one, other] = [await open(), await open()]
      const [only] = history(1)
      const closing = [...history(1), recordAfter(only ?? null, completed)]
      await appendAll(one.log, run, closing)
      await save(one, large('old', 2))
      const removing = async function* (): AsyncIterable<string> {
        yield 'late'
        await other.log.remove(run)
        yield 'and later'
      }
      expect(await codeOf(() => storeOf(one).save(run, removing()))).toBe('RUN_UNKNOWN')
      expect(await kept(other)).toBe('')
      await appendAll(other.log, run, history(1, 'another'))
      expect(await kept(one)).toBe('')
      await save(one, ['of the new run'])
      expect(await kept(other)).toBe('of the new run')
    })

    it('keeps the one before when the process that replaces it is killed, wherever it is', async ({
      open,
      openMortal,
    }) => {
      const heir = await open()
      await appendAll(heir.log, run, history(1))
      await save(heir, ['old'])
      for (const count of [0, 1, 3]) {
        const dying = await openMortal()
        let goOn = (): void => {}
        const reached = new Promise<void>((resolve) => {
          goOn = resolve
        })
        const endless = async function* (): AsyncIterable<string> {
          yield* large('new', count)
          goOn()
          await new Promise(() => {})
        }
        // Nobody will ever hear how this ended.
        storeOf(dying.adapter)
          .save(run, endless())
          .catch(() => {})
        await reached
        await dying.kill()
        expect(await kept(heir)).toBe('old')
      }
      await save(heir, ['new'])
      expect(await kept(await open())).toBe('new')
    })
  })
}
