import { describe, expect, it } from 'vitest'
import { sendCommand } from '../src/coordinator/send-command.js'
import { readStateFile } from '../src/flow/state-file-text.js'
import { follow, request, requests, runId } from './run-stage.js'
import { listen, StateFileStage } from './state-file-stage.js'
import { sectionOf } from './state-file-structure.js'

describe('a state file is written', () => {
  it('when the run is opened, and after each commit', async () => {
    const stage = new StateFileStage()
    const { run } = await stage.open()
    await stage.written()
    await stage.clock.run(run.note('one'))
    await stage.written()
    expect(sectionOf(stage.file.text ?? '', 'Notes')).toEqual([expect.stringMatching(/ one$/)])
    await stage.clock.run(run.dispatch(request('t1')))
    await stage.answer('t1')
    await stage.written()
    expect(sectionOf(stage.file.text ?? '', 'Current step')).toEqual(['Evaluating 1 receipt; 0 still out.'])
    expect(run.gates.at(-1)).toMatchObject({ gate: 'state-file', evidence: `${stage.file.path} is that of the log` })
    expect(stage.of('resumed').at(-1)).toMatchObject({ corrections: [] })
  })

  it('not before its commit is durable: what is on its way is in no file', async () => {
    const stage = new StateFileStage()
    const { run } = await stage.open()
    await stage.written()
    const before = stage.file.text
    const append = stage.hold('log.append', 'after')
    const note = follow(run.note('not yet'))
    await stage.clock.advance(10_000)
    expect([append.held, note.settled, stage.file.text]).toEqual([1, false, before])
    append.release()
    await stage.clock.runUntil(() => note.settled)
    await stage.written()
  })

  it('not with what is decided while it is asked for and is not durable yet', async () => {
    const stage = new StateFileStage()
    const { run } = await stage.open()
    await stage.written()
    const append = stage.hold('log.append', 'after', 2)
    // Written at once, so that the next write comes while the second is on its way.
    await stage.clock.run(run.note('before'))
    const first = follow(run.note('the first'))
    await stage.clock.settle()
    const second = follow(run.note('the second'))
    await stage.clock.advance(10_000)
    expect([append.held, first.settled, second.settled]).toEqual([1, true, false])
    expect(stage.file.text).not.toContain('the second')
    append.release()
    await stage.clock.runUntil(() => second.settled)
    await stage.written()
    expect(sectionOf(stage.file.text ?? '', 'Notes')).toHaveLength(3)
  })

  it('only from commits of the log, never of a version between them or ahead, in the order of the log', async () => {
    const stage = new StateFileStage()
    const { run } = await stage.open({ policy: { inFlightMax: 3 } })
    const ahead: number[] = []
    stage.file.fate = (_, phase) => {
      const said = readStateFile(stage.file.text ?? '')
      if (phase === 'after' && said !== null) ahead.push(said.version - run.status.version)
      return 'go'
    }
    await stage.clock.run(run.dispatch(requests(9)))
    for (let n = 1; n <= 9; n++) {
      await stage.answer(`t${n}`)
      const accepted = run.accept(`t${n}`)
      await stage.clock.advance(70)
      await accepted
    }
    await stage.written()
    expect(stage.file.writes.length).toBeGreaterThan(3)
    expect(ahead.length).toBeGreaterThan(3)
    expect(ahead.every((versions) => versions <= 0)).toBe(true)
    const versions = new Map(stage.commits.map(({ version }, i) => [version, stage.backend.recordsOf(runId)[i]?.hash]))
    const said = stage.file.writes.map((text) => readStateFile(text))
    for (const each of said) expect(each?.commit).toBe(versions.get(each?.version ?? 0))
    const order = said.map((each) => each?.version ?? 0)
    expect(order).toEqual([...order].sort((a, b) => a - b))
  })

  it('at most once in 200 ms however many commits there are, and is current right after the last', async () => {
    const stage = new StateFileStage()
    const { run } = await stage.open()
    await stage.written()
    const [writes, commits] = [stage.file.writes.length, stage.commits.length]
    for (let n = 0; n < 200; n++) {
      await stage.clock.run(run.note(`note ${n}`))
      await stage.clock.advance(10)
    }
    expect(stage.commits.length - commits).toBe(200)
    expect(stage.file.writes.length - writes).toBeLessThanOrEqual(2_000 / 200 + 1)
    await stage.clock.advance(200)
    expect(stage.said).toEqual(stage.logged)
  })

  it('without the log waiting for it, even if the disk never answers', async () => {
    const stage = new StateFileStage()
    const { run } = await stage.open()
    const { failures } = listen(run)
    stage.file.fate = (method) => (method === 'replace' ? new Promise(() => {}) : 'go')
    const from = stage.clock.now()
    for (let n = 0; n < 50; n++) await stage.clock.run(run.note(`note ${n}`))
    expect(stage.clock.now() - from).toBeLessThan(100)
    expect(failures).toEqual([])
    await stage.clock.advance(120_000)
    expect(failures.length).toBeGreaterThan(1)
    expect(new Set(failures)).toEqual(new Set(['STATE_FILE_FAILED']))
    stage.file.fate = () => 'go'
    await stage.clock.advance(40_000)
    expect(stage.said).toEqual(stage.logged)
  })

  it('with a disk that takes a write and does not say so: that one is ours, and no drift', async () => {
    const stage = new StateFileStage()
    const { run } = await stage.open()
    await stage.written()
    const { failures, drifts } = listen(run)
    let silent = true
    stage.file.fate = (method, phase) => {
      if (!silent || method !== 'replace' || phase === 'before') return 'go'
      silent = false
      return new Promise(() => {})
    }
    await stage.clock.run(run.note('taken without a word'))
    await stage.clock.advance(1_000)
    await stage.clock.run(run.note('and more'))
    const older = stage.file.text
    await stage.clock.advance(60_000)
    expect([failures, drifts, stage.said]).toEqual([['STATE_FILE_FAILED'], [], stage.logged])
    // From then on it would be one.
    stage.file.text = older
    await stage.clock.run(run.note('the last'))
    await stage.written()
    expect(drifts).toEqual(['older -'])
  })

  it('once more before a run that is closed is let go', async () => {
    const stage = new StateFileStage()
    const held = await stage.open()
    await stage.clock.run(held.run.note('the last word'))
    await stage.close(held)
    expect(stage.said).toEqual(stage.logged)
    expect(stage.of('lock-released')).toHaveLength(1)
    expect(sectionOf(stage.file.text ?? '', 'Active owners')).toEqual(['- coordinator: nobody holds the run'])
  })

  it.each([
    [
      'complete',
      (stage: StateFileStage, run: Opened) => stage.clock.run(run.complete('all read')),
      'complete: all read',
    ],
    ['fail', (stage: StateFileStage, run: Opened) => stage.clock.run(run.fail('no disk')), 'failed: no disk'],
    [
      'a round that completes',
      (stage: StateFileStage, run: Opened) =>
        stage.clock.run(run.round({ decide: () => [{ type: 'complete', summary: 'all read' }] })),
      'complete: all read',
    ],
    [
      'a round that goes on',
      (stage: StateFileStage, run: Opened) =>
        stage.clock.run(run.round({ decide: () => [{ type: 'dispatch', tasks: [request('t1')] }] })),
      'awaiting-result',
    ],
  ] as const)('before whoever made a round or ended the run is told: %s', async (_, end, status) => {
    const stage = new StateFileStage()
    const { run } = await stage.open()
    await stage.clock.run(run.note('one'))
    // The next write is not due yet.
    expect(stage.said).not.toEqual(stage.logged)
    await end(stage, run)
    expect(stage.said).toEqual(stage.logged)
    expect(sectionOf(stage.file.text ?? '', 'Status')[0]).toBe(status)
  })

  it('or not, when it cannot be: the round and the end are reported all the same, and that it failed', async () => {
    const stage = new StateFileStage()
    const { run } = await stage.open()
    const { failures } = listen(run)
    stage.file.fail('replace')
    const round = run.round({ decide: () => [{ type: 'dispatch', tasks: [request('t1')] }] })
    expect(await stage.clock.run(round)).toMatchObject({ progress: true, status: { counts: { out: 1 } } })
    expect(failures).toContain('STATE_FILE_FAILED')
    await stage.clock.run(run.fail('no disk'))
    expect(run.status.status).toBe('failed')
  })

  it('when the run is ended from outside', async () => {
    const stage = new StateFileStage()
    await stage.open()
    const sent = sendCommand({ ...stage.outside, runId, command: { type: 'fail', reason: 'no disk' } })
    await stage.clock.run(sent)
    await stage.written()
    expect(sectionOf(stage.file.text ?? '', 'Status')[0]).toBe('failed: no disk')
  })

  it('for a run that has ended only if it is not there or not that of the log', async () => {
    const stage = new StateFileStage()
    const { run } = await stage.open()
    await stage.clock.run(run.complete('done'))
    await stage.close({ run } as never)
    const [writes, text] = [stage.file.writes.length, stage.file.text]
    await stage.close(await stage.open())
    expect(stage.file.writes).toHaveLength(writes)
    stage.file.text = null
    await stage.close(await stage.open())
    expect(stage.file.text).toBe(text)
  })

  it('again after it could not be, without another commit and without asking all the time; the log goes on', async () => {
    const stage = new StateFileStage()
    const { run } = await stage.open()
    await stage.written()
    const { failures } = listen(run)
    for (const method of ['read', 'replace'] as const) {
      failures.length = 0
      stage.file.fail(method)
      await stage.clock.run(run.note('while it fails'))
      await stage.clock.advance(60_000)
      expect(failures.length).toBeGreaterThan(5)
      expect(failures.length).toBeLessThan(20)
      expect(new Set(failures)).toEqual(new Set(['STATE_FILE_FAILED']))
      stage.file.fail()
      await stage.clock.advance(5_500)
      expect(stage.said).toEqual(stage.logged)
    }
  })

  it('no more by a coordinator that has stopped, whatever it had still to write', async () => {
    const stage = new StateFileStage()
    const { run } = await stage.open()
    await stage.written()
    const { failures } = listen(run)
    stage.file.fail('replace')
    await stage.clock.run(run.note('never written'))
    stage.append(
      [{ type: 'lock-acquired', v: 1, data: { holder: { id: 'x', host: 'h', pid: 1 }, reason: 'forced' } }],
      'x',
      9,
    )
    await expect(stage.clock.run(run.note('mine'))).rejects.toMatchObject({ code: 'LOCK_LOST' })
    await stage.clock.advance(1_000)
    const told = failures.length
    const calls = stage.file.calls.length
    stage.file.fail()
    await stage.clock.advance(600_000)
    expect([failures.length, stage.file.calls.length]).toEqual([told, calls])
  })

  it('says that the last write failed, and the next coordinator makes up for it', async () => {
    const stage = new StateFileStage()
    const held = await stage.open()
    await stage.written()
    const { failures } = listen(held.run)
    await stage.clock.run(held.run.note('one'))
    stage.file.fail('replace')
    await stage.close(held)
    expect(failures).toContain('STATE_FILE_FAILED')
    expect(stage.said).not.toEqual(stage.logged)
    stage.file.fail()
    await stage.open()
    await stage.written()
    expect(stage.of('resumed').at(-1)?.corrections).toEqual([expect.stringContaining('it has been written again')])
  })
})

type Opened = Awaited<ReturnType<StateFileStage['open']>>['run']
