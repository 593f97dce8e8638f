import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { defineTask, mapOver, openRun, runIdSchema, startWorker } from '@reprise/core'
import { MemoryBackend, memoryAdapter, SimulatedClock } from '@reprise/core/testing'
import { expect, it } from 'vitest'
import { z } from 'zod'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const echo = defineTask('echo', { input: z.object({ n: z.number() }), output: z.object({ n: z.number() }) })
const runId = runIdSchema.parse('long-source')
/** `REPRISE_RUNS=1000` asks for 100,000. */
const itemCount = 100 * Number(process.env.REPRISE_RUNS ?? 40)
const inFlight = 250

/** How many of these are still held by somebody. */
async function survivors(references: readonly WeakRef<object>[]): Promise<number> {
  // What a reference was asked for stays alive until the turn ends.
  await new Promise((resolve) => setImmediate(resolve))
  collectGarbage()
  return references.filter((reference) => reference.deref() !== undefined).length
}

it('mapOver holds of a source of any length what is in flight, nothing of what is done, and lets others have their turn', async () => {
  const [clock, backend] = [new SimulatedClock(), new MemoryBackend()]
  const [here, there] = [clock.process(), clock.process()]
  const adapter = memoryAdapter({ backend, runtime: here })
  const run = await clock.run(
    openRun({ adapter, runtime: here, runId, goal: 'take all', policy: { inFlightMax: inFlight } }),
  )
  const working = { adapter: memoryAdapter({ backend, runtime: there }), runtime: there, concurrency: inFlight }
  await clock.run(startWorker({ ...working, handlers: [echo.handle((input) => input)] }))

  const [items, results]: WeakRef<object>[][] = [[], []]
  const alive = { items: 0, results: 0, ahead: 0 }
  async function* source(isLooking: boolean) {
    for (let n = 1; n <= itemCount; n++) {
      const item = { n }
      if (isLooking) {
        items?.push(new WeakRef(item))
        alive.ahead = Math.max(alive.ahead, n - run.status.counts.accepted)
      }
      if (isLooking && n % Math.ceil(itemCount / 5) === 0) {
        alive.items = Math.max(alive.items, await survivors(items ?? []))
        alive.results = Math.max(alive.results, await survivors(results ?? []))
      }
      yield item
    }
  }
  const toTask = (item: { n: number }) => echo.task(`t${item.n}`, { n: item.n })
  const onResult = (result: object) => results?.push(new WeakRef(result))
  const first = await clock.run(mapOver(run, source(true), toTask, { inFlight, onResult }))
  expect(first).toEqual({ accepted: itemCount, cancelled: 0, abandoned: 0, skipped: 0 })
  expect(run.status.counts).toMatchObject({ accepted: itemCount, attempts: itemCount })
  expect(alive.ahead).toBeLessThanOrEqual(inFlight)
  for (const count of [alive.items, alive.results]) expect(count).toBeLessThanOrEqual(inFlight + 1)
  expect(results).toHaveLength(itemCount)

  const commits = backend.recordsOf(runId).length
  let [turns, isOver] = [0, false]
  const turn = (): void => {
    turns++
    if (!isOver) setImmediate(turn)
  }
  turn()
  const again = await clock.run(mapOver(run, source(false), toTask, { inFlight, onResult }))
  isOver = true
  // Other work, such as renewing the lease, has its turns while items are skipped.
  expect(turns).toBeGreaterThanOrEqual(itemCount / 1000)
  expect([again.skipped, backend.recordsOf(runId).length]).toEqual([itemCount, commits])
}, 600_000)
