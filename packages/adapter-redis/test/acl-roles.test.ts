import { readFileSync } from 'node:fs'
import { openRun, taskChain } from '@reprise/core'
import type { CommitRecord, LogHead, Offer, TaskId } from '@reprise/core/adapter'
import { Redis } from 'ioredis'
import { beforeEach, describe, expect, it } from 'vitest'
import { redisKeys } from '../src/keys.js'
import { aclArguments, type Role, roles } from './acl-roles.js'
import { redisFixture } from './redis-fixture.js'
import {
  appendAll,
  codeOf,
  collect,
  completedEvent,
  eventually,
  history,
  readAll,
  recordAfter,
  runId,
} from './redis-history.js'

const run = runId('run-1')
const fixture = redisFixture({ private: true })
const urlOf = (role: Role) => `redis://${role}:password-${role}@127.0.0.1:${fixture.server.port}`
const openAs = (role: Role) => fixture.open({ url: urlOf(role) })
const holder = { id: 'a', host: 'here', pid: 1 }
const offer = (id: string): Offer => ({
  ...{ runId: run, taskId: id as TaskId, attempt: 1, lane: 'default', digest: '0'.repeat(64), body: '{}' },
})
const message = (seq: number) => ({ sender: 'worker-1', seq, kind: 'receipt', body: '{}' }) as const

async function* inPieces(...pieces: string[]) {
  yield* pieces
}

async function* bytes(text: string) {
  yield Buffer.from(text)
}

/** Commands that the server has refused since the test began. */
async function refused(): Promise<string[]> {
  const log = (await fixture.raw.call('ACL', 'LOG')) as [string, unknown][][] | string[][]
  return log.map((entry) => (entry as unknown[]).map(String).slice(0, 12).join(' '))
}

beforeEach(async () => {
  for (const [role, rules] of Object.entries(roles(fixture.prefix))) {
    await fixture.raw.call('ACL', 'SETUSER', role, 'reset', 'on', `>password-${role}`, ...aclArguments(rules))
  }
  await fixture.raw.call('ACL', 'LOG', 'RESET')
})

/** A run with two commits, a message, an artifact, an offer and a holder. */
async function furnish() {
  const adapter = await fixture.open()
  await appendAll(adapter.log, run, history(2))
  await adapter.inbox.send(run, [message(1)])
  await adapter.queue.offer([offer('waiting')])
  await adapter.leases.acquire('run/run-1', holder, 60_000)
  await adapter.snapshots.save(run, inPieces('the first'))
  await adapter.summaries.put(run, history(2)[1] as CommitRecord, 'of two')
  const artifact = await adapter.artifacts.put(bytes('content'), 100)
  return { adapter, artifact }
}

