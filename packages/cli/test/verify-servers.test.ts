import { openNats } from '@reprise/adapter-nats'
import { startNats, startRedis, type TestServer } from '@reprise/test-servers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verify } from '../src/commands/verify.js'
import { breakNats, breakRedis, onServers } from './broken-logs/servers.js'
import { reprise } from './reprise.js'

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
      const { runId, problem } = verify.schema.parse(JSON.parse(line)) as { runId: string; problem: Problem | null }
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

interface Problem {
  readonly kind: string
  readonly commit: number
  readonly place: string | null
}
