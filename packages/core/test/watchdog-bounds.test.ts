import { describe, expect, it } from 'vitest'
import { sendCommand } from '../src/coordinator/send-command.js'
import type { PortCall } from '../src/memory/memory-faults.js'
import type { Adapter } from '../src/ports/adapter.js'
import { isRepriseError } from '../src/protocol/errors.js'
import type { RunId, TaskId } from '../src/protocol/ids.js'
import { isoTime } from '../src/protocol/time.js'
import { factKey, type Incident, incidentTask } from '../src/watchdog/incident.js'
import { startWatchdog } from '../src/watchdog/start-watchdog.js'
import { follow, request } from './run-stage.js'
import { intervalMs, keys, kinds, stalledAfterMs, WatchStage } from './watch-stage.js'

const oldest = { kind: 'receipt', sender: 'somebody' } as const
const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs

/** Every call that is made through an adapter, with the run that its arguments name. */
function recording(adapter: Adapter, calls: { call: string; subject: string }[]): Adapter {
  const spied = (port: string, target: object): object =>
    new Proxy(target, {
      get: (object, method) => {
        const value: unknown = Reflect.get(object, method)
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          const [first] = args
          const subject = Array.isArray(first) ? String((first[0] as { runId?: string })?.runId) : nameIn(first)
          calls.push({ call: `${port}.${String(method)}`, subject })
          return Reflect.apply(value, object, args)
        }
      },
    })
  const { log, leases, queue, inbox } = adapter
  return {
    ...adapter,
    ...Object.fromEntries(Object.entries({ log, leases, queue, inbox }).map(([n, p]) => [n, spied(n, p)])),
  }
}

const nameIn = (first: unknown): string =>
  typeof first === 'object' && first !== null ? String((first as { name?: string }).name) : String(first)

describe('what a watchdog does to the runs that it watches', () => {
  it('is nothing: it looks at logs, leases, queue and inbox, and writes to its own run only', async () => {
    const stage = new WatchStage()
    const dead = await stage.open()
    await stage.clock.run(dead.run.dispatch(request('t1', { timeoutMs: 5 * minuteMs })))
    await stage.clock.run(dead.run.setCheckpoint(new Date(stage.clock.now() + minuteMs), 'now'))
    dead.adapter.kill()
    const open = await stage.open({ runId: 'left' })
    await stage.clock.run(open.run.dispatch([request('t1', { timeoutMs: 5 * minuteMs })]))
    await stage.close(open)
    await stage.answer('t1')
    const before = JSON.stringify([stage.backend.recordsOf('run-1' as RunId), stage.backend.recordsOf('left' as RunId)])

    const calls: { call: string; subject: string }[] = []
    const process = stage.process()
    const told: string[] = []
    await stage.clock.run(
      startWatchdog({
        ...{ adapter: recording(process.adapter, calls), runtime: process.runtime, intervalMs, stalledAfterMs },
        onIncident: ({ kind }) => void told.push(kind),
      }),
    )
    await stage.clock.advance(20 * minuteMs)
    expect(new Set(told)).toEqual(
      new Set(['coordinator-dead', 'checkpoint-overdue', 'receipts-waiting', 'attempt-stalled', 'attempt-overdue']),
    )
    const own = new Set(['watchdog', 'run/watchdog'])
    const others = calls.filter(({ subject }) => !own.has(subject)).map(({ call }) => call)
    expect([...new Set(others)].sort()).toEqual([
      'inbox.peek',
      'leases.holders',
      'log.head',
      'log.list',
      'log.read',
      'queue.locate',
    ])
    const after = JSON.stringify([stage.backend.recordsOf('run-1' as RunId), stage.backend.recordsOf('left' as RunId)])
    expect(after).toBe(before)
    expect(stage.backend.messagesOf('run-1' as RunId)).toHaveLength(1)
  })

  it('leaves a run of somebody else alone that has its id', async () => {
    const stage = new WatchStage()
    const held = await stage.open({ runId: 'watchdog' })
    held.adapter.kill()
    const before = stage.eventsOf('watchdog').length
    await expect(stage.watch()).rejects.toMatchObject({ code: 'RUN_MISMATCH' })
    expect(stage.eventsOf('watchdog')).toHaveLength(before)
    const other = await stage.watch({ watchdogId: 'guard' })
    await stage.clock.advance(5 * minuteMs)
    expect(keys(other.told)).toEqual([`coordinator-dead/watchdog/${held.run.status.epoch}`])
  })

  it('concerns the runs that it was given, and no others', async () => {
    const stage = new WatchStage()
    for (const runId of ['a-1', 'a-2', 'b-1']) (await stage.open({ runId })).adapter.kill()
    const some = await stage.watch({ runs: { prefix: 'a-' } })
    const one = await stage.watch({ runs: ['b-1', 'not-there'], watchdogId: 'guard' })
    await stage.clock.advance(5 * minuteMs)
    expect(some.told.map(({ runId }) => runId).sort()).toEqual(['a-1', 'a-2'])
    expect(one.told.map(({ runId }) => runId)).toEqual(['b-1'])
    // Opened, and dead, between two looks.
    ;(await stage.open({ runId: 'not-there' })).adapter.kill()
    await stage.clock.advance(5 * minuteMs)
    expect(one.told.map(({ runId }) => runId)).toEqual(['b-1', 'not-there'])
    expect([some.errors, one.errors]).toEqual([[], []])
  })

  it.each([
    [{ intervalMs: 0 }, 'intervalMs'],
    [{ runs: ['../etc'] }, 'runs'],
    [{ command: ['true'], onIncident: () => {} }, ''],
    [{ onIncident: undefined }, ''],
  ])('begins only with options as documented: %j', async (options, where) => {
    const stage = new WatchStage()
    const starting = startWatchdog({ ...stage.process(), onIncident: () => {}, ...options } as never)
    await expect(starting).rejects.toMatchObject({ code: 'INVALID_INPUT', message: expect.stringContaining(where) })
  })
})

