import { openNats } from '@reprise/adapter-nats'
import { startNats, startRedis, type TestServer } from '@reprise/test-servers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verify } from '../src/commands/verify.js'
import { breakNats, breakRedis, onServers, resp, talk } from './broken-logs/servers.js'
import { reprise, repriseJson } from './reprise.js'

const prefix = `broken-${process.pid}`
const servers: Record<'redis' | 'nats', () => Promise<TestServer>> = {
  redis: async () => {
    const server = await startRedis()
    await breakRedis(server.port, prefix)
    return server
  },
  nats: async () => {
    const server = await startNats()
    // Makes the streams.
    await (await openNats({ servers: server.url, prefix })).close()
    await breakNats(server.port, prefix)
    return server
  },
}

describe.each(Object.keys(servers) as (keyof typeof servers)[])('verify --all on %s', (kind) => {
  let server: TestServer
  beforeAll(async () => {
    server = await servers[kind]()
  })
  afterAll(() => server[Symbol.asyncDispose]())

  it('knows what is wrong with every log that can be wrong there, and where it is', async () => {
    const { code, stdout, stderr } = await reprise([
      'verify',
      '--all',
      '--json',
      '--at',
      `${server.url}?prefix=${prefix}`,
    ])
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
    const found: Record<string, unknown> = {}
    for (const line of stdout.trimEnd().split('\n')) {
      const report = verify.schema.parse(JSON.parse(line)) as Report
      const { runId, problem } = report
      if (problem === null) expect(report.remains).toEqual({ torn: 0, tornTail: false, passedOver: 0 })
      found[runId] = { kind: problem?.kind ?? null, commit: problem?.commit ?? null }
      if (problem !== null) expect(problem.place).toMatch(kind === 'redis' ? /^entry \d+-0$/ : /^message \d+$/)
    }
    const expected = onServers().map(([name, log]) => [
      name,
      { kind: log.onServers, commit: log.onServers === null ? null : log.commit },
    ])
    expect(found).toEqual(Object.fromEntries(expected))
  })
})

it('says that the server contradicts itself where every commit is right and it refuses to read them', async () => {
  const server = await startRedis()
  const other = `${prefix}-head`
  await breakRedis(server.port, other)
  await talk(server.port, [resp('HSET', `{${other}:run:whole}:head`, 'index', '10')], /^:0\r$/m, 1)
  const { code, json } = await repriseJson(['verify', 'whole', '--at', `${server.url}?prefix=${other}`])
  await server[Symbol.asyncDispose]()
  expect({ code, problem: json.problem }).toMatchObject({ code: 1, problem: { kind: 'unreadable', place: null } })
  expect(json).toMatchObject({ ok: false, commits: 45 })
})

interface Report {
  readonly runId: string
  readonly problem: Problem | null
  readonly remains: object | null
}

interface Problem {
  readonly kind: string
  readonly commit: number
  readonly place: string | null
}
