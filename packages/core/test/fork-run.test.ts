import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { briefRun } from '../src/coordinator/brief-run.js'
import { changesSince } from '../src/coordinator/changes-since.js'
import { loadRun, verifyRun } from '../src/coordinator/load-run.js'
import { taskChain } from '../src/coordinator/task-chain.js'
import { traceChain } from '../src/coordinator/trace-chain.js'
import { describeEvent } from '../src/flow/describe-event.js'
import { readCommit, readRecordShape } from '../src/log/commit-record.js'
import { memoryAdapter } from '../src/memory/memory-adapter.js'
import type { RunId } from '../src/protocol/ids.js'
import { findBroken } from '../src/replay/bisect.js'
import { forkRun } from '../src/replay/fork-run.js'
import { loadRunAt } from '../src/replay/load-run-at.js'
import { LogFollower } from '../src/watchdog/log-follower.js'
import { PortGuard } from '../src/watchdog/port-guard.js'
import { histories, runOf } from './any-history.js'
import { ForkStage, fork, original, stateAt } from './fork-stage.js'
import { dispatch, given, receipt, receiptText, settled } from './given-run.js'
import { checkProperty } from './property-run.js'
import { snapshotOf, stateText } from './snapshot-of.js'

const file = 'packages/core/test/fork-run.test.ts'

/** Two tasks out, one accepted, one received, a message of a worker decided. */
const busy = () =>
  given({ wallClockMsMax: 60_000 }, ...settled('done'), dispatch('a', 'b', 'c', 'late'))
    .andFrom('sender-1', { type: 'note', text: 'hello' })
    .and(receipt('c'))