describe('a clock that jumps', () => {
  it.each([
    ['an hour ahead', 60 * minuteMs],
    ['an hour back', -60 * minuteMs],
    ['a week ahead', 7 * dayMs],
  ])('%s makes no incident of a coordinator and a worker that live', async (_name, jumpMs) => {
    const stage = new WatchStage()
    const held = await stage.open()
    await stage.clock.run(held.run.dispatch(request('t1', { timeoutMs: 30 * dayMs })))
    await stage.worker(async (_task, process) => process.sleep(20 * dayMs))
    // Looks so often that several fall between the jump and the next heartbeat.
    const { told, errors } = await stage.watch({ intervalMs: 1_000 })
    await stage.clock.advance(2 * minuteMs + 500)
    stage.clock.step(jumpMs)
    await stage.clock.advance(3 * minuteMs)
    expect([told, errors]).toEqual([[], []])
    held.adapter.kill({ noticed: false })
    await stage.clock.advance(minuteMs)
    expect(kinds(told)).toEqual(['coordinator-dead'])
  })

  it('is not taken for time in which a worker was silent, as a machine that slept is not', async () => {
    const stage = new WatchStage()
    const held = await stage.open()
    await stage.clock.run(held.run.dispatch(request('t1', { timeoutMs: 30 * dayMs })))
    const { told } = await stage.watch()
    await stage.clock.advance(stalledAfterMs / 3)
    stage.clock.step(dayMs)
    // Long enough for two looks.
    await stage.clock.advance(2.5 * intervalMs)
    expect(told).toEqual([])
    await stage.clock.advance(2 * stalledAfterMs)
    expect(told).toMatchObject([{ kind: 'attempt-stalled', why: 'unclaimed' }])
  })
})

