import { openRun } from '@reprise/core'
import { dataOf, echoTasks, openPlace, ProcessFleet } from '@reprise/test-fleet'
import { networkNamespaces, type TestHost } from '@reprise/test-servers'
import { afterEach, describe, expect, it } from 'vitest'
import { backends, newPrefix } from './backends.js'
import { expectWhole } from './whole-run.js'

const runId = 'other-hosts'
/** Longer than this machine may stand still: claims are to run out on the host that is cut off, and nowhere else. Milliseconds. */
const claimTtlMs = 6_000
const fleet = new ProcessFleet()
afterEach(() => fleet.endAll())

const startOn = (host: TestHost, order: object) =>
  fleet.start('worker', { ...order, workerId: `worker-${host.name}` }, { spawnWith: host.exec })

describe.each(backends)('workers on other hosts over $name', (backend) => {
  it('share the work, and what one of them holds goes to another while it is cut off', async (context) => {
    await using network = await networkNamespaces()
    if (!network.available) return context.skip(network.reason)
    await using server = await backend.start(network.address)
    const place = backend.place(server.url, newPrefix())
    const hosts = [await network.createHost('a'), await network.createHost('b')] as const
    const adapter = await openPlace(place)
    const run = await openRun({ adapter, runId, goal: 'reach everybody' })
    const held = echoTasks(2).map((task) => ({ ...task, kind: 'hold' }))
    await run.dispatch(held)
    const cutOff = startOn(hosts[0], { place, concurrency: 2, claimTtlMs })
    await cutOff.times('holding', held.length)

    await hosts[0].partition()
    const other = startOn(hosts[1], { place, concurrency: 2, claimTtlMs })
    await other.times('holding', held.length)
    other.tell({ go: true })
    for await (const result of run.results()) await result.accept()
    await other.times('receipt', held.length)
    expect(other.said('receipt').sort()).toEqual(['task-0', 'task-1'])

    await hosts[0].heal()
    await cutOff.times('aborted', held.length, 60_000)
    expect(cutOff.said('aborted')).toEqual(['CLAIM_LOST', 'CLAIM_LOST'])
    // It is one of them again: alone, it does what comes.
    await other.kill()
    const later = echoTasks(4).map((task) => ({ ...task, taskId: `later-${task.taskId}` }))
    await run.dispatch(later)
    for await (const result of run.results()) await result.accept()
    await run.complete('done')
    await adapter.close()
    const facts = await expectWhole(place, runId, [...held, ...later])
    const workers = dataOf(facts, 'receipt-received').map(({ receipt }) => receipt.worker.id)
    expect(workers).toEqual(['worker-b', 'worker-b', 'worker-a', 'worker-a', 'worker-a', 'worker-a'])
  }, 120_000)
})
