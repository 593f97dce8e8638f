import { openRun } from '@reprise/core'
import {
  dataOf,
  echoTasks,
  type FleetProcess,
  logFacts,
  openPlace,
  type Place,
  type ProcessFleet,
} from '@reprise/test-fleet'
import { describe, expect, it } from 'vitest'
import { anyPlace } from './any-place.js'

/** Nothing here takes nearly as long. Milliseconds. */
const patienceMs = 45_000
const leaseTtlMs = 1_000
const claimTtlMs = 800
/** A watchdog that is slow is not to be replaced: only one that is gone, which is known on the same machine. */
const watching = { intervalMs: 200, stalledAfterMs: 1_500, leaseTtlMs: 60_000 }

const startWatchdog = (fleet: ProcessFleet, place: Place) => fleet.start('watchdog', { place, ...watching })

/** A coordinator that dies in the middle of its run. */
async function killCoordinator(fleet: ProcessFleet, place: Place): Promise<void> {
  const order = { place, run: { runId: 'run-1', goal: 'be missed', policy: { leaseTtlMs } }, tasks: echoTasks(3) }
  const coordinator = fleet.start('coordinator', { ...order, finish: false })
  await coordinator.line('dispatched', patienceMs)
  await coordinator.kill()
}

/** A run with a checkpoint that passes, a worker that stands still, and a receipt that comes when nobody is home. */
async function neglectRun(fleet: ProcessFleet, place: Place, dog: FleetProcess): Promise<void> {
  const worker = (lane: string) => fleet.start('worker', { place, lanes: [lane], claimTtlMs })
  const [still, late] = [worker('still'), worker('late')]
  await Promise.all([still.line('working', patienceMs), late.line('working', patienceMs)])
  const adapter = await openPlace(place)
  const run = await openRun({ adapter, runId: 'run-2', goal: 'be watched', policy: { leaseTtlMs } })
  await run.setCheckpoint(new Date(Date.now() + 100), 'soon')
  const hold = (taskId: string) => ({ taskId, kind: 'hold', lane: taskId, input: null })
  await run.dispatch([hold('still'), hold('late')])
  await Promise.all([still.line('holding', patienceMs), late.line('holding', patienceMs)])
  still.signal('SIGSTOP')
  await dog.line('checkpoint-overdue', patienceMs)
  await dog.line('attempt-stalled/run-2/1/still', patienceMs)
  await run.close()
  await adapter.close()
  late.tell({ go: true })
  await late.line('receipt', patienceMs)
  await dog.line('receipts-waiting', patienceMs)
}

describe.each(anyPlace)('a watchdog over $name', ({ use }) => {
  const stage = use()
  it('tells everything once, although it is killed in between and another one takes its place', async () => {
    const place = await stage.newPlace()
    const { fleet } = stage
    const first = startWatchdog(fleet, place)
    await first.line('active', patienceMs)
    const second = startWatchdog(fleet, place)
    expect(await second.line('started', patienceMs)).toEqual({ started: false })
    await killCoordinator(fleet, place)
    const { told } = await first.line('told', patienceMs)
    expect(told).toMatch(/coordinator-dead\/run-1\//)
    expect(second.said('active')).toEqual([])

    await first.kill()
    await second.line('active', patienceMs)
    await neglectRun(fleet, place, second)
    const keys = [...first.said('key'), ...second.said('key')]
    expect(new Set(keys).size).toBe(keys.length)
    await second.line('told:attempt-stalled/run-2/1/still', patienceMs)
    const accepted = dataOf(await logFacts(place, 'watchdog'), 'task-accepted').map(({ taskId }) => taskId)
    expect(new Set(accepted).size).toBe(accepted.length)
    expect(accepted).toEqual(expect.arrayContaining([told, 'attempt-stalled/run-2/1/still']))
  }, 180_000)
})
