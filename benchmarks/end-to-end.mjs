// (d) on files: no peer, figures alone.
import { median, percentile } from './measure.mjs'
import { inFreshPlace } from './place.mjs'
import { openSide } from './reprise-side.mjs'

/** @param {import('./fleet.mjs').FleetSize & { tasks: number, rounds: number, loops: number }} options */
export function measureEndToEnd({ tasks, rounds, loops, workers, concurrency }) {
  return inFreshPlace({ adapter: 'files' }, async (place) => {
    const side = await openSide(place, { workers, concurrency })
    const perS = []
    for (let round = 0; round < rounds; round++)
      perS.push((tasks / (await side.together(`all-${round}`, tasks))) * 1000)
    // The first ones still compile.
    const latencies = (await side.closedLoop('closed-loop', loops)).slice(Math.floor(loops / 10))
    await side.close()
    return {
      tasksPerS: median(perS),
      firstRound: perS[0],
      best: Math.max(...perS),
      p50Ms: percentile(latencies, 0.5),
      p99Ms: percentile(latencies, 0.99),
    }
  })
}
