import { describe, expect, it } from 'vitest'
import { checkServers } from '../src/check-server.js'
import { redisKeys } from '../src/keys.js'
import type { ServerFacts } from '../src/server-facts.js'
import { redisFixture } from './redis-fixture.js'
import { appendAll, completedEvent, history, recordAfter, runId } from './redis-history.js'

const facts = (version: string | null): ServerFacts => ({
  ...{ version, role: 'master', evictionPolicy: 'noeviction', appendOnly: true, appendFsync: 'always' },
  ...{ lastWriteOk: true, delayedFsyncs: 0, usedMemoryBytes: 1, maxMemoryBytes: 0, connectedReplicas: 0 },
})

describe('the version of a server', () => {
  // No such old server can be had here.
  it.each(['2.8.24', '5.0.14', '6.0.16'])('%s is refused, and the message says what is needed', (version) => {
    expect(() => checkServers([facts('7.0.15'), facts(version)], 'there')).toThrow(
      expect.objectContaining({
        code: 'UNSAFE_SERVER',
        message: expect.stringMatching(new RegExp(`version is ${version}.*Use Redis 6\\.2 or later`)),
      }),
    )
  })

  it.each(['6.2.0', '6.10.1', '7.0.15', '8.0.0', null])('%s is taken', (version) => {
    expect(() => checkServers([facts(version)], 'there')).not.toThrow()
  })
})

describe('a removed run', () => {
  const fixture = redisFixture({ private: true })

  it('leaves its head for 30 days, so that it is told from a lost one', async () => {
    const { log } = await fixture.open()
    const run = runId('removed')
    const records = history(2, run)
    await appendAll(log, run, [...records, recordAfter(records[1], completedEvent)])
    const head = redisKeys(fixture.prefix).head(run)
    expect(await fixture.raw.pttl(head)).toBe(-1)
    await log.remove(run)
    const days = (await fixture.raw.pttl(head)) / (24 * 3_600_000)
    expect(days).toBeGreaterThan(29)
    expect(days).toBeLessThanOrEqual(30)
  })
})
