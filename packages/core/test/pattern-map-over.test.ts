import { describe, expect, it, vi } from 'vitest'
import { type MapOverOptions, mapOver } from '../src/patterns/map-over.js'
import { follow, RunStage, request } from './run-stage.js'

/** A source that the test feeds, and that remembers what was asked of it. */
class Tap implements AsyncIterable<string>, AsyncIterator<string> {
  readonly #asking: ((result: IteratorResult<string>) => void)[] = []
  asked = 0
  returned = 0

  next(): Promise<IteratorResult<string>> {
    this.asked++
    return new Promise((resolve) => this.#asking.push(resolve))
  }

  async return(): Promise<IteratorResult<string>> {
    this.returned++
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  give(value: string): void {
    this.#asking.shift()?.({ done: false, value })
  }

  end(): void {
    this.#asking.shift()?.({ done: true, value: undefined })
  }
}

async function mapping(source: AsyncIterable<string> | Iterable<string>, options: MapOverOptions = {}, policy = {}) {
  const stage = new RunStage()
  const holding = await stage.open({ policy })
  const mapped = follow(mapOver(holding.run, source, (item) => request(item), options))
  await stage.clock.settle()
  return { stage, mapped, ...holding }
}

describe('mapOver', () => {
  it('asks a source for more only when there is room', async () => {
    const tap = new Tap()
    const { stage, mapped, run } = await mapping(tap, { inFlight: 2 })
    for (const item of ['a', 'b', 'c']) {
      tap.give(item)
      await stage.clock.settle()
    }
    expect([tap.asked, run.status.counts.tasks]).toEqual([2, 2])
    await stage.answer('b')
    expect(tap.asked).toBe(3)
    tap.end()
    await stage.clock.settle()
    expect(mapped.settled).toBe(false)
    await stage.answer('a')
    expect(mapped.value).toEqual({ accepted: 2, cancelled: 0, abandoned: 0, skipped: 0 })
    expect(tap.returned).toBe(0)
  })

  it('settles what comes back while it waits for a slow source', async () => {
    const tap = new Tap()
    const { stage, run } = await mapping(tap)
    tap.give('a')
    await stage.clock.settle()
    await stage.answer('a')
    expect([run.status.counts.accepted, tap.asked]).toEqual([1, 2])
  })

  it('takes an item that comes twice once, open or settled, and counts what others settle', async () => {
    const tap = new Tap()
    const { stage, mapped, run } = await mapping(tap)
    for (const item of ['a', 'a', 'b', 'c']) {
      tap.give(item)
      await stage.clock.settle()
    }
    await stage.answer('a')
    tap.give('a')
    await stage.clock.settle()
    await stage.clock.run(run.cancel('b', 'not needed'))
    await stage.answer('c', { status: 'failed', output: null, error: { message: 'no', retryable: false } })
    tap.end()
    await stage.clock.settle()
    expect(mapped.value).toEqual({ accepted: 1, cancelled: 1, abandoned: 1, skipped: 2 })
    expect(stage.of('dispatched')).toHaveLength(3)
  })

  it('lets others have their turn while a source repeats what is open', async () => {
    let [turns, isOver] = [0, false]
    const turn = (): void => {
      turns++
      if (!isOver) setImmediate(turn)
    }
    function* source() {
      yield 'a'
      turn()
      for (let n = 0; n < 5_000; n++) yield 'a'
      isOver = true
    }
    const { stage, mapped } = await mapping(source())
    await stage.clock.runUntil(() => isOver)
    expect(turns).toBeGreaterThan(5)
    await stage.answer('a')
    expect(mapped.value).toMatchObject({ accepted: 1, skipped: 5_000 })
  })

  it('does not copy the run for every batch while another task of it has stopped', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    await stage.clock.run(run.dispatch(request('other')))
    await stage.answer('other', { status: 'failed', output: null, error: { message: 'no', retryable: false } })
    expect(run.status.counts.stopped).toBe(1)
    const view = vi.spyOn(run, 'view')
    const mapped = follow(mapOver(run, ['a', 'b'], (item) => request(item), { inFlight: 1 }))
    await stage.clock.settle()
    for (const item of ['a', 'b']) await stage.answer(item)
    expect(mapped.value).toMatchObject({ accepted: 2 })
    expect(view).not.toHaveBeenCalled()
  })

  it('finds results that came before their item did, after a restart', async () => {
    const first = await mapping(['a', 'b', 'c'], { judge: () => 'leave' })
    const { stage } = first
    for (const item of ['a', 'b', 'c']) await stage.answer(item)
    await stage.clock.run(first.run.close())
    const { run } = await stage.open()
    const shown: string[] = []
    const onResult = ({ taskId }: { taskId: string }) => shown.push(taskId)
    const mapped = mapOver(run, ['c', 'b', 'a'], (item) => request(item), { inFlight: 1, onResult })
    expect(await stage.clock.run(mapped)).toMatchObject({ accepted: 3 })
    expect(shown).toEqual(['c', 'b', 'a'])
    expect(stage.of('dispatched')).toHaveLength(3)
  })

  it('accepts a result when onResult has resolved, and shows it again when it has not', async () => {
    const shown: string[] = []
    const onResult = async ({ taskId }: { taskId: string }): Promise<void> => {
      shown.push(taskId)
      if (shown.length === 1) throw new Error('the disk is full')
    }
    const { stage, mapped, run } = await mapping(['a', 'b'], { onResult })
    await stage.answer('a')
    expect([mapped.error, run.status.counts.accepted]).toEqual([new Error('the disk is full'), 0])
    const again = follow(mapOver(run, ['a', 'b'], (item) => request(item), { onResult }))
    await stage.clock.settle()
    await stage.answer('b')
    expect(again.value).toMatchObject({ accepted: 2 })
    expect(shown).toEqual(['a', 'a', 'b'])
  })

  it.each([
    [
      'while items come',
      async function* () {
        yield 'a'
        throw new Error('the source is gone')
      },
    ],
    [
      'at once, outside of any promise',
      () => ({
        [Symbol.asyncIterator]: () => ({
          next: () => {
            throw new Error('the source is gone')
          },
          return: () => {
            throw new Error('and cannot be closed')
          },
        }),
      }),
    ],
  ] as [string, () => AsyncIterable<string>][])(
    'says what a source throws %s; what is out stays',
    async (_, source) => {
      const { stage, mapped, run } = await mapping(source())
      expect(mapped.error).toEqual(new Error('the source is gone'))
      const again = follow(mapOver(run, ['a'], (item) => request(item)))
      await stage.clock.settle()
      await stage.answer('a')
      expect(again.value).toMatchObject({ accepted: 1 })
    },
  )

  it('does not wait for a source that hangs when it is ended, but tells it', async () => {
    const [tap, ending] = [new Tap(), new AbortController()]
    const { stage, mapped } = await mapping(tap, { signal: ending.signal })
    ending.abort(new Error('enough'))
    await stage.clock.settle()
    expect([mapped.error, tap.returned]).toEqual([new Error('enough'), 1])
  })

  it('tells its source when a task of it cannot be made or taken in', async () => {
    const stage = new RunStage()
    const { run } = await stage.open({ policy: { tasksMax: 1 } })
    const [one, two] = [new Tap(), new Tap()]
    const making = follow(mapOver(run, one, () => fail()))
    const taking = follow(mapOver(run, two, (item) => request(item)))
    await stage.clock.settle()
    one.give('x')
    two.give('a')
    await stage.clock.settle()
    two.give('b')
    await stage.clock.settle()
    expect(making.error).toEqual(new Error('no idea'))
    expect(taking.error).toMatchObject({ code: 'SPAWN_REFUSED' })
    expect([one.returned, two.returned]).toEqual([1, 1])
  })

  it('of an empty source is done at once; a bound that is none is refused before the source is asked', async () => {
    const tap = new Tap()
    const { stage, mapped, run } = await mapping([])
    expect(mapped.value).toEqual({ accepted: 0, cancelled: 0, abandoned: 0, skipped: 0 })
    for (const inFlight of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      const refused = mapOver(run, tap, (item) => request(item), { inFlight })
      await expect(stage.clock.run(refused)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    }
    expect(tap.asked).toBe(0)
  })

  it('waits for its source in a run that has ended, and skips what was settled there', async () => {
    const { stage, run } = await mapping(['a'])
    await stage.answer('a')
    await stage.clock.run(run.complete('done'))
    const { run: ended } = await stage.open()
    const tap = new Tap()
    const mapped = follow(mapOver(ended, tap, (item) => request(item), { inFlight: 1 }))
    await stage.clock.settle()
    tap.give('a')
    await stage.clock.settle()
    expect([mapped.settled, tap.asked]).toEqual([false, 2])
    tap.give('b')
    await stage.clock.settle()
    expect(mapped.error).toMatchObject({ code: 'RUN_CLOSED' })
  })
})

function fail(): never {
  throw new Error('no idea')
}