describe('a fork', () => {
  it('of any version of any history shares it, stands where it stood, and is brought to its end as a run of its own', async () => {
    const picks = fc.array(fc.nat(), { minLength: 1, maxLength: 2 })
    await checkProperty('of any version', file, fc.tuple(histories, picks), async ([steps, picked]) => {
      const run = runOf(steps)
      const stage = new ForkStage(run)
      await stage.worker()
      for (let version = 1; version <= run.state.version; version++) {
        const to = `fork-${version}` as RunId
        const report = await stage.fork(version, to)
        const lines = stage.linesOf(to)
        expect(lines.slice(0, report.shared)).toEqual(run.lines.slice(0, report.shared))
        const then = stateAt(run.lines, version)
        expect(stateText(stateAt(lines, version))).toBe(stateText(then))
        const state = await stage.load(to)
        expect(state).toMatchObject({
          runId: to,
          version: version + 1,
          epoch: then.epoch,
          lock: null,
          mode: 'recovering',
        })
        expect(state.counts).toMatchObject({ out: 0, planned: then.counts.planned + then.counts.out })
        expect(state.forkedFrom).toEqual({ runId: original, version, hash: report.from.hash })
        expect(await verifyRun(stage.adapter.log, to)).toMatchObject({ ok: true, version: version + 1 })
        expect((await findBroken(stage.adapter.log, to)).found).toBe(null)
      }
      for (const at of new Set(picked.map((pick) => 1 + (pick % run.state.version)))) {
        const to = `fork-${at}` as RunId
        const { status, counts, epoch } = await stage.finish(to)
        expect([status, counts.out + counts.planned + counts.received + counts.stopped]).toEqual(['complete', 0])
        expect(epoch).toBeGreaterThan(stateAt(run.lines, at).epoch)
        expect(await verifyRun(stage.adapter.log, to)).toMatchObject({ ok: true })
        expect((await findBroken(stage.adapter.log, to)).found).toBe(null)
      }
      expect(stage.linesOf(original)).toEqual(run.lines)
    })
  })

  it('hands out itself what was out, as the same attempt and before what waited, and keeps what came back', async () => {
    const run = given({ inFlightMax: 2 }, dispatch('a', 'b', 'waits'), receipt('b'))
    const stage = new ForkStage(run)
    await stage.fork(run.state.version)
    const opened = await stage.open(fork)
    await stage.clock.settle()
    const { out, received } = await opened.view()
    expect(received.map(({ taskId }) => taskId)).toEqual(['b'])
    expect(out.map(({ taskId, attempt }) => [taskId, attempt])).toEqual([
      ['a', 1],
      ['waits', 1],
    ])
    const offers = [...stage.backend.lanes.attempts.values()].map(({ offer }) => offer)
    expect(new Set(offers.map(({ runId }) => runId))).toEqual(new Set([fork]))
  })

  it('takes a message for a new one although the original has decided one of that sender and number', async () => {
    const stage = new ForkStage(busy())
    await stage.fork(busy().state.version)
    const opened = await stage.open(fork)
    const body = JSON.stringify({ type: 'note', text: 'to the fork' })
    await stage.clock.run(stage.adapter.inbox.send(fork, [{ sender: 'sender-1', seq: 1, kind: 'command', body }]))
    await stage.clock.settle()
    const events = stage.linesOf(fork).flatMap((line, index) => readCommit(line, index).events)
    expect(events.filter(({ type }) => type === 'note-added').map(({ data }) => data)).toEqual([
      { text: 'hello' },
      { text: 'to the fork' },
    ])
    expect(opened.status.version).toBe(events.length)
  })

  it('refuses receipts and context tokens of the original, and the original those of the fork', async () => {
    const run = busy()
    const stage = new ForkStage(run)
    await stage.fork(run.state.version)
    const opened = await stage.open(fork)
    const body = receiptText(run, 'a')
    await stage.clock.run(stage.adapter.inbox.send(fork, [{ sender: 'worker-1', seq: 1, kind: 'receipt', body }]))
    await stage.clock.settle()
    const refused = readCommit(stage.linesOf(fork).at(-1) ?? '', 0).events
    expect(refused).toMatchObject([{ type: 'receipt-rejected', data: { gate: 'run' } }])
    const { log } = stage.adapter
    const [old, own] = [(await briefRun(log, original)).token, (await opened.briefing()).token]
    expect(await opened.execute({ type: 'note', text: 'x' }, { token: old })).toMatchObject({
      ok: false,
      code: 'TOKEN_INVALID',
    })
    await expect(changesSince(log, original, own)).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
    await expect(changesSince(log, fork, own)).resolves.toMatchObject({ total: 0 })
  })

  it('of a run that has ended is open, and its limit on time begins anew', async () => {
    const run = given({ wallClockMsMax: 60_000 }, ...settled('done'), { type: 'complete', summary: 'done' })
    const stage = new ForkStage(run)
    await stage.worker()
    await stage.fork(run.state.version)
    const opened = await stage.open(fork)
    await stage.clock.run(opened.dispatch({ taskId: 'more', kind: 'work', input: null }))
    await stage.clock.run(opened.close())
    expect(await stage.finish(fork)).toMatchObject({ status: 'complete', counts: { accepted: 2, spawnsRefused: 0 } })
    expect((await stage.load(original)).status).toBe('complete')
  })

  it('of a fork, with its snapshot and its versions before it was made, is read like any other run', async () => {
    const run = busy()
    const stage = new ForkStage(run)
    await stage.fork(5)
    const second = 'fork-2' as RunId
    const { from } = await stage.fork(6, second, fork)
    expect(from).toMatchObject({ runId: fork, version: 6 })
    const { log } = stage.adapter
    expect((await loadRunAt(log, second, { version: 4 })).state).toMatchObject({ runId: original, version: 4 })
    expect((await loadRunAt(log, second, { version: 6 })).state).toMatchObject({ runId: fork, version: 6 })
    expect((await loadRunAt(log, second, { back: 0 })).state).toMatchObject({ runId: second, version: 7 })
    stage.backend.snapshots.set(second, [await snapshotOf(stage.linesOf(second))])
    const { state, basis } = await loadRun(log, second, { snapshots: stage.adapter.snapshots })
    expect(basis.snapshotVersion).toBe(7)
    expect(stateText(state)).toBe(stateText(await stage.load(second)))
  })

  it('is told of in its briefing, and its tasks follow its own trace', async () => {
    const run = busy()
    const stage = new ForkStage(run)
    const { version } = run.state
    await stage.fork(version)
    const { text } = await briefRun(stage.adapter.log, fork)
    expect(text).toContain(
      `Forked from run-1@${version}: what is told of versions up to ${version} happened in that run.`,
    )
    expect(text).toContain('run fork-1 goes on from here')
    const { adapter } = stage
    const chain = await stage.clock.run(taskChain({ adapter, runId: fork, taskId: 'a' }))
    expect(chain.links.find(({ link }) => link === 'planned')).toMatchObject({ state: 'done', version: version + 1 })
    expect(chain.links.find(({ link }) => link === 'dispatched')).toMatchObject({ state: 'missing' })
    const trace = await stage.clock.run(traceChain({ adapter, traceId: fork }))
    expect(trace.tasks.map(({ runId }) => runId)).toEqual(['fork-1', 'fork-1', 'fork-1', 'fork-1', 'fork-1'])
    expect(trace.unreadable).toEqual([])
  })

  it('is watched as an open run of its own, also when the original has ended', async () => {
    const run = given({}, ...settled('done'), { type: 'complete', summary: 'done' })
    const stage = new ForkStage(run)
    await stage.fork(run.state.version)
    const runtime = stage.clock.process()
    const watched = memoryAdapter({ backend: stage.backend, runtime })
    const follower = new LogFollower(watched.log, fork, new PortGuard(runtime, 10_000, new AbortController().signal))
    expect(await stage.clock.run(follower.catchUp())).toMatchObject({ runId: fork, ended: false, lock: null })
    await stage.open(fork)
    expect(await stage.clock.run(follower.catchUp())).toMatchObject({ runId: fork, ended: false, lock: { holder: {} } })
  })

  it('says in one line what happened', () => {
    const from = { runId: original, version: 7, hash: 'ab'.repeat(32) }
    expect(describeEvent({ type: 'run-forked', v: 1, data: { runId: fork, from } })).toBe(
      'run fork-1 goes on from here: forked from run-1@7',
    )
  })
})

