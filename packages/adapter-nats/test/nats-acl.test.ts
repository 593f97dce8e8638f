import { readFileSync } from 'node:fs'
import { headers } from '@nats-io/transport-node'
import { openRun, sendCommand, taskChain } from '@reprise/core'
import { type Adapter, isRepriseError, type RunSummaries, type TaskId } from '@reprise/core/adapter'
import { startNats, type TestServer } from '@reprise/test-servers'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type NatsAdapter, openNats } from '../src/index.js'
import { authorization, connectionOf, passwordOf, permissionsText, type Role, roles } from './acl-roles.js'
import {
  appendAll,
  closedHistory,
  eventually,
  failureOf,
  history,
  messages,
  open,
  readAll,
  receive,
  recordAfter,
  run,
  textsOf,
  watch,
} from './log-facts.js'
import { withNats } from './nats-facts.js'

const prefix = 'acl'
let server: TestServer

beforeAll(async () => {
  server = await startNats({ private: true, config: authorization(prefix) })
  const admin = await openNats({
    servers: server.url.replace('nats://', `nats://admin:${passwordOf('admin')}@`),
    prefix,
  })
  await admin.close()
})
afterAll(async () => {
  await server.stop()
})

const openAs = (role: Role): Promise<NatsAdapter> =>
  open({ servers: server.url, prefix, createStreams: false, connection: connectionOf(role) })

const source = async function* (text: string): AsyncIterable<Uint8Array> {
  yield Buffer.from(text)
}
const holder = { id: 'someone', host: 'elsewhere', pid: 1 }

const summariesOf = ({ summaries }: Adapter): RunSummaries => {
  if (summaries === undefined) throw new Error('There are no summaries.')
  return summaries
}

/** Whether the server let it not pass, and the error says so. */
async function isForbidden(call: () => Promise<unknown>): Promise<boolean> {
  try {
    await call()
    return false
  } catch (error) {
    return isRepriseError(error, 'ADAPTER_UNAVAILABLE') && error.details.kind === 'forbidden'
  }
}

