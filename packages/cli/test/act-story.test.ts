import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { openPlace, type Place, startEchoWorker, TestFolders } from '@reprise/test-fleet'
import { startNats, startRedis, type TestServer } from '@reprise/test-servers'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { documentsOf, inProcess } from './in-process.js'
import { reprise } from './reprise.js'

const folders = new TestFolders()
const servers: TestServer[] = []
const places: Record<string, () => Promise<{ at: string; place: Place }>> = {
  files: async () => {
    const dir = join(await folders.make(), '.reprise')
    return { at: dir, place: { files: dir } }
  },
  redis: async () => {
    const server = await startRedis({ private: true })
    servers.push(server)
    const prefix = `cli-${randomUUID().slice(0, 8)}`
    return { at: `${server.url}?prefix=${prefix}`, place: { redis: server.url, prefix } }
  },
  nats: async () => {
    const server = await startNats({ private: true })
    servers.push(server)
    const prefix = `cli-${randomUUID().slice(0, 8)}`
    return { at: `${server.url}?prefix=${prefix}`, place: { nats: server.url, prefix } }
  },
}

afterAll(async () => {
  await Promise.all(servers.map((server) => server.stop()))
  await folders.removeAll()
})

/** Resolves when so many messages wait for whoever opens the run. */
async function untilWaiting(place: Place, count: number): Promise<void> {
  const adapter = await openPlace(place)
  try {
    await vi.waitFor(async () => expect(await adapter.inbox.peek('story' as never, 10)).toHaveLength(count), {
      timeout: 30_000,
    })
  } finally {
    await adapter.close()
  }
}

describe.each(Object.keys(places))('a run on %s', (name) => {
  let at = ''
  let place: Place = { files: '' }
  beforeAll(async () => {
    const made = await places[name]?.()
    if (made !== undefined) ({ at, place } = made)
  }, 120_000)

  it('is worked off by commands alone, of which none with a stale token is obeyed', async () => {
    const env = { REPRISE_AT: at }
    const check = async (
      code: number,
      args: string[],
      ended: { code: number | null; stdout: string; stderr: string },
    ) => {
      expect([ended.code, ended.stderr, args]).toEqual([code, code === 0 ? '' : expect.any(String), args])
      return (await documentsOf(args, ended)).json
    }
    /** In a process of its own. */
    const run = async (code: number, ...args: string[]) =>
      check(code, args, await reprise([...args, '--json'], { env }))
    const quick = async (code: number, ...args: string[]) =>
      check(code, args, await inProcess([...args, '--json'], { env }))
    const opened = await run(
      0,
      'open',
      'story',
      '--goal',
      'echo',
      '--criterion',
      'all echoed',
      '--policy',
      'inFlightMax=1',
    )
    const { token, ...sent } = await run(0, 'dispatch', 'story', 't1', '--kind', 'echo', '--token', opened.token)
    expect(sent).toMatchObject({ how: 'executed', dispatched: ['t1'], planned: [] })
    const worker = await startEchoWorker(place)
    await untilWaiting(place, 1)
    // Nobody held the run when the receipt came: it was not known to who asks, and is recorded first.
    const stale = await run(4, 'dispatch', 'story', 't2', '--kind', 'echo', '--token', token)
    expect(stale.error).toMatchObject({ code: 'STALE_CONTEXT', details: { runId: 'story', how: 'executed' } })
    expect(stale.error.details.changes.newest.map((change: { type: string }) => change.type)).toContain(
      'receipt-received',
    )
    const { text, token: shown } = await quick(0, 'briefing', 'story')
    expect(text).toContain(shown)
    const accepted = await quick(0, 'accept', 'story', 't1', '--token', shown)
    expect(accepted.tasks).toEqual([{ taskId: 't1', ok: true, code: null, message: null }])
    const refused = await quick(4, 'complete', 'story', '--summary', 'x', '--token', accepted.token)
    expect(refused.error.code).toBe('EVIDENCE_MISSING')
    const evidence = ['--summary', 'echoed', '--evidence', '1=one of one', '--token', refused.error.details.token]
    const completed = await run(0, 'complete', 'story', ...evidence)
    expect(completed.checklist.map(({ pass }: { pass: boolean }) => pass)).toEqual([true, true, true])
    expect(await quick(0, 'complete', 'story', ...evidence)).toMatchObject({ summary: 'echoed', events: [] })
    await worker.close()
  }, 120_000)
})
