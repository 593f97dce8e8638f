import { randomBytes } from 'node:crypto'
import { openNats } from '@reprise/adapter-nats'
import { openRedis } from '@reprise/adapter-redis'
import type { Adapter } from '@reprise/core'
import { loadRunAt, stateJson } from '@reprise/core/replay'
import { memoryAdapter } from '@reprise/core/testing'
import { startNats, startRedis } from '@reprise/test-servers'
import { expect, it } from 'vitest'
import { appendLines, goldenId, goldenLines } from './golden-run.js'
import { reprise, repriseJson } from './reprise.js'

const servers = {
  redis: {
    start: startRedis,
    open: (url: string, prefix: string): Promise<Adapter> => openRedis({ url, prefix }),
  },
  nats: {
    start: startNats,
    open: (url: string, prefix: string): Promise<Adapter> => openNats({ servers: url, prefix }),
  },
}

it.each(Object.entries(servers))(
  'shows and bisects a log in %s as one in a folder',
  async (_, { start, open }) => {
    await using server = await start()
    // The server may be one that others use too.
    const prefix = `lookback${randomBytes(6).toString('hex')}`
    const address = `${server.url}?prefix=${prefix}`
    const adapter = await open(server.url, prefix)
    await appendLines(adapter, goldenLines())
    await adapter.close()
    const memory = memoryAdapter()
    await appendLines(memory, goldenLines())
    const { state } = await loadRunAt(memory.log, goldenId, { version: 20 })
    const { code, json } = await repriseJson(['show', 'run-1@20', '--at', address])
    expect([code, json.state]).toEqual([0, stateJson(state)])
    const found = await reprise(['bisect', 'run-1', '--when', 'version == 20'], { env: { REPRISE_AT: address } })
    expect([found.code, found.stdout]).toEqual([1, expect.stringContaining('event 20 of run-1')])
  },
  60_000,
)

it('says of a NATS server that nobody has used yet that the address or the prefix may be wrong', async () => {
  await using server = await startNats()
  const address = `${server.url}?prefix=unused${randomBytes(6).toString('hex')}`
  const ended = await Promise.all([reprise(['runs', '--at', address]), reprise(['status', 'run-1', '--at', address])])
  for (const { code, stdout, stderr } of ended) {
    expect([code, stdout]).toEqual([3, ''])
    expect(stderr).toMatch(/^reprise: .*prefix/)
  }
}, 60_000)
