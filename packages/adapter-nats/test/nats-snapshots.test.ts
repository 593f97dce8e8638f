import type { Adapter } from '@reprise/core/adapter'
import { startNats, startProxy, type TestServer } from '@reprise/test-servers'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { namesOf } from '../src/names.js'
import { NatsConnection } from '../src/nats-connection.js'
import { NatsSnapshots } from '../src/nats-snapshots.js'
import { appendAll, closedHistory, eventually, failureOf, open, run } from './log-facts.js'
import { placeOn } from './nats-facts.js'

let server: TestServer
beforeAll(async () => {
  server = await startNats()
})
afterAll(async () => {
  await server.stop()
})

const place = () => placeOn(server)

async function* inPieces(...pieces: string[]): AsyncIterable<string> {
  yield* pieces
}

async function kept({ snapshots }: Pick<Adapter, 'snapshots'>): Promise<string> {
  let text = ''
  for await (const piece of snapshots?.load(run) ?? []) text += piece
  return text
}

describe('a snapshot', () => {
  it('is whole although whoever kept it lost the acknowledgement', async () => {
    const options = place()
    const proxy = await startProxy(server.url)
    onTestFinished(() => proxy[Symbol.asyncDispose]())
    const sound = await open(options)
    await appendAll(sound.log, closedHistory(2))
    await sound.snapshots?.save(run, inPieces('old'))
    const faulty = await open({ ...options, servers: proxy.url(server.url), requestTimeoutMs: 4000 })
    let published = false
    proxy.onData('toServer', (bytes) => {
      if (!bytes.includes(`PUB ${options.prefix}.snapshots.${run}.newest`)) return
      published = true
      proxy.swallow('toClient')
    })
    const failing = failureOf(async () => faulty.snapshots?.save(run, inPieces('the ', 'new one')))
    await eventually('it is on its way', () => published)
    expect((await failing).code).toBe('ADAPTER_UNAVAILABLE')
    expect(await kept(sound)).toBe('the new one')
  })

  it('is not kept of a run that is removed just before it is put in place', async () => {
    const options = place()
    const adapter = await open(options)
    await appendAll(adapter.log, closedHistory(2))
    const connection = await NatsConnection.open({ ...options, requestTimeoutMs: 30_000 })
    onTestFinished(() => connection.close())
    const snapshots = new NatsSnapshots(connection, namesOf(options.prefix), true, async (runId) => {
      const head = await adapter.log.head(runId)
      if (head !== null) await adapter.log.remove(runId)
      return head
    })
    expect((await failureOf(() => snapshots.save(run, inPieces('late')))).code).toBe('RUN_UNKNOWN')
    expect(await kept(adapter)).toBe('')
  })
})
