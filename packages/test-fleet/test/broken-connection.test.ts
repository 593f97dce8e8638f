import { openRun } from '@reprise/core'
import { dataOf, echoTasks, type FleetProcess, logFacts, openPlace } from '@reprise/test-fleet'
import { type FaultProxy, startProxy } from '@reprise/test-servers'
import { describe, expect, it } from 'vitest'
import { backends, useBackend } from './backends.js'
import { claimTtlMs, expectWhole, leaseTtlMs, paceTasks } from './whole-run.js'

const runId = 'broken-connection'
const lostAnswer = 'its answer is lost'
/** For slow connections: a slow machine makes them slower still, and no claim is to run out for that. Milliseconds. */
const slowTtlMs = 10_000
const run = { runId, goal: 'arrive', policy: { leaseTtlMs } }

describe.each(backends)('a run over $name whose connections break', (backend) => {
  const stage = useBackend(backend)

  /** A coordinator and two workers, all behind the proxy, from the start of a run to its end. */
  async function runThrough(
    proxy: FaultProxy,
    tasks: ReturnType<typeof echoTasks>,
    { ttlMs = slowTtlMs, onStart = (_coordinator: FleetProcess): void => {} } = {},
  ) {
    const place = stage.newPlace(proxy.url(stage.server.url))
    for (const concurrency of [2, 3]) stage.fleet.start('worker', { place, concurrency, claimTtlMs: ttlMs })
    const order = { place, run: { ...run, policy: { leaseTtlMs: ttlMs } }, tasks }
    const coordinator = stage.fleet.start('coordinator', order)
    onStart(coordinator)
    expect(await coordinator.end(60_000)).toBe(0)
    proxy.clear()
    const facts = await expectWhole(place, runId, tasks)
    expect(facts.epochs).toHaveLength(1)
    return coordinator
  }

  /** Holds a run through a proxy, and loses the answer to an append: the server has done it, and nobody heard of it. */
  async function loseAnswer(proxy: FaultProxy) {
    const place = stage.newPlace(proxy.url(stage.server.url))
    const adapter = await openPlace(place)
    const held = await openRun({ adapter, ...run })
    const asked = new Promise<void>((resolve) => {
      const end = proxy.onData('toServer', (bytes) => {
        if (!bytes.includes(lostAnswer)) return
        end()
        proxy.swallow('toClient')
        resolve()
      })
    })
    const failed = new Promise((resolve) => held.once('transport-failed', resolve))
    const noted = held.note(lostAnswer)
    await asked
    const direct = backend.place(stage.server.url, place.prefix)
    const notes = async () => dataOf(await logFacts(direct, runId), 'note-added').map(({ text }) => text)
    await expect.poll(notes, { timeout: 10_000 }).toEqual([lostAnswer])
    const expectOneNote = async () => {
      await noted
      await held.note('and goes on')
      await held.close()
      await adapter.close()
      expect(await notes()).toEqual([lostAnswer, 'and goes on'])
      expect((await logFacts(direct, runId)).epochs).toHaveLength(1)
    }
    return { failed, expectOneNote }
  }

  it('appends once when the answer to an append is lost with its connection', async () => {
    await using proxy = await startProxy(stage.server.url)
    const { expectOneNote } = await loseAnswer(proxy)
    proxy.clear()
    proxy.cut()
    await expectOneNote()
  }, 60_000)

  it('appends once when the answer to an append is lost and the connection stays open, and silent', async () => {
    await using proxy = await startProxy(stage.server.url)
    const { failed, expectOneNote } = await loseAnswer(proxy)
    await failed
    proxy.clear()
    await expectOneNote()
  }, 60_000)

  it('accepts everything once while every connection is cut again and again', async () => {
    await using proxy = await startProxy(stage.server.url)
    let cuts = 0
    // By what has been accepted: however many chunks a machine makes of it, no cut comes before or after the run.
    const onStart = (started: FleetProcess): void => {
      proxy.onData('toServer', () => {
        if (cuts === 12 || started.said('accepted').length < 10 * (cuts + 1)) return
        cuts++
        proxy.cut()
      })
    }
    const coordinator = await runThrough(proxy, paceTasks(150, 20), { ttlMs: claimTtlMs, onStart })
    expect(cuts).toBe(12)
    expect(coordinator.said('stopped')).toEqual([])
  }, 90_000)

  it('accepts everything once when each byte arrives late', async () => {
    await using proxy = await startProxy(stage.server.url)
    proxy.delay(15)
    await runThrough(proxy, echoTasks(20))
  }, 90_000)

  it('accepts everything once when bytes arrive one by one', async () => {
    await using proxy = await startProxy(stage.server.url)
    proxy.trickle(1)
    await runThrough(proxy, echoTasks(6))
  }, 90_000)
})