describe('a user with least privilege', () => {
  it('coordinates', async () => {
    const { artifact } = await furnish()
    const { log, inbox, leases, queue, artifacts, snapshots, summaries, diagnose } = await openAs('coordinator')
    expect(await inbox.peek(run, 10)).toEqual([message(1)])
    const records = history(4)
    await appendAll(log, run, records)
    expect((await readAll(log, run)).length).toBe(4)
    const stop = new AbortController()
    let seen = 0
    const watching = (async () => {
      for await (const texts of log.watch(run, 4, stop.signal)) seen += texts.length
    })()
    let received = 0
    const receiving = inbox.receive(
      run,
      async (batch) => {
        received += batch.length
      },
      stop.signal,
    )
    await queue.offer([offer('a'), offer('b')])
    await queue.withdraw(run, offer('a').taskId, 1)
    expect(await queue.locate(run, offer('b').taskId, 1)).toEqual({ at: 'queued', deliveries: 0 })
    expect(await artifacts.check(artifact, 100)).toEqual({ ok: true, artifact })
    expect(Buffer.concat(await collect(artifacts.read(artifact))).toString()).toBe('content')
    const lease = await leases.acquire('run/run-1', { ...holder, id: 'b' }, 60_000, { force: true })
    if (!lease.held) throw new Error('The lease was not taken.')
    expect(await leases.renew(lease, { note: 1 })).toBe(true)
    expect((await collect(leases.holders('run/'))).length).toBe(1)
    await leases.release(lease)
    await log.append(run, recordAfter(records[3], completedEvent))
    await eventually('the end is seen and the message is there', () => seen === 1 && received === 1)
    stop.abort()
    await Promise.all([watching, receiving])
    // Now that nothing else is under way, which it would measure.
    const { durable, findings } = await diagnose()
    expect(durable).toBe('process')
    expect(findings.flatMap(({ name, level }) => (level === 'ok' ? [] : [name]))).toEqual(['persistence'])
    // That they have figures says that they were allowed.
    for (const [name, figure] of Object.entries({ 'round-trip': 'pingMedianMs', 'append-cost': 'appendMedianMs' })) {
      expect(findings.find((finding) => finding.name === name)?.figures).toHaveProperty(figure)
    }
    expect(await collect(log.list())).toEqual([run])
    await snapshots.save(run, inPieces('the newest'))
    expect(await collect(snapshots.load(run))).toEqual(['the newest'])
    const head = (await log.head(run)) as LogHead
    await summaries.put(run, head, 'the summary')
    expect(await collect(summaries.list())).toEqual([[{ runId: run, summary: 'the summary' }]])
    await log.remove(run)
    expect(await codeOf(() => snapshots.save(run, inPieces('late')))).toBe('RUN_UNKNOWN')
    expect(await collect(log.list())).toEqual([])
    expect(await refused()).toEqual([])
  })

  it('works', async () => {
    const { adapter: coordinator } = await furnish()
    const worker = await openAs('worker')
    const taken: string[] = []
    const consumer = await worker.queue.consume(
      'default',
      async ({ offer: { taskId }, signal, progress }) => {
        taken.push(taskId)
        progress({ half: true })
        if (taskId === 'long') await new Promise((resolve) => signal.addEventListener('abort', resolve))
        if (taken.length === 1) throw new Error('once more')
      },
      { workerId: 'worker-1', concurrency: 2, claimTtlMs: 1_000 },
    )
    await coordinator.queue.offer([offer('a'), offer('long')])
    await eventually('all are taken', () => ['waiting', 'a', 'long'].every((id) => taken.includes(id)))
    await coordinator.queue.withdraw(run, offer('long').taskId, 1)
    await eventually('all are done', async () => {
      const found = await Promise.all(
        ['waiting', 'a', 'long'].map((id) => coordinator.queue.locate(run, offer(id).taskId, 1)),
      )
      return found.every(({ at }) => at === 'unknown')
    })
    await worker.inbox.send(run, [message(2)])
    await worker.inbox.send(run, [message(3), message(4)])
    expect(await fixture.raw.xlen(redisKeys(fixture.prefix).inbox(run))).toBe(4)
    const artifact = await worker.artifacts.put(bytes('result'), 100)
    expect(await worker.artifacts.put(bytes('result'), 100)).toEqual(artifact)
    expect((await coordinator.artifacts.check(artifact, 100)).ok).toBe(true)
    const lease = await worker.leases.acquire('worker/worker-1', holder, 60_000)
    if (!lease.held) throw new Error('The lease was not taken.')
    expect(await worker.leases.renew(lease)).toBe(true)
    await worker.leases.release(lease)
    await coordinator.queue.offer([offer('more')])
    await eventually('more is done', () => taken.includes('more'))
    await consumer.close({ drainMs: 5_000 })
    expect(await refused()).toEqual([])
  })

  it('inspects', async () => {
    const { adapter, artifact } = await furnish()
    const { log, inbox, leases, queue, artifacts, snapshots, summaries, diagnose } = await openAs('inspector')
    expect(await collect(summaries.list())).toEqual([[{ runId: run, summary: 'of two' }]])
    expect(await collect(snapshots.load(run))).toEqual(['the first'])
    expect(await inbox.peek(run, 10)).toEqual([message(1)])
    expect((await readAll(log, run)).length).toBe(2)
    expect(await collect(log.list())).toEqual([run])
    const stop = new AbortController()
    const watching = (async () => {
      for await (const _ of log.watch(run, 2, stop.signal)) stop.abort()
    })()
    await adapter.log.append(run, history(3)[2] as CommitRecord)
    await watching
    expect((await collect(leases.holders(''))).length).toBe(1)
    expect(await queue.locate(run, offer('waiting').taskId, 1)).toEqual({ at: 'queued', deliveries: 0 })
    expect((await artifacts.check(artifact, 100)).ok).toBe(true)
    expect(await refused()).toEqual([])
    // What it may not, it says.
    const levels = Object.fromEntries((await diagnose()).findings.map(({ name, level }) => [name, level]))
    expect(levels).toMatchObject({ 'append-cost': 'warning', persistence: 'warning', eviction: 'ok' })
  })

  it('is told as an inspector where a task is stuck', async () => {
    const adapter = await openAs('coordinator')
    const held = await openRun({ adapter, runId: 'followed', goal: 'be seen' })
    await held.dispatch({ taskId: 'a', kind: 'nobody', input: null })
    const inspector = await openAs('inspector')
    await eventually('it was offered', async () => {
      const { firstMissing } = await taskChain({ adapter: inspector, runId: 'followed', taskId: 'a' })
      return firstMissing?.link === 'claimed' && firstMissing.state === 'missing'
    })
    await held.close()
    expect(await refused()).toEqual([])
  })

  it('can do nothing else as a worker', async () => {
    const { artifact } = await furnish()
    const { log, inbox, leases, snapshots, summaries } = await openAs('worker')
    const controller = new AbortController()
    expect({
      load: await codeOf(() => collect(snapshots.load(run))),
      save: await codeOf(() => snapshots.save(run, inPieces('forged'))),
      put: await codeOf(() => summaries.put(run, history(2)[1] as CommitRecord, 'forged')),
      summaries: await codeOf(() => collect(summaries.list())),
      append: await codeOf(() => log.append(run, history(3)[2] as CommitRecord)),
      read: await codeOf(() => readAll(log, run)),
      watch: await codeOf(() => collect(log.watch(run, 0, controller.signal))),
      list: await codeOf(() => collect(log.list())),
      remove: await codeOf(() => log.remove(run)),
      receive: await codeOf(() => inbox.receive(run, async () => {}, controller.signal)),
      peek: await codeOf(() => inbox.peek(run, 1)),
      acquire: await codeOf(() => leases.acquire('run/run-1', { ...holder, id: 'thief' }, 1000, { force: true })),
    }).toEqual({
      load: 'INVALID_INPUT',
      save: 'INVALID_INPUT',
      put: 'INVALID_INPUT',
      summaries: 'INVALID_INPUT',
      append: 'INVALID_INPUT',
      read: 'INVALID_INPUT',
      watch: 'INVALID_INPUT',
      list: 'INVALID_INPUT',
      remove: 'INVALID_INPUT',
      receive: 'INVALID_INPUT',
      peek: 'INVALID_INPUT',
      acquire: 'INVALID_INPUT',
    })
    expect(artifact.bytes).toBe(7)
  })

  it('can change nothing as an inspector', async () => {
    const { adapter } = await furnish()
    const closing = recordAfter(history(2)[1], completedEvent)
    await adapter.log.append(run, closing)
    const { log, inbox, leases, queue, artifacts, snapshots, summaries } = await openAs('inspector')
    const codes = [
      await codeOf(() => summaries.put(run, closing, 'forged')),
      await codeOf(() => snapshots.save(run, inPieces('forged'))),
      await codeOf(() => log.append(run, recordAfter(closing, completedEvent))),
      await codeOf(() => log.remove(run)),
      await codeOf(() => inbox.send(run, [message(2)])),
      await codeOf(() => inbox.receive(run, async () => {}, new AbortController().signal)),
      await codeOf(() => leases.acquire('run/run-2', holder, 1000)),
      await codeOf(() => queue.offer([offer('b')])),
      await codeOf(() => queue.withdraw(run, offer('waiting').taskId, 1)),
      await codeOf(() => artifacts.put(bytes('x'), 10)),
    ]
    expect(codes).toEqual(codes.map(() => 'INVALID_INPUT'))
    expect(await fixture.raw.xlen(redisKeys(fixture.prefix).log(run))).toBe(3)
  })

  it.each(['coordinator', 'worker', 'inspector'] as const)('has no power over the server as a %s', async (role) => {
    await furnish()
    const keys = redisKeys(fixture.prefix)
    const other = redisKeys('another')
    const client = new Redis(urlOf(role), { disableClientInfo: true })
    const commands = [
      ...['FLUSHALL', 'FLUSHDB', 'SHUTDOWN', 'KEYS *', 'SCAN 0', 'DBSIZE', 'CONFIG SET save x', 'ACL LIST'],
      ...['SCRIPT FLUSH', 'CLIENT LIST', 'CLIENT KILL ID 1', 'MONITOR', 'REPLICAOF no one', 'SAVE', 'SUBSCRIBE *'],
      ...[
        `DEL ${keys.log(run)}`,
        `XTRIM ${keys.log('other')} MAXLEN 0`,
        `XDEL ${keys.log(run)} 1-0`,
        `XTRIM ${keys.inbox(run)} MAXLEN 0`,
        `GET ${other.artifact('a')}`,
      ],
      ...[`XADD ${other.log(run)} * c x`, `XRANGE ${other.log(run)} - +`, `XADD ${other.inbox(run)} * m x`],
      ...[`RENAME ${keys.log(run)} ${keys.log('b')}`, `SET ${keys.runs} x`, 'GET foreign', 'SET foreign x'],
    ]
    const allowed: string[] = []
    for (const command of commands) {
      const [name = '', ...args] = command.split(' ')
      const answer = await client.call(name, ...args).then(
        () => 'allowed',
        (error: Error) => error.message,
      )
      if (!answer.startsWith('NOPERM')) allowed.push(`${command}: ${answer}`)
    }
    client.disconnect()
    expect(allowed).toEqual([])
  })

  it('is told in the README exactly as it is tested', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
    const [, permissions = ''] = readme.split(/^## (?=Permissions$)/m)
    const [chapter = ''] = permissions.split(/^## /m)
    const told = [...chapter.matchAll(/^For an? (\w+)[^\n]*:\n\n```\n([^`]*)\n```$/gm)]
    expect(
      Object.fromEntries(told.map(([, role, rules = '']) => [role, ['resetchannels', ...rules.split('\n')]])),
    ).toEqual(roles('reprise'))
    expect(chapter.match(/^```$/gm)?.length).toBe(6)
    expect(chapter).toContain('Each role begins with `ACL SETUSER <name> on ><password> resetchannels`')
  })

  it.each([
    ['and leaves it there', []],
    ['and takes it away again', ['MAXLEN', '0']],
  ])('cannot close an inbox for good with the highest id, which a worker takes %s', async (_how, options) => {
    const coordinator = await openAs('coordinator')
    const worker = await openAs('worker')
    const key = redisKeys(fixture.prefix).inbox(run)
    const client = new Redis(urlOf('worker'), { disableClientInfo: true })
    await client.call('XADD', key, ...options, '18446744073709551615-18446744073709551615', 'm', 'x')
    client.disconnect()
    expect(await codeOf(() => worker.inbox.send(run, [message(1)]))).toBe('ADAPTER_UNAVAILABLE')
    const stop = new AbortController()
    const seqs: number[] = []
    const receiving = coordinator.inbox.receive(
      run,
      async (batch) => {
        for (const { seq } of batch) seqs.push(seq)
      },
      stop.signal,
    )
    await eventually('the inbox takes messages', async () => {
      return (await codeOf(() => worker.inbox.send(run, [message(1)]))) === 'ok'
    })
    await worker.inbox.send(run, [message(2)])
    await eventually('they come', () => seqs.includes(2))
    expect(seqs).toEqual([1, 2])
    stop.abort()
    await receiving
  })

  it('is no hindrance to a worker that deletes the messages of others: the README says so', async () => {
    const worker = await openAs('worker')
    const key = redisKeys(fixture.prefix).inbox(run)
    await worker.inbox.send(run, [message(1), message(2)])
    const client = new Redis(urlOf('worker'), { disableClientInfo: true })
    await client.call('XADD', key, 'MAXLEN', '0', '*', 'm', 'x')
    client.disconnect()
    expect(await fixture.raw.xlen(key)).toBe(0)
    expect(readFileSync(new URL('../README.md', import.meta.url), 'utf8')).toContain('`XADD` has `MAXLEN`')
  })

  it('ends a receiver that may not remove what it has read', async () => {
    const rules = roles(fixture.prefix).coordinator.filter((rule) => !rule.includes('+xdel'))
    await fixture.raw.call(
      'ACL',
      'SETUSER',
      'coordinator',
      'reset',
      'on',
      '>password-coordinator',
      ...aclArguments(rules),
    )
    const { inbox } = await openAs('coordinator')
    await inbox.send(run, [message(1)])
    const code = await codeOf(() => inbox.receive(run, async () => {}, AbortSignal.timeout(30_000)))
    expect(code).toBe('INVALID_INPUT')
  })
})