describe('forking', () => {
  it('that was killed after any call goes on, and once made is found, also after the fork has gone on', async () => {
    const run = busy()
    const whole = new ForkStage(run)
    await whole.fork(run.state.version - 1)
    const appends = whole.linesOf(fork).length
    for (let kill = 1; kill <= appends; kill++) {
      const stage = new ForkStage(run)
      let left = kill
      stage.backend.intercept = ({ method, phase }) =>
        method === 'append' && phase === 'after' && --left === 0 ? 'kill' : 'go'
      const doomed = stage.clock.process()
      const adapter = memoryAdapter({ backend: stage.backend, runtime: doomed })
      void forkRun(adapter.log, original, { version: run.state.version - 1 }, fork, { runtime: doomed }).catch(() => {})
      await stage.clock.settle()
      expect(stage.linesOf(fork)).toHaveLength(kill)
      stage.backend.intercept = () => 'go'
      if (kill < appends) await expect(stage.load(fork)).rejects.toMatchObject({ code: 'RUN_MISMATCH' })
      const report = await stage.fork(run.state.version - 1)
      expect([report.already, report.commits]).toEqual([kill === appends, appends])
      const opened = await stage.open(fork)
      await stage.clock.run(opened.close())
      expect(await stage.fork(run.state.version - 1)).toMatchObject({ already: true, from: report.from })
    }
  })

  it('by two at once makes one fork', async () => {
    const stage = new ForkStage(busy())
    const reports = await Promise.all([stage.fork(5), stage.fork(5)])
    expect(reports.map(({ already }) => already).sort()).toEqual([false, true])
    expect(await verifyRun(stage.adapter.log, fork)).toMatchObject({ ok: true, version: 6 })
  })

  it('of two versions under one name at once makes one of the two, and says so to the other', async () => {
    for (const versions of [
      [5, 9],
      [9, 5],
    ]) {
      const stage = new ForkStage(busy())
      const asked = await Promise.allSettled(versions.map((version) => stage.fork(version)))
      const refused = asked.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
      expect(refused).toMatchObject([{ code: 'RUN_MISMATCH' }])
      expect(await verifyRun(stage.adapter.log, fork)).toMatchObject({ ok: true })
    }
  })

  it('is refused for a name that another run has, for its own, for no version, and nothing is written', async () => {
    const run = busy()
    const stage = new ForkStage(run)
    await stage.fork(5)
    const lines = stage.linesOf(fork)
    await expect(stage.fork(6)).rejects.toMatchObject({ code: 'RUN_MISMATCH' })
    await expect(stage.fork(4)).rejects.toMatchObject({ code: 'RUN_MISMATCH' })
    expect(stage.linesOf(fork)).toEqual(lines)
    await expect(stage.fork(5, original)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(stage.fork(5, '../x')).rejects.toMatchObject({ code: 'INVALID_ID' })
    await expect(stage.fork(0, 'new')).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(stage.fork(run.state.version + 1, 'new')).rejects.toMatchObject({ code: 'VERSION_UNKNOWN' })
    await expect(stage.fork(1, 'new', 'nobody' as RunId)).rejects.toMatchObject({ code: 'RUN_UNKNOWN' })
    expect([...stage.backend.runs.records.keys()]).toEqual([original, fork])
  })

  it('of a damaged run is refused at the bad commit, and nothing is written', async () => {
    const run = busy()
    const stage = new ForkStage(run)
    const records = [...stage.backend.recordsOf(original)]
    records[2] = { ...records[2]!, text: records[2]!.text.replace('"v":1', '"v":9') }
    stage.backend.runs.records.set(original, records)
    await expect(stage.fork(run.state.version)).rejects.toMatchObject({ code: 'LOG_CORRUPT', details: { index: 2 } })
    expect(stage.linesOf(fork)).toEqual([])
  })

  it('names the commit that it went on from, so that anybody can check what is shared', async () => {
    const run = busy()
    const stage = new ForkStage(run)
    const { from, shared } = await stage.fork(run.state.version)
    expect(shared).toBe(run.lines.length)
    expect(from.hash).toBe(readRecordShape(run.lines.at(-1) ?? '')?.hash)
    expect(readCommit(stage.linesOf(fork).at(-1) ?? '', shared).prev).toBe(from.hash)
  })
})
