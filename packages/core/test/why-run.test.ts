import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { sendCommand } from '../src/coordinator/send-command.js'
import { taskIdOf } from '../src/flow/task-history.js'
import { RepriseError } from '../src/protocol/errors.js'
import { type RunWhy, whyRun } from '../src/replay/why-run.js'
import { histories, runOf } from './any-history.js'
import { checkProperty } from './property-run.js'
import { RunStage, request, requests, runId } from './run-stage.js'
import { busyWorker, codesOf, groupOf, groupsOf, quickWorker, shownBy, stageOf, whyOf, whyTaskOf } from './why-stage.js'

const begin = async (policy: object = {}, tasks = [request('t1')], successCriteria: string[] = []) => {
  const stage = new RunStage()
  const holding = await stage.open({ policy, successCriteria })
  if (tasks.length > 0) await stage.clock.run(holding.run.dispatch(tasks))
  return { stage, ...holding }
}

const later = (stage: RunStage, ms = 6_000): Promise<void> => stage.clock.advance(ms)
const first = (why: RunWhy) => why.groups[0]?.chains[0]
const broken = { status: 'failed', output: null, error: { message: 'no\ndisk' } } as const

const always = 'is never without a reason while it is open, and names events about what it says'

describe('why a run waits', () => {
  it('is refused for what is no run id and for a run that there is not, and when the adapter is closed', async () => {
    const { stage } = await begin()
    const { adapter, runtime } = stage.process()
    const codeOf = (id: string) => stage.clock.run(whyRun({ adapter, runId: id, runtime }).catch((error) => error.code))
    expect([await codeOf('no id'), await codeOf('run-9')]).toEqual(['INVALID_ID', 'RUN_UNKNOWN'])
    await adapter.close()
    expect(await codeOf(runId)).toBe('CLOSED')
  })

  it('changes nothing, and says the version of the log that it was derived from', async () => {
    const { stage } = await begin()
    const [before, calls] = [stage.commits.length, stage.calls.length]
    const why = await whyOf(stage)
    expect(why.version).toBe(stage.events.length)
    expect(stage.commits.length).toBe(before)
    expect(new Set(stage.calls.slice(calls))).toEqual(new Set(['queue.locate', 'inbox.peek', 'log.read']))
  })

  it('names who closed it and when, if it is over, and nothing else', async () => {
    const { stage, run } = await begin({}, [])
    await stage.clock.run(run.complete('all is counted'))
    const why = await whyOf(stage)
    expect([why.verdict, groupsOf(why)]).toEqual(['closed', ['closed: nothing']])
    expect(shownBy(stage, first(why)?.[0])).toEqual(['run-completed'])
    expect(first(why)?.[0]).toMatchObject({
      name: 'complete',
      text: expect.stringMatching(/is complete .*all is counted/),
    })
  })

  it('names nobody as holder only when something waits for one', async () => {
    const { stage, ...holding } = await begin()
    await stage.close(holding)
    const why = await whyOf(stage)
    expect(first(why)?.[0]).toMatchObject({ code: 'no-holder', remedy: `reprise resume ${runId} --hold` })
    expect(shownBy(stage, first(why)?.[0])).toEqual(['lock-released'])

    const again = await stage.open()
    await stage.answer('t1')
    await stage.close(again)
    expect(groupsOf(await whyOf(stage))).toEqual(['received: act'])
  })

  it('names the holder that is gone, as soon as that shows', async () => {
    const { stage, adapter } = await begin()
    expect(groupsOf(await whyOf(stage))).not.toContain('holder-gone: act')
    adapter.kill()
    await later(stage, 20_000)
    const [reason] = first(await whyOf(stage)) ?? []
    expect(reason).toMatchObject({ code: 'holder-gone', text: expect.stringMatching(/has no live lease/) })
    expect(shownBy(stage, reason)).toEqual(['lock-acquired'])
  })

  it('names the gate at which the newest resume stopped, until one has passed', async () => {
    const { stage, ...holding } = await begin()
    await stage.close(holding)
    const holder = { id: 'c-2', host: 'h', pid: 2 }
    const { version } = await whyOf(stage)
    const gates = [
      { gate: 'log-integrity', pass: true, evidence: 'fine' },
      { gate: 'upcast', pass: false, evidence: 'x' },
    ]
    stage.append([{ type: 'lock-acquired', v: 1, data: { holder, reason: 'free' } }], 'c-2', version + 1)
    stage.append([{ type: 'resumed', v: 1, data: { gates, corrections: [], redelivered: 0 } }], 'c-2', version + 1)
    stage.append([{ type: 'lock-released', v: 1, data: { reason: 'a resume gate failed' } }], 'c-2', version + 1)
    const [reason] = first(await whyOf(stage)) ?? []
    expect(reason).toMatchObject({ code: 'resume-gate-failed', name: 'upcast', remedy: `reprise resume ${runId}` })
    expect(shownBy(stage, reason)).toEqual(['lock-acquired', 'resumed'])
    await stage.open()
    expect(groupsOf(await whyOf(stage))).not.toContain('resume-gate-failed: act')
  })

  it('waits for who is taking it over, and for who passes its gates', async () => {
    const { stage, adapter } = await begin()
    adapter.kill()
    await later(stage, 20_000)
    const heir = stage.process()
    const holder = { id: 'heir', host: 'h', pid: 2 }
    await stage.clock.run(heir.adapter.leases.acquire(`run/${runId}`, holder, 60_000))
    expect(groupsOf(await whyOf(stage))).toContain('taking-over: wait')
    const { version } = await whyOf(stage)
    stage.append([{ type: 'lock-acquired', v: 1, data: { holder, reason: 'process-gone' } }], 'heir', version + 1)
    expect(groupsOf(await whyOf(stage))).toContain('resuming: wait')
  })

  it.each(['pause', 'block'] as const)('names who asked for a %s, since when, and what it holds back', async (type) => {
    const { stage, run } = await begin({}, [])
    const sent = await stage.clock.run(sendCommand({ ...stage.outside, runId, command: { type, reason: 'the\ndisk' } }))
    await stage.clock.run(sent.answer())
    await stage.clock.run(run.dispatch(request('t1')))
    const why = await whyOf(stage)
    const name = type === 'pause' ? 'paused' : 'blocked'
    const [reason] = first(why) ?? []
    expect(reason).toMatchObject({ code: name, text: expect.stringMatching(/ since 20.*: the\\ndisk$/) })
    expect(reason?.text).toContain(`the run is ${name} by ${sent.cause.sender} since`)
    expect(shownBy(stage, reason)).toEqual([name])
    expect(codesOf(groupOf(why, 'held')?.chains[0])).toEqual(['held', name])
  })

  it('gives a decision on what has just come back to who holds the run, for a while', async () => {
    const { stage } = await begin()
    await stage.answer('t1')
    expect(groupsOf(await whyOf(stage))).toEqual(['received: wait'])
    await later(stage)
    const why = await whyOf(stage)
    expect([why.verdict, ...groupsOf(why)]).toEqual(['act', 'received: act'])
    expect(first(why)?.[0]).toMatchObject({ taskId: 't1', remedy: `reprise accept ${runId} t1` })
    expect(shownBy(stage, first(why)?.[0])).toEqual(['receipt-received'])
  })

  it.each([
    ['failed for good', 'rejected', ['dispatched', 'receipt-received', 'task-rejected'], 'abandon'],
    ['expired', 'expired', ['dispatched', 'attempt-expired'], 'abandon'],
    ['was rejected', 'rejected', ['dispatched', 'receipt-received', 'task-rejected'], 'retry'],
    ['was kept out', 'kept-out', ['spawn-refused'], 'abandon'],
  ])('says why a task stopped that %s, by which events, and what can be done', async (how, name, events, verb) => {
    const keptOut = how === 'was kept out'
    const attemptsMax = how === 'was rejected' || keptOut ? 3 : 1
    const policy = { attemptsMax, inFlightMax: 1, attemptTimeoutMs: 8_000, ...(keptOut && { tokensMax: 5 }) }
    const { stage, run } = await begin(
      policy,
      keptOut ? [request('t0', { priority: 9 }), request('t1')] : [request('t1')],
    )
    if (how === 'failed for good') await stage.answer('t1', broken)
    if (how === 'expired') await later(stage, 60_000)
    if (how === 'was rejected') {
      await stage.answer('t1')
      await stage.clock.run(run.execute({ type: 'reject', taskId: 't1', reason: 'no good' }))
    }
    if (keptOut) {
      await stage.answer('t0', { usage: { durationMs: 1, tokens: 9 } })
      await stage.clock.run(run.execute({ type: 'accept', taskId: 't0' }))
      await stage.clock.settle()
    }
    const why = await whyOf(stage)
    const [reason] = groupOf(why, 'stopped')?.chains[0] ?? []
    expect(reason).toMatchObject({ taskId: 't1', name, needs: 'act' })
    expect(reason?.remedy).toBe(`reprise ${verb} ${runId} t1 --reason TEXT`)
    expect(shownBy(stage, reason)).toEqual(expect.arrayContaining(events))
    expect(codesOf(groupOf(why, 'stopped')?.chains[0])).toEqual(keptOut ? ['stopped', 'budget-used'] : ['stopped'])
    expect(reason?.text).not.toMatch(/\n/)
  })

  it('says that nobody serves a lane, once whoever does has had the time to claim', async () => {
    const { stage } = await begin({}, [request('t1', { lane: 'gpu' })])
    expect(groupsOf(await whyOf(stage))).toEqual(['unclaimed: wait'])
    await later(stage)
    const why = await whyOf(stage)
    expect(groupsOf(why)).toEqual(['unclaimed: act'])
    expect(first(why)?.[0]?.remedy).toBe("reprise worker --lane gpu --kind count --exec 'COMMAND'")
    expect(shownBy(stage, first(why)?.[0])).toEqual(['dispatched'])
  })

  it('waits for a worker that has an attempt, and for its lane, and names it', async () => {
    const { stage } = await begin({}, requests(2))
    await busyWorker(stage, { claimTtlMs: 10_000 })
    await later(stage)
    const why = await whyOf(stage)
    expect([why.verdict, ...groupsOf(why)]).toEqual(['wait', 'working: wait', 'lane-busy: wait'])
    expect(first(why)?.[0]?.text).toMatch(/^worker w-1 has attempt 1 of task t1 since .*, due /)
  })

  it('calls a worker silent that gives no heartbeat any more, and asks for another if none is known', async () => {
    const { stage, run } = await begin({ attemptTimeoutMs: 3_600_000 })
    const { adapter, runtime } = stage.process()
    await busyWorker(stage, { adapter, runtime, claimTtlMs: 300_000 })
    runtime.pause()
    await later(stage, 100_000)
    const why = await whyOf(stage)
    expect(groupsOf(why)).toEqual(['silent: act'])
    expect(first(why)?.[0]?.text).toMatch(/gives no heartbeat since 20/)
    await busyWorker(stage, { workerId: 'w-2', lanes: ['default'] })
    await stage.clock.run(run.dispatch(request('t2')))
    expect(groupsOf(await whyOf(stage))).toEqual(['silent: wait', 'working: wait'])
  })

  it('says that an attempt was never offered when its coordinator was killed before it could', async () => {
    const stage = new RunStage()
    const { run } = await stage.open()
    stage.spoil('queue.offer', 'kill')
    void run.dispatch(request('t1'))
    await later(stage, 20_000)
    const chain = groupOf(await whyOf(stage), 'not-offered')?.chains[0]
    expect(codesOf(chain)).toEqual(['not-offered', 'holder-gone'])
    expect(chain?.[0]).toMatchObject({ name: 'offered', needs: 'act' })
  })

  it('says that a receipt lies in the inbox because nobody records it', async () => {
    const { stage, ...holding } = await begin()
    await stage.close(holding)
    await stage.answer('t1')
    const why = await whyOf(stage)
    expect(codesOf(groupOf(why, 'receipt-in-inbox')?.chains[0])).toEqual(['receipt-in-inbox', 'no-holder'])
    expect(groupOf(why, 'inbox-unread')?.chains[0]?.[0]?.text).toMatch(/^1 receipt in the inbox is not recorded/)
    const again = await stage.open()
    expect(groupsOf(await whyOf(stage))).toEqual(['received: wait'])
    await stage.close(again)
  })

  it('names the gate that refused the receipt of an attempt which is still out', async () => {
    const publicKey = generateKeyPairSync('ed25519')
      .publicKey.export({ format: 'der', type: 'spki' })
      .toString('base64')
    const { stage } = await begin({ workerKeys: [{ keyId: 'k1', publicKey }] })
    await quickWorker(stage)
    const why = await whyOf(stage)
    expect([why.verdict, ...groupsOf(why)]).toEqual(['act', 'receipt-refused: act'])
    expect(first(why)?.[0]).toMatchObject({ taskId: 't1', name: 'signature' })
    expect(shownBy(stage, first(why)?.[0])).toEqual(['dispatched', 'receipt-rejected'])
  })

  it('says that a deadline is over and why nobody expires it', async () => {
    const { stage, adapter } = await begin({ attemptTimeoutMs: 1_000 })
    adapter.kill()
    await later(stage, 60_000)
    const why = await whyOf(stage)
    expect(codesOf(groupOf(why, 'overdue')?.chains[0])).toEqual(['overdue', 'holder-gone'])
  })

  it('follows tasks that wait for one another down to the one that stands, however long the chain is', async () => {
    const chain = Array.from({ length: 100 }, (_, i) => request(`t${i}`, i === 0 ? {} : { after: [`t${i - 1}`] }))
    const { stage } = await begin({ attemptsMax: 1 }, chain)
    await stage.answer('t0', broken)
    const why = await whyOf(stage)
    const after = groupOf(why, 'after')
    expect(after).toMatchObject({ total: 99, needs: 'act' })
    expect(codesOf(after?.chains[0])).toEqual(['after', 'stopped'])
    const { chain: whole } = await whyTaskOf(stage, 't99')
    expect(whole.length).toBe(16)
    expect(whole.at(-1)).toMatchObject({ code: 'stopped', taskId: 't0' })
    expect(whole.at(-2)?.text).toMatch(/84 further tasks wait for one another below it$/)
  })

  it('says of a planned task which time, slot or decision it waits for, and who has the slots', async () => {
    const notBefore = '2031-01-01T00:00:00.000Z'
    const tasks = [request('t0', { priority: 9 }), request('t1'), request('t2', { notBefore })]
    const { stage, adapter } = await begin({ inFlightMax: 1, evaluateFirst: true }, tasks)
    const why = await whyOf(stage)
    const [slot] = groupOf(why, 'no-slot')?.chains[0] ?? []
    expect(slot).toMatchObject({ taskId: 't1', name: 'inFlightMax', text: expect.stringMatching(/out are t0$/) })
    expect(shownBy(stage, slot)).toEqual(['dispatched', 'planned'])
    expect(groupOf(why, 'time')?.chains[0]?.[0]).toMatchObject({
      taskId: 't2',
      text: expect.stringContaining(notBefore),
    })
    await stage.answer('t0')
    const held = groupOf(await whyOf(stage), 'held')?.chains[0]
    expect(codesOf(held)).toEqual(['held', 'received'])
    expect(held?.[0]?.name).toBe('evaluate-first')
    adapter.kill()
  })

  it('says that a planned task waits for a holder when one was killed before it could dispatch it', async () => {
    const { stage, run, adapter } = await begin({ inFlightMax: 1, evaluateFirst: true }, [
      request('t0', { priority: 9 }),
      request('t1'),
    ])
    await stage.answer('t0')
    adapter.kill()
    stage.append([{ type: 'task-accepted', v: 1, data: { taskId: 't0', attempt: 1 } }], 'c', run.status.epoch)
    await later(stage, 20_000)
    expect(codesOf(groupOf(await whyOf(stage), 'turn')?.chains[0])).toEqual(['turn', 'holder-gone'])
  })

  it('names the limit on spend that is used up, the receipt that did it, and waits for what is out', async () => {
    const { stage, run } = await begin({ tokensMax: 5 }, requests(2))
    await stage.answer('t1', { usage: { durationMs: 1, tokens: 7 } })
    const budget = groupOf(await whyOf(stage), 'budget-used')
    expect(budget?.chains[0]?.[0]).toMatchObject({
      name: 'tokensMax',
      needs: 'wait',
      text: expect.stringMatching(/is 5 .* at 7/),
    })
    expect(shownBy(stage, budget?.chains[0]?.[0])).toEqual(['receipt-received'])
    await stage.answer('t2')
    for (const taskId of ['t1', 't2']) await stage.clock.run(run.execute({ type: 'accept', taskId: taskId }))
    expect(groupsOf(await whyOf(stage))).toContain('budget-used: act')
  })

  it('names each criterion without evidence, the lack of tasks, and that it could be completed', async () => {
    const { stage, run } = await begin({}, [], ['all is read', 'it adds up'])
    expect(groupOf(await whyOf(stage), 'criteria-open')).toMatchObject({ total: 2, needs: 'act' })
    for (const criterion of [1, 2]) {
      await stage.clock.run(run.execute({ type: 'meet-criterion', criterion, evidence: 'seen' }))
    }
    expect(groupsOf(await whyOf(stage))).toEqual(['nothing-dispatched: act'])
    await stage.clock.run(run.dispatch(request('t1')))
    await stage.answer('t1')
    await stage.clock.run(run.execute({ type: 'accept', taskId: 't1' }))
    const why = await whyOf(stage)
    expect(groupsOf(why)).toEqual(['could-complete: act'])
    expect(first(why)?.[0]?.remedy).toBe(`reprise complete ${runId} --summary TEXT`)
    await stage.clock.run(run.execute({ type: 'reopen-criterion', criterion: 2, reason: 'it does not' }))
    const open = groupOf(await whyOf(stage), 'criteria-open')?.chains[0]?.[0]
    expect(open).toMatchObject({ name: '2', remedy: `reprise criterion met ${runId} 2 --evidence TEXT` })
    expect(shownBy(stage, open)).toEqual(['task-accepted', 'criterion-reopened'])
  })

  it('says that a checkpoint is overdue, and not before', async () => {
    const { stage, run } = await begin()
    const dueAt = new Date(stage.clock.now() + 60_000).toISOString()
    await stage.clock.run(run.execute({ type: 'set-checkpoint', dueAt, note: 'look' }))
    expect(groupsOf(await whyOf(stage))).not.toContain('checkpoint-overdue: act')
    await later(stage, 61_000)
    expect(groupsOf(await whyOf(stage))).toContain('checkpoint-overdue: act')
  })

  it('says what could not be asked, in bounded time, and the rest all the same', async () => {
    const { stage } = await begin({}, requests(40))
    await later(stage)
    const { adapter, runtime } = stage.process()
    const refuse = async (): Promise<never> => {
      throw new RepriseError('ADAPTER_UNAVAILABLE', 'The server does not answer.')
    }
    const hang = (): Promise<never> => new Promise(() => {})
    const since = stage.clock.now()
    const deaf = {
      log: adapter.log,
      leases: adapter.leases,
      queue: { ...adapter.queue, locate: hang },
      inbox: { ...adapter.inbox, peek: refuse },
    }
    const why = await stage.clock.run(whyRun({ adapter: deaf, runId, runtime }))
    expect(stage.clock.now() - since).toBeLessThanOrEqual(15_000)
    expect(why.unlearnt).toEqual(expect.arrayContaining(['The server does not answer.']))
    expect(groupOf(why, 'out')).toMatchObject({ total: 40, needs: 'wait' })
  })

  it('stops asking as soon as it is aborted', async () => {
    const { stage } = await begin()
    const { adapter, runtime } = stage.process()
    const stop = new AbortController()
    const hang = (): Promise<never> => new Promise(() => {})
    const deaf = { ...adapter, queue: { ...adapter.queue, locate: hang } }
    const since = stage.clock.now()
    const asking = whyRun({ adapter: deaf, runId, runtime, signal: stop.signal })
    const refused = expect(asking).rejects.toMatchObject({ code: 'ABORTED' })
    await stage.clock.advance(100)
    stop.abort()
    await stage.clock.settle()
    await refused
    expect(stage.clock.now() - since).toBe(100)
  })

  it('lists five of each kind and counts all, however many there are, and asks for 32 attempts', async () => {
    const { stage } = await begin({ inFlightMax: 200 }, requests(1_000))
    await later(stage)
    const before = stage.calls.length
    const why = await whyOf(stage)
    expect(stage.calls.slice(before).filter((call) => call === 'queue.locate').length).toBe(32)
    expect(why.groups.map(({ code, total, chains }) => [code, total, chains.length])).toEqual([
      ['unclaimed', 32, 5],
      // Those that have the slots are unclaimed.
      ['no-slot', 800, 5],
      ['out', 168, 5],
    ])
  })

  it('looks for attempts of every lane, however many are out of one', async () => {
    const { stage } = await begin({}, [...requests(100), request('last', { lane: 'gpu' })])
    await later(stage)
    const lanes = groupOf(await whyOf(stage), 'unclaimed')
    expect(lanes).toMatchObject({ total: 32 })
    expect(lanes?.chains.length).toBe(5)
    await busyWorker(stage)
    expect(groupOf(await whyOf(stage), 'unclaimed')?.chains.map(([reason]) => reason?.taskId)).toEqual(['last'])
  })

  it('takes a log that goes on while it is asked for that of somebody alive', async () => {
    const { stage, run } = await begin()
    let notes = 0
    const note = async (): Promise<'go'> => {
      await run.execute({ type: 'note', text: `${++notes}` })
      return 'go'
    }
    stage.intercept(({ port, phase }) => (port === 'inbox' && phase === 'before' ? note() : 'go'))
    // As if its lease had run out while it stood still, and the news of that had not reached it yet.
    stage.backend.leases.held.clear()
    const why = await whyOf(stage)
    expect(notes).toBe(4)
    expect(why.version).toBe(stage.events.length)
    expect(groupsOf(why)).not.toContain('holder-gone: act')
  })

  it(always, () =>
    checkProperty(always, 'packages/core/test/why-run.test.ts', histories, async (steps) => {
      const run = runOf(steps)
      const stage = stageOf(run)
      const events = stage.events
      const why = await whyOf(stage)
      expect(why.version).toBe(run.state.version)
      expect(why.groups.length).toBeGreaterThan(0)
      expect(why.verdict === 'closed').toBe(run.state.mode === 'closed')
      for (const { chains, total, code } of why.groups) {
        expect(total).toBeGreaterThanOrEqual(chains.length)
        for (const chain of chains) {
          expect(chain[0]?.code).toBe(code)
          for (const reason of chain) {
            expect(reason.text).not.toMatch(/[\n\r\t]| (undefined|null|NaN)([ ,;:)]|$)/)
            for (const version of reason.events) {
              const event = events[version - 1]
              expect(event).toBeDefined()
              // Who has the slots is shown by the dispatch of another task.
              if (event === undefined || reason.taskId === null || reason.code === 'no-slot') continue
              expect(taskIdOf(event)).toBe(reason.taskId)
            }
          }
        }
      }
    }),
  )
})
