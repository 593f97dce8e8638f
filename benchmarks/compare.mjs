// (d) on a server: Reprise and a raw peer on the same server, in turn, round after round.
import { median, percentile } from './measure.mjs'
import { inFreshPlace } from './place.mjs'
import { inTurn } from './rounds.mjs'
import { startSide } from './side-process.mjs'

const peerScripts = { redis: 'peers/bullmq-side.mjs', nats: 'peers/jetstream-side.mjs' }

/** @typedef {import('./reprise-side.mjs').Side} Side */

/**
 * @param {import('./place.mjs').Server} server
 * @param {import('./fleet.mjs').FleetSize & { tasks: number, rounds: number, loops: number }} options `loops`: of the closed loop, per round
 */
export function compareEndToEnd(server, { tasks, rounds, loops, workers, concurrency }) {
  return inFreshPlace(server, async (place) => {
    const size = { workers, concurrency }
    // For information: as many as above would take most of the time.
    const fewer = Math.ceil(tasks / 5)
    const ours = await startSide('reprise-side.mjs', place, size)
    const peer = await startSide(peerScripts[server.adapter], server, size)
    const together = (/** @type {Side} */ side) => async (/** @type {number} */ round) =>
      (tasks / (await side.together(`all-${round}`, tasks))) * 1000
    const oneByOne = (/** @type {Side} */ side) => async (/** @type {number} */ round) =>
      (fewer / (await side.oneByOne(`each-${round}`, fewer))) * 1000
    try {
      return {
        together: await inTurn(rounds, together(ours), together(peer)),
        oneByOne: await inTurn(rounds, oneByOne(ours), oneByOne(peer)),
        closedLoop: await closedLoops(ours, peer, rounds, loops),
      }
    } finally {
      await ours.close()
      await peer.close()
    }
  })
}

/** @param {Side} ours @param {Side} peer @param {number} rounds @param {number} loops */
async function closedLoops(ours, peer, rounds, loops) {
  const measured = (/** @type {Side} */ side, /** @type {number[]} */ all) => async (/** @type {number} */ round) => {
    const latencies = await side.closedLoop(`loop-${round}`, loops)
    // The first ones wait for whatever was asleep.
    const rest = latencies.slice(Math.floor(loops / 10))
    all.push(...rest)
    return median(rest)
  }
  /** @type {[number[], number[]]} */
  const [ourAll, peerAll] = [[], []]
  const { ratio } = await inTurn(rounds, measured(ours, ourAll), measured(peer, peerAll))
  const of = (/** @type {number[]} */ all) => ({ p50: percentile(all, 0.5), p99: percentile(all, 0.99) })
  return { ratio, ours: of(ourAll), peer: of(peerAll) }
}