it('a look that takes long does not stretch the time after which something is told', async () => {
  const stage = new WatchStage()
  const held = await stage.open()
  await stage.clock.run(held.run.dispatch(request('t1', { timeoutMs: dayMs })))
  stage.intercept(({ method, phase }) =>
    method === 'holders' && phase === 'before' ? stage.outside.runtime.sleep(4_000).then(() => 'go') : 'go',
  )
  const { told } = await stage.watch({ intervalMs: 1_000 })
  await stage.clock.advance(stalledAfterMs + 30_000)
  expect(kinds(told)).toEqual(['attempt-stalled'])
})

describe('a port that fails', () => {
  const twoDead = async (stage: WatchStage) => {
    const dead = await stage.open()
    dead.adapter.kill()
    ;(await stage.open({ runId: 'run-2' })).adapter.kill()
  }
  const failing = (stage: WatchStage, method: string, runId: string | null, fate: 'fail' | Promise<'go'>) => {
    stage.intercept((call: PortCall) =>
      `${call.port}.${call.method}` === method && (runId === null || call.runId === runId) ? (fate as 'fail') : 'go',
    )
  }

  it.each([
    ['fails', 'fail' as const],
    ['does not answer', new Promise<'go'>(() => {})],
  ])('for one run: its log %s, and the others are watched; it is told once', async (_name, fate) => {
    const stage = new WatchStage()
    await twoDead(stage)
    failing(stage, 'log.head', 'run-1', fate)
    const { told, errors } = await stage.watch()
    await stage.clock.advance(10 * minuteMs)
    expect(told.map(({ runId }) => runId)).toEqual(['run-2'])
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatchObject({ code: 'ADAPTER_UNAVAILABLE', details: { runId: 'run-1' } })
  })

  it('for all runs: an inbox that never answers costs no incident of another kind', async () => {
    const stage = new WatchStage()
    await twoDead(stage)
    failing(stage, 'inbox.peek', null, new Promise<'go'>(() => {}))
    const { told } = await stage.watch()
    await stage.clock.advance(10 * minuteMs)
    expect(told.map(({ runId }) => runId).sort()).toEqual(['run-1', 'run-2'])
  })

  it('leases that cannot be listed: nobody is called dead for that, and everything is told once they can be', async () => {
    const stage = new WatchStage()
    await twoDead(stage)
    let isBroken = true
    stage.intercept((call) => (isBroken && call.method === 'holders' ? 'fail' : 'go'))
    const watching = await stage.watch()
    await stage.clock.advance(10 * minuteMs)
    expect(watching.told).toEqual([])
    isBroken = false
    await stage.clock.advance(2 * minuteMs)
    expect(kinds(watching.told)).toEqual(['coordinator-dead', 'coordinator-dead'])
    expect(watching.errors.every((error) => isRepriseError(error, 'ADAPTER_UNAVAILABLE'))).toBe(true)
  })

  it('a damaged log is told once, is not read again before it grows, and the others are watched', async () => {
    const stage = new WatchStage()
    await twoDead(stage)
    const records = stage.backend.recordsOf('run-1' as RunId)
    const damaged = records.map((record) => ({ ...record, text: record.text.replace('count every', 'count some') }))
    stage.backend.runs.records.set('run-1' as RunId, damaged)
    const reads: (RunId | null)[] = []
    stage.intercept(({ method, phase, runId, pid }) => {
      if (method === 'read' && phase === 'before' && pid !== stage.outside.runtime.pid) reads.push(runId)
      return 'go'
    })
    const { told, errors } = await stage.watch()
    await stage.clock.advance(10 * minuteMs)
    expect(told.map(({ runId }) => runId)).toEqual(['run-2'])
    // Its end, and then the whole of it.
    expect(reads.filter((runId) => runId === 'run-1')).toHaveLength(2)
    expect(errors).toMatchObject([{ code: 'LOG_CORRUPT', details: { runId: 'run-1' } }])
  })

  it.each([
    ['shorter', -1],
    ['as long', 0],
    ['longer', 1],
  ])('a log that was replaced by another one that is %s is read anew', async (_how, more) => {
    const stage = new WatchStage()
    const first = await stage.open()
    for (const text of ['one', 'two']) await stage.clock.run(first.run.note(text))
    const { told, errors } = await stage.watch()
    await stage.clock.advance(minuteMs)
    const elsewhere = new WatchStage()
    const second = await elsewhere.open({ goal: 'another' })
    for (let n = 0; n < 2 + more; n++) await elsewhere.clock.run(second.run.note(`note ${n}`))
    const records = elsewhere.backend.recordsOf(second.run.id)
    expect(records.length - stage.commits.length).toBe(more)
    first.adapter.kill()
    stage.backend.runs.records.set(first.run.id, [...records])
    await stage.clock.advance(5 * minuteMs)
    expect(told).toMatchObject([{ kind: 'coordinator-dead', version: elsewhere.commits.at(-1)?.version }])
    // A longer one looks damaged at first.
    expect(errors).toHaveLength(more > 0 ? 1 : 0)
  })

  it('a log whose names no task can hold is told, and does not silence the others', async () => {
    const stage = new WatchStage()
    await twoDead(stage)
    const note = `soon\u0000${'x'.repeat(9_000)}`
    const dueAt = isoTime(stage.clock.now() - 1)
    const { actor, epoch } = stage.commits.at(-1) ?? { actor: '', epoch: 0 }
    stage.append([{ type: 'checkpoint-set', v: 1, data: { dueAt, note } }], actor, epoch)
    const { told, errors } = await stage.watch()
    await stage.clock.advance(minuteMs)
    expect(kinds(told)).toEqual(['coordinator-dead', 'coordinator-dead'])
    expect(errors[0]).toMatchObject({ code: 'INVALID_INPUT' })
  })

  it('a look under way is given up when the watchdog is closed', async () => {
    const stage = new WatchStage()
    await twoDead(stage)
    failing(stage, 'log.head', 'run-1', new Promise<'go'>(() => {}))
    const { watchdog } = await stage.watch({ callTimeoutMs: 60 * minuteMs })
    await stage.clock.advance(minuteMs)
    const closing = follow(watchdog.close())
    await stage.clock.advance(1_000)
    expect(closing.settled).toBe(true)
  })
})

