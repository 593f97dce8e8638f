import {
  acceptedTasks,
  checkRounds,
  dataOf,
  echoTasks,
  type FleetProcess,
  finishInRounds,
  logFacts,
  notesIn,
  startEchoWorker,
} from '@reprise/test-fleet'
import { startProxy } from '@reprise/test-servers'
import { describe, expect, it } from 'vitest'
import { backends, useBackend } from './backends.js'

const runId = 'rounds'
const perRound = 2
const tasks = echoTasks(4)
/** A lease whose holder is dead is waited for. */
const run = { runId, goal: 'whole rounds', policy: { leaseTtlMs: 400 }, waitForMs: 20_000 }
const positionsMax = 5
const mark = 'of the round that is on its way'

describe.each(backends)('a coordinator over $name that works in rounds', (backend) => {
  const stage = useBackend(backend)

  /** Kills it when it sends its `n`-th piece to the server; another one goes on. */
  async function killedAt(n: number): Promise<{ pieces: number; end: number | string }> {
    await using proxy = await startProxy(stage.server.url)
    const place = stage.newPlace()
    const worker = await startEchoWorker(place)
    let pieces = 0
    let killed: FleetProcess | null = null
    proxy.onData('toServer', () => {
      if (++pieces === n) killed?.signal('SIGKILL')
    })
    killed = stage.fleet.start('rounds', {
      ...{ run, tasks, perRound },
      place: backend.place(proxy.url(stage.server.url), place.prefix),
    })
    const end = await killed.end()
    await finishInRounds({ place, run, tasks, perRound })
    await worker.close()
    const facts = await logFacts(place, runId)
    expect(acceptedTasks(facts), `piece ${n}`).toEqual(tasks.map(({ taskId }) => taskId))
    expect(dataOf(facts, 'dispatched').every(({ attempt }) => attempt === 1)).toBe(true)
    checkRounds(facts, perRound)
    // What the dead one had said was durable: nobody did it again.
    const said = killed.said('round')
    expect(dataOf(facts, 'round-closed').map(({ round }) => round)).toEqual(expect.arrayContaining(said))
    return { pieces, end }
  }

  it('has each round whole in the log, or not at all, wherever it is killed', async () => {
    const { pieces, end } = await killedAt(Number.POSITIVE_INFINITY)
    expect(end).toBe(0)
    const stride = Math.max(1, Math.floor(pieces / positionsMax))
    const positions = Array.from({ length: Math.min(positionsMax, pieces) }, (_, i) => 1 + i * stride)
    const wanted = positions.length
    let kills = 0
    const lane = async () => {
      for (let at = positions.shift(); at !== undefined; at = positions.shift()) {
        // No two runs send the same pieces: one that is over before it is killed is followed by one that is killed earlier.
        for (let n = at; n > 0; n = Math.floor(n * 0.8)) {
          if ((await killedAt(n)).end !== 'SIGKILL') continue
          kills++
          break
        }
      }
    }
    await Promise.all([lane(), lane()])
    expect(kills).toBe(wanted)
  }, 120_000)

  it('records the round that was on its way when it got SIGTERM, although its answer was lost, and lets the run go', async () => {
    await using proxy = await startProxy(stage.server.url)
    const place = stage.newPlace()
    const worker = await startEchoWorker(place)
    const first = stage.fleet.start('rounds', {
      ...{ run, tasks, perRound, holdAt: 2, mark },
      place: backend.place(proxy.url(stage.server.url), place.prefix),
    })
    await first.line('deciding')
    const sent = new Promise<void>((resolve) => {
      const end = proxy.onData('toServer', (bytes) => {
        if (!bytes.includes(mark)) return
        end()
        proxy.swallow('toClient')
        resolve()
      })
    })
    first.tell({ go: true })
    await sent
    first.signal('SIGTERM')
    await expect.poll(async () => notesIn(await logFacts(place, runId)), { timeout: 30_000 }).toEqual([mark])
    proxy.clear()
    proxy.cut()
    expect(await first.end(40_000)).toBe(0)
    const facts = await logFacts(place, runId)
    expect(facts.events.at(-1)?.type).toBe('lock-released')
    expect([notesIn(facts), facts.epochs.length, checkRounds(facts, perRound) > 1]).toEqual([[mark], 1, true])

    await finishInRounds({ place, run, tasks, perRound })
    await worker.close()
    checkRounds(await logFacts(place, runId), perRound)
  }, 90_000)
})
