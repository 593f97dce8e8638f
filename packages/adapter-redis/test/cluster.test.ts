import { once } from 'node:events'
import { connect } from 'node:net'
import { startRedis, type TestServer } from '@reprise/test-servers'
import { Cluster, Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openRedis, type RedisAdapter } from '../src/index.js'
import { patientMs } from './deadlines.js'
import {
  appendAll,
  collect,
  completedEvent,
  eventually,
  history,
  readAll,
  recordAfter,
  runId,
  textsOf,
} from './redis-history.js'

const slots = 16_384
const servers: TestServer[] = []
let client: Cluster
let adapter: RedisAdapter

// With everysec a killed node may have answered writes that it had not handed to its system yet.
const always = { appendfsync: 'always' }

/** A port for a node to hear the others, on which nobody listens: below those that systems and test servers take. */
async function busPort(): Promise<string> {
  for (let port = 5_000 + (process.pid % 2_000) * 2; ; port++) {
    const taken = connect(port, '127.0.0.1')
    const isFree = await once(taken, 'connect').then(
      () => false,
      () => true,
    )
    taken.destroy()
    if (isFree) return String(port)
  }
}

/** Two masters, each with half of the slots. */
beforeAll(async () => {
  for (let i = 0; i < 2; i++) {
    const cluster = { 'cluster-enabled': 'yes', 'cluster-port': await busPort() }
    servers.push(await startRedis({ private: true, settings: { ...always, ...cluster } }))
  }
  const nodes = servers.map((server) => new Redis(server.url))
  const [first, second] = nodes
  if (first === undefined || second === undefined) throw new Error('There are no two nodes.')
  await first.call('CLUSTER', 'ADDSLOTSRANGE', 0, slots / 2 - 1)
  await second.call('CLUSTER', 'ADDSLOTSRANGE', slots / 2, slots - 1)
  const [, bus] = (await second.config('GET', 'cluster-port')) as [string, string]
  await first.call('CLUSTER', 'MEET', '127.0.0.1', servers[1]?.port ?? 0, bus)
  await eventually('the cluster is complete', async () => {
    const infos = await Promise.all(nodes.map((node) => node.cluster('INFO')))
    return infos.every((info) => String(info).includes('cluster_state:ok') && String(info).includes('known_nodes:2'))
  })
  for (const node of nodes) node.disconnect()
  client = new Cluster(
    servers.map(({ host, port }) => ({ host, port })),
    { lazyConnect: true },
  )
  await client.connect()
  adapter = await openRedis({ connection: client, commandTimeoutMs: patientMs })
}, 60_000)

afterAll(async () => {
  await adapter?.close()
  client?.disconnect()
  await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
})

describe('on a cluster', () => {
  it('spreads runs over the nodes, and does everything on each of them', async () => {
    const runs = Array.from({ length: 12 }, (_, i) => runId(`run-${i}`))
    const stop = new AbortController()
    const following: Promise<unknown>[] = []
    for (const run of runs) {
      const records = history(3, run)
      await appendAll(adapter.log, run, records)
      let watched = 0
      const watching = (async () => {
        for await (const texts of adapter.log.watch(run, 0, stop.signal)) watched += texts.length
      })()
      const seqs: number[] = []
      const receiving = adapter.inbox.receive(
        run,
        async (batch) => {
          seqs.push(...batch.map(({ seq }) => seq))
        },
        stop.signal,
      )
      const message = (seq: number) => ({ sender: 's', seq, kind: 'command', body: '{}' }) as const
      await adapter.inbox.send(run, [message(1)])
      await adapter.inbox.send(run, [message(2), message(3)])
      await adapter.log.append(run, recordAfter(records[2], completedEvent))
      await eventually('all is seen', () => watched === 4 && seqs.length === 3)
      expect((await readAll(adapter.log, run)).slice(0, 3)).toEqual(textsOf(records))
      const lease = await adapter.leases.acquire(`run/${run}`, { id: run, host: 'h', pid: 1 }, 600_000)
      expect(lease.held).toBe(true)
      following.push(watching, receiving)
    }
    stop.abort()
    await Promise.all(following)
    expect((await collect(adapter.log.list())).sort()).toEqual([...runs].sort())
    expect((await collect(adapter.leases.holders('run/'))).length).toBe(runs.length)
    const sizes = await Promise.all(client.nodes('master').map((node) => node.dbsize()))
    expect(sizes.length).toBe(2)
    expect(Math.min(...sizes)).toBeGreaterThan(0)
    for (const run of runs) await adapter.log.remove(run)
    expect(await collect(adapter.log.list())).toEqual([])
  }, 60_000)

  it('keeps artifacts, whose bytes and names are on different nodes', async () => {
    for (let i = 0; i < 8; i++) {
      const source = async function* () {
        yield Buffer.alloc(600_000, `${i}`)
      }
      const stored = await adapter.artifacts.put(source(), 1e9)
      expect((await adapter.artifacts.check(stored, 1e9)).ok).toBe(true)
    }
  })

  it('delivers', async () => {
    const lanes = ['a', 'b', 'c', 'd', 'e', 'f']
    const taken: string[] = []
    for (const lane of lanes) {
      await adapter.queue.consume(
        lane,
        async ({ offer }) => {
          taken.push(offer.taskId)
        },
        { workerId: `worker-${lane}`, concurrency: 1, claimTtlMs: 60_000 },
      )
    }
    await adapter.queue.offer(
      lanes.map((lane) => ({
        runId: runId('r'),
        taskId: lane as never,
        attempt: 1,
        lane,
        digest: '0'.repeat(64),
        body: '{}',
      })),
    )
    await eventually('every lane is served', () => taken.length >= lanes.length)
    expect(taken.sort()).toEqual(lanes)
  })

  it('makes a call that a node cut off again once the node is back', async () => {
    const [first, second] = servers
    if (first === undefined || second === undefined) throw new Error('There are no two nodes.')
    const patient = await openRedis({ connection: client, commandTimeoutMs: 120_000 })
    try {
      const slot = (run: string) => client.cluster('KEYSLOT', `{reprise:run:${run}}:log`)
      let name = 'cut-0'
      for (let i = 1; (await slot(name)) < slots / 2; i++) name = `cut-${i}`
      const run = runId(name)
      const records = history(3, name)
      await appendAll(patient.log, run, records.slice(0, 2))
      await second.kill()
      let settled = 'not yet'
      const appending = appendAll(patient.log, run, records.slice(2)).then(
        () => {
          settled = 'appended'
        },
        (error: unknown) => {
          settled = String(error)
        },
      )
      // ioredis itself gives up after 16 attempts, a tenth of a second apart.
      await new Promise((resolve) => setTimeout(resolve, 3_000))
      expect(settled).toBe('not yet')
      await second.restart()
      await appending
      expect(settled).toBe('appended')
      expect(await readAll(patient.log, run)).toEqual(textsOf(records))
      // The client of the others has found the node again as well.
      expect(await readAll(adapter.log, run)).toEqual(textsOf(records))
    } finally {
      await patient.close()
    }
  }, 90_000)

  it('is judged by every node', async () => {
    const judged = async () => {
      const { durable, findings } = await adapter.diagnose()
      expect(findings.filter(({ name }) => name === 'persistence').length).toBe(2)
      return durable
    }
    expect(await judged()).toBe('os')
    const second = new Redis(servers[1]?.url ?? '')
    await second.config('SET', 'appendfsync', 'everysec')
    second.disconnect()
    expect(await judged()).toBe('process')
  })
})