describe('the end of a watchdog', () => {
  const ending = async () => {
    const stage = new WatchStage()
    const watching = await stage.watch()
    const reasons: string[] = []
    watching.watchdog.on('stopped', ({ code }) => reasons.push(code))
    await stage.clock.advance(minuteMs)
    return { stage, ...watching, reasons }
  }

  it('comes when somebody ends its run, and is told', async () => {
    const { stage, watchdog, reasons } = await ending()
    const { adapter, runtime } = stage.outside
    const command = { type: 'complete', summary: 'no more of it' } as const
    await stage.clock.run(sendCommand({ adapter, runtime, runId: 'watchdog', command }))
    await stage.clock.advance(minuteMs)
    expect([watchdog.active, reasons]).toEqual([false, ['RUN_CLOSED']])
    await expect(stage.watch()).rejects.toMatchObject({ code: 'RUN_CLOSED' })
  })

  it('comes when its adapter is closed under it, and is told', async () => {
    const { stage, adapter, watchdog, reasons } = await ending()
    await stage.clock.run(adapter.close())
    await stage.clock.advance(minuteMs)
    expect([watchdog.active, reasons]).toEqual([false, ['CLOSED']])
  })

  it('comes when its signal aborts, and lets its run go', async () => {
    const stage = new WatchStage()
    const over = new AbortController()
    const { watchdog } = await stage.watch({ signal: over.signal })
    await stage.clock.advance(minuteMs)
    over.abort()
    await stage.clock.advance(minuteMs)
    expect(watchdog.active).toBe(false)
    expect(stage.dataOf('watchdog', 'lock-released')).toHaveLength(1)
    await expect(stage.watch({ signal: over.signal })).rejects.toMatchObject({ code: 'ABORTED' })
  })
})

