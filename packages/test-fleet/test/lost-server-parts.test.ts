import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { connect as connectNats } from '@nats-io/transport-node'
import { describe, expect, it } from 'vitest'
import { nats, redis, type Stage, useBackend } from './backends.js'
import { claimTtlMs, expectWhole, leaseTtlMs, openGate, paceTasks } from './whole-run.js'

const runId = 'lost-server-parts'
const run = { runId, goal: 'go on', policy: { inFlightMax: 24, leaseTtlMs } }
const tasks = paceTasks(200, 25, [80, 160])

/** A whole run, in the middle of which `lose` takes something away, twice. */
async function expectUnharmed(stage: Stage, lose: (url: string) => Promise<void>): Promise<void> {
  const place = stage.newPlace()
  const workers = [1, 2].map(() => stage.fleet.start('worker', { place, concurrency: 4, claimTtlMs }))
  const coordinator = stage.fleet.start('coordinator', { place, run, tasks })
  for (const accepted of [40, 120]) {
    await coordinator.times('accepted', accepted)
    await lose(stage.server.url)
    openGate(workers)
  }
  expect(await coordinator.end(60_000)).toBe(0)
  const facts = await expectWhole(place, runId, tasks)
  expect(facts.epochs).toHaveLength(1)
}

describe('a run over redis', () => {
  const stage = useBackend(redis)

  it('does not notice when the server forgets all scripts', async () => {
    await expectUnharmed(stage, flushScripts)
  }, 90_000)
})

describe('a run over nats', () => {
  const stage = useBackend(nats)

  it('goes on when every consumer is deleted', async () => {
    await expectUnharmed(stage, async (url) => expect(await deleteConsumers(url)).toBeGreaterThan(0))
  }, 90_000)
})

async function flushScripts(url: string): Promise<void> {
  const { hostname, port } = new URL(url)
  const socket = connectTcp(Number(port), hostname)
  socket.write('SCRIPT FLUSH\r\n')
  const [answer] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  expect(answer.toString()).toBe('+OK\r\n')
}

/** As somebody would with the command line tool of NATS. Returns how many there were. */
async function deleteConsumers(url: string): Promise<number> {
  const connection = await connectNats({ servers: url })
  const ask = async (subject: string) =>
    (await connection.request(`$JS.API.${subject}`)).json<Record<string, unknown>>()
  let deleted = 0
  for (const stream of ((await ask('STREAM.NAMES')).streams ?? []) as string[]) {
    for (const consumer of ((await ask(`CONSUMER.NAMES.${stream}`)).consumers ?? []) as string[]) {
      if ((await ask(`CONSUMER.DELETE.${stream}.${consumer}`)).success === true) deleted++
    }
  }
  await connection.close()
  return deleted
}
