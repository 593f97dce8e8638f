import { describe, expect, it } from 'vitest'
import { memoryAdapter } from '../src/memory/memory-adapter.js'
import { MemoryBackend } from '../src/memory/memory-backend.js'
import { SimulatedClock } from '../src/memory/simulated-clock.js'
import type { Adapter } from '../src/ports/adapter.js'
import type { RunId } from '../src/protocol/ids.js'
import { inspectLog } from '../src/replay/inspect-log.js'
import { measureLatencies, scratchPrefix } from '../src/replay/measure-latencies.js'
import { probeRights } from '../src/replay/probe-rights.js'
import { ended } from './moved-runs.js'
import { RunStage, runId } from './run-stage.js'
import { backendWith } from './snapshot-of.js'

/** A backend, and processes on it under one clock. */
function stage() {
  const clock = new SimulatedClock()
  const backend = new MemoryBackend()
  const member = () => {
    const runtime = clock.process()
    const adapter = memoryAdapter({ backend, runtime })
    const measureOn = (on: Adapter) => measureLatencies(on, { runtime, stopwatch: () => runtime.now() })
    return { adapter, measureOn, measure: () => measureOn(adapter) }
  }
  const runs = () => [...backend.runs.records.keys()]
  return { clock, backend, member, runs }
}

describe('measuring latencies', () => {
  it('tells appends, reads and wake-ups, and leaves nothing behind', async () => {
    const { clock, member, runs } = stage()
    const findings = await clock.run(member().measure())
    expect(findings.map(({ name, level }) => [name, level])).toEqual([
      ['append-latency', 'ok'],
      ['wake-up-latency', 'ok'],
      ['read-latency', 'ok'],
    ])
    expect(findings[0]?.figures).toMatchObject({ p50Ms: expect.any(Number), p99Ms: expect.any(Number), samples: 30 })
    expect(runs()).toEqual([])
  })

  it('works on a run that is right and closed at every instant, so that what a kill leaves behind can be removed', async () => {
    const { clock, backend, member, runs } = stage()
    for (let appends = 1; appends <= 30; appends += 7) {
      let left = appends
      backend.intercept = ({ port, method, phase }) =>
        port === 'log' && method === 'append' && phase === 'after' && --left === 0 ? 'kill' : 'go'
      void member().measure()
      await clock.run(clock.process().sleep(1_000))
      backend.intercept = () => 'go'
      const [scratch, ...others] = runs()
      expect(others).toEqual([])
      expect(scratch?.startsWith(scratchPrefix)).toBe(true)
      const { adapter, measure } = member()
      expect(await clock.run(inspectLog(adapter.log, scratch as RunId))).toMatchObject({ ok: true, commits: appends })
      // It may be another doctor's, at work; then it is not.
      await clock.run(measure())
      expect(runs()).toEqual([scratch])
      await clock.run(clock.process().sleep(61_000))
      await clock.run(measure())
      expect(runs()).toEqual([])
    }
  })

  it('leaves a run alone that somebody else has made and ended under such a name', async () => {
    const { clock, backend, member, runs } = stage()
    const theirs = `${scratchPrefix}of-ours`
    backend.runs.records.set(theirs as RunId, backendWith(runId, ended).recordsOf(runId).slice())
    await clock.run(clock.process().sleep(61_000))
    await clock.run(member().measure())
    expect(runs()).toEqual([theirs])
  })

  it('waits for a watcher that is never woken once, not with every append, and says so', async () => {
    const { clock, member, runs } = stage()
    const { adapter, measureOn } = member()
    const deaf = { ...adapter, log: { ...adapter.log, watch: async function* () {} } }
    const before = clock.process().now()
    const findings = await clock.run(measureOn(deaf))
    expect(findings[1]).toMatchObject({ name: 'wake-up-latency', level: 'problem', figures: { woken: 0 } })
    expect(clock.process().now() - before).toBeLessThan(10_000)
    expect(runs()).toEqual([])
  })

  it('says that appending is refused, and still leaves nothing behind', async () => {
    const { clock, backend, member, runs } = stage()
    backend.intercept = ({ port, method, phase }) =>
      port === 'log' && method === 'append' && phase === 'before' ? 'fail' : 'go'
    const findings = await clock.run(member().measure())
    expect(findings).toMatchObject([{ name: 'append-latency', level: 'warning' }])
    expect(runs()).toEqual([])
  })
})

describe('trying rights', () => {
  it.each(['coordinator', 'worker', 'reader'] as const)(
    'as a %s leaves no run, lease or message behind',
    async (role) => {
      const stage = new RunStage()
      const { adapter, runtime } = stage.process()
      const findings = await stage.clock.run(probeRights(adapter, role, runtime))
      expect(findings).toMatchObject([{ name: 'rights', level: 'ok' }])
      expect([...stage.backend.runs.records.keys()]).toEqual([])
      const holders: unknown[] = []
      const listing = (async () => {
        for await (const holder of adapter.leases.holders('')) holders.push(holder)
      })()
      await stage.clock.run(listing)
      expect(holders).toEqual([])
      await expect(stage.clock.run(adapter.inbox.peek(runId, 1))).resolves.toEqual([])
    },
  )

  it('takes the same lease each time: where one leaves something behind, that does not grow', async () => {
    const stage = new RunStage()
    for (const role of ['coordinator', 'coordinator', 'worker'] as const) {
      const { adapter, runtime } = stage.process()
      const taken: string[] = []
      const acquire: Adapter['leases']['acquire'] = (name, holder, ttlMs) => {
        taken.push(name)
        return adapter.leases.acquire(name, holder, ttlMs)
      }
      const leases = { ...adapter.leases, acquire }
      await stage.clock.run(probeRights({ ...adapter, leases }, role, runtime))
      expect(taken).toEqual([`${role === 'worker' ? 'worker' : 'run'}/${scratchPrefix}rights`])
    }
  })
})