describe('a thousand runs', () => {
  it('that have ended are known by their last commit, and not looked at again', async () => {
    const stage = new WatchStage()
    const held = await stage.open()
    for (let n = 0; n < 20; n++) await stage.clock.run(held.run.note(`note ${n}`))
    await stage.clock.run(held.run.complete('done'))
    const { adapter, runtime } = stage.process()
    const reads: number[] = []
    const log = {
      ...adapter.log,
      read: (runId: RunId, from = 0) => {
        if (runId === held.run.id) reads.push(from)
        return adapter.log.read(runId, from)
      },
    }
    const { errors } = await stage.watch({}, { adapter: { ...adapter, log }, runtime })
    await stage.clock.advance(10 * minuteMs)
    expect([reads, errors]).toEqual([[stage.commits.length - 1], []])
  })

  it('are watched a bounded number at a time, every dead one is told once, and idle ones cost one look at their head', async () => {
    const stage = new WatchStage()
    const dead: string[] = []
    for (let n = 0; n < 1_000; n++) {
      const isDead = n % 50 === 0
      stage.plant(`run-${n}`, !isDead)
      if (isDead) dead.push(`run-${n}`)
    }
    const { told, errors, watchdog } = await stage.watch({ runsPerLookMax: 250 })
    await stage.clock.advance(20 * intervalMs)
    expect(told.map(({ runId }) => runId as string).sort()).toEqual(dead.sort())
    expect(errors).toEqual([])
    stage.calls.length = 0
    await stage.clock.advance(4 * intervalMs)
    const count = (call: string) => stage.calls.filter((one) => one === call).length
    expect([count('log.head'), count('log.read')]).toEqual([1_000, 0])
    expect(watchdog.active).toBe(true)
  })

  it('of which more are dead than may wait to be told at a time are told later, also if more than that wait already', async () => {
    const stage = new WatchStage()
    const first = await stage.watch()
    await stage.clock.run(first.watchdog.close())
    const { goal } = stage.dataOf('watchdog', 'run-opened')[0] ?? {}
    const own = await stage.open({ runId: 'watchdog', goal: goal ?? '', tasks: [incidentTask] })
    const waiting = Array.from({ length: 1_100 }, (_, n): Incident => {
      const fact = { kind: 'receipts-waiting', runId: `gone-${n}` as RunId, version: 1 } as const
      const key = factKey({ ...fact, oldest }) as TaskId
      return { ...fact, oldest, key, foundAt: isoTime(stage.clock.now()), message: 'it waits' }
    })
    const tasks = waiting.map((incident) => incidentTask.task(incident.key, incident, { lane: 'watchdog' }))
    await stage.clock.run(own.run.dispatch(tasks))
    await stage.close(own)
    for (let n = 0; n < 200; n++) stage.plant(`run-${n}`, false)
    const unheard = () => new Promise<never>(() => {})
    const { watchdog } = await stage.watch({ onIncident: unheard, notifyTimeoutMs: dayMs })
    let raised = 0
    watchdog.on('raised', () => raised++)
    await stage.clock.advance(10 * minuteMs)
    expect([raised, stage.dataOf('watchdog', 'dispatched').length]).toEqual([0, 8])
  })

  it('with ten thousand attempts of one run ask the queue for a bounded number of them per look', async () => {
    const stage = new WatchStage()
    const held = await stage.open({ policy: { inFlightMax: 10_000 } })
    const many = Array.from({ length: 10_000 }, (_, n) => request(`t${n}`, { timeoutMs: dayMs }))
    await stage.clock.run(held.run.dispatch(many))
    await stage.watch({ attemptsPerLookMax: 20 })
    await stage.clock.advance(stalledAfterMs / 2 - 1_000)
    stage.calls.length = 0
    await stage.clock.advance(5 * intervalMs)
    const asked = stage.calls.filter((call) => call === 'queue.locate').length
    expect(asked).toBeGreaterThan(0)
    expect(asked).toBeLessThanOrEqual(5 * 20)
  })
})