describe('least privilege', () => {
  it('is enough for each role to do its work', async () => {
    const [coordinator, worker, inspector] = [
      await openAs('coordinator'),
      await openAs('worker'),
      await openAs('inspector'),
    ]
    const records = closedHistory(5)
    const follower = watch(inspector.log)
    await appendAll(coordinator.log, records.slice(0, 3))
    const lease = await coordinator.leases.acquire('run/run-1', holder, 60_000)
    expect(lease.held && (await coordinator.leases.renew(lease))).toBe(true)
    expect((await coordinator.leases.acquire('run/run-1', { ...holder, id: 'other' }, 60_000)).held).toBe(false)
    expect((await all(inspector.leases.holders('run/'))).map(({ name }) => name)).toEqual(['run/run-1'])
    const receiver = receive(coordinator)
    await worker.inbox.send(run, messages('worker-1', 3))
    await eventually('the messages are there', () => receiver.received.length >= 3)
    await receiver.stop()
    await worker.inbox.send(run, messages('worker-2', 2))
    for (const { inbox } of [inspector, coordinator]) expect(await inbox.peek(run, 10)).toEqual(messages('worker-2', 2))
    const stored = await worker.artifacts?.put(source('bytes'), 100)
    if (stored === undefined) throw new Error('There is no artifact store.')
    expect(await coordinator.artifacts?.check(stored, 100)).toEqual({ ok: true, artifact: stored })
    await appendAll(coordinator.log, records.slice(3))
    await eventually('the inspector has seen it all', () => follower.texts.length >= 5)
    expect(await readAll(inspector.log)).toEqual(textsOf(records))
    expect(await all(inspector.log.list())).toEqual([run])
    await coordinator.log.remove(run)
    expect(await inspector.log.head(run)).toBe(null)
  })

  it('lets coordinators keep snapshots, inspectors read them, and nobody else', async () => {
    const [coordinator, inspector] = [await openAs('coordinator'), await openAs('inspector')]
    const kept = 'kept' as typeof run
    await coordinator.log.append(kept, history(1)[0] as ReturnType<typeof history>[number])
    const pieces = async function* (text: string): AsyncIterable<string> {
      yield text
    }
    for (const text of ['first', 'second']) await coordinator.snapshots?.save(kept, pieces(text))
    for (const { snapshots } of [coordinator, inspector]) {
      if (snapshots === undefined) throw new Error('There are no snapshots.')
      expect(await all(snapshots.load(kept))).toEqual(['second'])
    }
    // What the first one has left was purged, which needs a right of its own: a chunk and a manifest stay.
    const messages = await withNats(
      server.url,
      async (client) => {
        const answer = await client.request(`$JS.API.STREAM.INFO.${prefix}-snapshots`)
        return answer.json<{ state: { messages: number } }>().state.messages
      },
      { user: 'admin', pass: passwordOf('admin') },
    )
    expect(messages).toBe(2)
    expect(await isForbidden(async () => inspector.snapshots?.save(kept, pieces('forged')))).toBe(true)
    for (const role of ['worker', 'sender'] as const) {
      const { snapshots } = await openAs(role)
      if (snapshots === undefined) throw new Error('There are no snapshots.')
      expect(await isForbidden(() => all(snapshots.load(kept)))).toBe(true)
      expect(await isForbidden(() => snapshots.save(kept, pieces('forged')))).toBe(true)
    }
  })

  it('lets coordinators keep summaries, inspectors list them, and nobody else', async () => {
    const [coordinator, inspector] = [await openAs('coordinator'), await openAs('inspector')]
    const summarized = 'summarized' as typeof run
    const [first, last] = closedHistory(2) as [ReturnType<typeof history>[number], ReturnType<typeof history>[number]]
    const summaryOf = async () => (await all(summariesOf(inspector).list(summarized))).flat()
    await coordinator.log.append(summarized, first)
    await summariesOf(coordinator).put(summarized, first, 'first')
    expect(await summaryOf()).toEqual([{ runId: summarized, summary: 'first' }])
    for (const role of ['worker', 'sender', 'inspector'] as const) {
      const adapter = await openAs(role)
      expect(await isForbidden(() => summariesOf(adapter).put(summarized, first, 'forged'))).toBe(true)
      if (role !== 'inspector') expect(await isForbidden(() => all(summariesOf(adapter).list()))).toBe(true)
    }
    await coordinator.log.append(summarized, last)
    expect(await summaryOf()).toEqual([{ runId: summarized, summary: null }])
    await summariesOf(coordinator).put(summarized, last, 'last')
    expect(await summaryOf()).toEqual([{ runId: summarized, summary: 'last' }])
    await coordinator.log.remove(summarized)
    // What was purged, which needs a right of its own, is not there any more.
    const messages = await withNats(
      server.url,
      async (client) => {
        const answer = await client.request(`$JS.API.STREAM.INFO.${prefix}-summaries`)
        return answer.json<{ state: { messages: number } }>().state.messages
      },
      { user: 'admin', pass: passwordOf('admin') },
    )
    expect([await summaryOf(), messages]).toEqual([[], 0])
  })

  it('lets coordinators and inspectors see whether there are logs, and tells others that they may not look', async () => {
    const seen = await Promise.all(roles.map(async (role) => [role, await (await openAs(role)).hasLogs()]))
    expect(Object.fromEntries(seen)).toEqual({ coordinator: true, inspector: true, worker: null, sender: null })
  })

  it('is what the README lists', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
    for (const role of roles) expect(readme).toContain(`\n${role}: ${permissionsText(role, 'build', 'default')}\n`)
    expect(readme.match(/^ {2}publish: \[/gm)?.length).toBe(roles.length)
  })

  it('lets who only sends commands do that', async () => {
    const sender = await openAs('sender')
    await sender.inbox.send('commanded' as typeof run, messages('command-line', 1))
    expect(await isForbidden(() => sender.log.head(run))).toBe(true)
    // Which looks into the log first, and follows it for the answer.
    const command = { type: 'note', text: 'from outside' } as const
    expect(await isForbidden(() => sendCommand({ adapter: sender, runId: 'commanded', command }))).toBe(true)
  })

  it('lets nobody remove the artifacts or leases of others by a rollup', async () => {
    const [coordinator, worker, inspector] = [
      await openAs('coordinator'),
      await openAs('worker'),
      await openAs('inspector'),
    ]
    const stored = await worker.artifacts?.put(source('of somebody'), 100)
    if (stored === undefined) throw new Error('There is no artifact store.')
    const lease = await coordinator.leases.acquire('worker/1', holder, 60_000)
    expect(lease.held).toBe(true)
    const subjects = [
      ['worker', `${prefix}.artifacts.chunk.x`],
      ['inspector', `$KV.${prefix}-leases.=clock`],
    ] as const
    for (const [role, subject] of subjects) {
      for (const scope of ['all', 'sub']) {
        const rollup = headers()
        rollup.set('Nats-Rollup', scope)
        const answer = await withNats(
          server.url,
          async (client) => (await client.request(subject, '', { headers: rollup, timeout: 5000 })).string(),
          connectionOf(role),
        )
        expect(answer).toContain('rollup not permitted')
      }
    }
    expect(await coordinator.artifacts?.check(stored, 100)).toEqual({ ok: true, artifact: stored })
    expect((await all(inspector.leases.holders('worker/'))).map(({ name }) => name)).toEqual(['worker/1'])
  })

  it('lets a worker take and settle tasks of a coordinator', async () => {
    const [coordinator, worker] = [await openAs('coordinator'), await openAs('worker')]
    const offer = { runId: run, taskId: 'a', attempt: 1, lane: 'default', digest: '0'.repeat(64), body: '{}' }
    await coordinator.queue.offer([offer as Parameters<typeof coordinator.queue.offer>[0][number]])
    const done: string[] = []
    const consumer = await worker.queue.consume('default', async ({ offer: { taskId } }) => void done.push(taskId), {
      workerId: 'worker-1',
      concurrency: 2,
      claimTtlMs: 60_000,
    })
    onTestFinished(() => consumer.close())
    await coordinator.queue.offer([{ ...offer, taskId: 'b' } as Parameters<typeof coordinator.queue.offer>[0][number]])
    await eventually('both are done', () => done.length >= 2)
    expect(done.sort()).toEqual(['a', 'b'])
  })

  it('lets a worker neither read nor write the log, nor read or empty an inbox, nor take a lease', async () => {
    const worker = await openAs('worker')
    const abort = new AbortController()
    const calls: Record<string, () => Promise<unknown>> = {
      append: () => appendAll(worker.log, history(1)),
      head: () => worker.log.head(run),
      read: () => readAll(worker.log),
      receive: () => worker.inbox.receive(run, async () => {}, abort.signal),
      peek: () => worker.inbox.peek(run, 1),
      acquire: () => worker.leases.acquire('run/run-1', holder, 60_000),
    }
    for (const [name, call] of Object.entries(calls)) expect([name, await isForbidden(call)]).toEqual([name, true])
    await expectRefused('worker', [
      `$JS.API.STREAM.PURGE.${prefix}-inbox`,
      `$JS.API.STREAM.DELETE.${prefix}-log`,
      `$JS.API.STREAM.UPDATE.${prefix}-log`,
      `$JS.API.CONSUMER.CREATE.${prefix}-log.x.${prefix}.log.*`,
      `$JS.API.STREAM.MSG.GET.${prefix}-log`,
      `${prefix}.log.${run}`,
      '_INBOX_coordinator.x',
    ])
  })

  it('lets an inspector write nothing', async () => {
    const [inspector, coordinator] = [await openAs('inspector'), await openAs('coordinator')]
    await appendAll(coordinator.log, history(2))
    const next = recordAfter(history(2)[1] ?? null, 'forged')
    expect(await isForbidden(() => inspector.log.append(run, next))).toBe(true)
    expect(await isForbidden(() => inspector.inbox.send(run, messages('inspector', 1)))).toBe(true)
    expect(await isForbidden(() => inspector.leases.acquire('run/run-1', holder, 60_000))).toBe(true)
    const { signal } = new AbortController()
    expect(await isForbidden(() => inspector.inbox.receive(run, async () => {}, signal))).toBe(true)
    expect(await isForbidden(() => inspector.queue.locate(run, 'a' as TaskId, 1))).toBe(true)
    await expectRefused('inspector', [
      `$JS.API.STREAM.PURGE.${prefix}-inbox`,
      `$JS.API.CONSUMER.CREATE.${prefix}-inbox.x.${prefix}.inbox.*`,
      `$JS.API.STREAM.DELETE.${prefix}-log`,
      `${prefix}.artifacts.sha256.${'0'.repeat(64)}`,
    ])
    expect(await readAll(coordinator.log)).toEqual(textsOf(history(2)))
  })

  it('lets an inspector follow a task but where it is on the queue, which a coordinator may ask', async () => {
    const [coordinator, inspector] = [await openAs('coordinator'), await openAs('inspector')]
    const held = await openRun({ adapter: coordinator, runId: 'followed', goal: 'be seen' })
    await held.dispatch({ taskId: 'a', kind: 'nobody', input: null, lane: 'unserved' })
    const ids = { runId: 'followed', taskId: 'a' }
    await eventually('it was offered', async () => {
      return (await taskChain({ adapter: coordinator, ...ids })).firstMissing?.link === 'claimed'
    })
    const { firstMissing } = await taskChain({ adapter: inspector, ...ids })
    expect(firstMissing).toMatchObject({ link: 'offered', state: 'unknown' })
    await held.close()
  })

  it('lets an inspector put nothing into a stream by having it sent there as an answer', async () => {
    const [coordinator, inspector] = [await openAs('coordinator'), await openAs('inspector')]
    const id = 'answers' as typeof run
    await appendAll(coordinator.log, history(2), id)
    await coordinator.inbox.send(id, messages('worker-1', 2))
    await withNats(
      server.url,
      async (client) => {
        for (const kind of ['log', 'inbox']) {
          const body = JSON.stringify({ seq: 1, next_by_subj: `${prefix}.${kind}.${id}` })
          client.publish(`$JS.API.DIRECT.GET.${prefix}-${kind}`, body, { reply: `${prefix}.${kind}.${id}` })
          // Answered behind the one above.
          await client.request(`$JS.API.DIRECT.GET.${prefix}-${kind}`, body, { timeout: 5000 })
        }
      },
      connectionOf('inspector'),
    )
    expect(await readAll(inspector.log, id)).toEqual(textsOf(history(2)))
    expect(await inspector.inbox.peek(id, 10)).toEqual(messages('worker-1', 2))
    await coordinator.inbox.send(id, messages('worker-1', 1, 3))
    expect(await inspector.inbox.peek(id, 10)).toEqual(messages('worker-1', 3))
    await appendAll(coordinator.log, history(3), id)
  })

  it('lets a coordinator change no stream', async () => {
    await expectRefused('coordinator', [
      `$JS.API.STREAM.DELETE.${prefix}-log`,
      `$JS.API.STREAM.UPDATE.${prefix}-log`,
      `$JS.API.STREAM.PURGE.${prefix}-log`,
      `$JS.API.STREAM.MSG.DELETE.${prefix}-log`,
      `$JS.API.STREAM.CREATE.other`,
    ])
  })

  it('says what is missing, and shows no secret', async () => {
    const worker = await openAs('worker')
    const failure = await failureOf(() => worker.log.head(run))
    expect(failure.message).toContain(`$JS.API.DIRECT.GET.${prefix}-log`)
    const wrong = { servers: server.url, prefix, connection: { user: 'worker', pass: 'a-wrong-secret' } }
    const refused = await failureOf(() => openNats(wrong))
    expect(refused.code).toBe('INVALID_INPUT')
    expect(`${refused.message} ${JSON.stringify(refused)}`).not.toContain('secret')
    const inAddress = server.url.replace('nats://', 'nats://worker:another-secret@')
    const refusedToo = await failureOf(() => openNats({ servers: inAddress, prefix }))
    expect(`${refusedToo.message} ${JSON.stringify(refusedToo)}`).not.toContain('secret')
  })
})

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const result: T[] = []
  for await (const item of items) result.push(item)
  return result
}

/** None of these subjects lets anything pass that the role publishes. */
async function expectRefused(role: Role, subjects: readonly string[]): Promise<void> {
  await withNats(
    server.url,
    async (client) => {
      for (const subject of subjects) {
        const answer = await client.request(subject, '{}', { timeout: 5000 }).catch((error: unknown) => error)
        const reason = answer instanceof Error ? `${answer.message} ${String(answer.cause)}` : 'it was answered'
        expect([subject, reason.includes('Permissions Violation')]).toEqual([subject, true])
      }
    },
    connectionOf(role),
  )
}
