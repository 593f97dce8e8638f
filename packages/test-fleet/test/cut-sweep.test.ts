import { isRepriseError } from '@reprise/core'
import { echoTasks, finishRun, type Place, startEchoWorker } from '@reprise/test-fleet'
import { type Direction, startProxy } from '@reprise/test-servers'
import { describe, expect, it } from 'vitest'
import { backends, useBackend } from './backends.js'
import { expectWhole } from './whole-run.js'

const runId = 'cut-sweep'
const tasks = echoTasks(3)
/** Fewer slots than tasks, so that some are planned first. A lease whose answer was lost is waited for. */
const run = { runId, goal: 'survive', policy: { inFlightMax: 2, leaseTtlMs: 400 }, waitForMs: 15_000 }
const positionsMax = 24
const lanes = 4
const startsMax = 3

describe.each(backends)('a short run over $name', (backend) => {
  const stage = useBackend(backend)

  /** Cuts all connections in the middle of the `n`-th chunk of a direction, and says how many chunks and cuts there were. */
  async function cutAt(direction: Direction, n: number): Promise<{ chunks: number; cuts: number }> {
    await using proxy = await startProxy(stage.server.url)
    const place = stage.newPlace(proxy.url(stage.server.url))
    let chunks = 0
    proxy.onData(direction, (bytes) => {
      if (++chunks === n) proxy.cutAfter(Math.ceil(bytes.length / 2), direction)
    })
    await fromStartToEnd(place)
    await expectWhole(backend.place(stage.server.url, place.prefix), runId, tasks)
    return { chunks, cuts: proxy.cuts }
  }

  it.each(['toServer', 'toClient'] as const)(
    'loses nothing and doubles nothing when it is cut at any step %s',
    async (direction) => {
      const { chunks } = await cutAt(direction, Number.POSITIVE_INFINITY)
      const stride = Math.max(1, Math.ceil(chunks / positionsMax))
      const positions = Array.from({ length: Math.floor(chunks / stride) }, (_, i) => 1 + i * stride)
      let hits = 0
      const lane = async () => {
        for (let at = positions.shift(); at !== undefined; at = positions.shift()) {
          // No two runs have the same chunks: one that is over before its cut is followed by one that is cut earlier.
          for (let n = at; n > 0; n = Math.floor(n * 0.9)) {
            const { cuts } = await cutAt(direction, n)
            if (cuts === 0) continue
            hits += cuts
            break
          }
        }
      }
      const wanted = positions.length
      await Promise.all(Array.from({ length: lanes }, lane))
      expect(hits).toBe(wanted)
    },
    120_000,
  )
})

/** A worker and a coordinator, each started again if the cut comes before they are there, as anybody would. */
async function fromStartToEnd(place: Place): Promise<void> {
  const worker = await again(() => startEchoWorker(place))
  try {
    await again(() => finishRun({ place, run, tasks }))
  } finally {
    await worker.close()
  }
}

async function again<T>(start: () => Promise<T>): Promise<T> {
  for (let starts = 1; ; starts++) {
    try {
      return await start()
    } catch (error) {
      // Anything else would be wrong: nobody but us has been near this run.
      if (starts === startsMax || !isRepriseError(error, 'ADAPTER_UNAVAILABLE')) throw error
    }
  }
}
